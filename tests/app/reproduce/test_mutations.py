"""Short versions: a row passes, and it fails if one line of the program is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.commands import reproduce
from app.reproduce.check import Effort, load, plan_of
from app.reproduce.measure import measure
from app.reproduce.mutations import MUTATIONS, measure_mutated
from app.reproduce.rows import ROWS
from app.reproduce.rows.row import ExperimentFacts
from control.history import History
from control.plant import BOLTZMANN_PN_UM_PER_K, Plant

CHECKS = load()
LITTLE = {
    "P1-plant": Effort(seconds=2.0, cells=100),
    "P16-plant": Effort(seconds=4.0, cells=100),
    "P17-plant": Effort(seconds=2.0, cells=100),
    "P22-plant": Effort(seconds=3.0, cells=160),
    "P2-instrument": Effort(seconds=10.0),
}
SEEN_BY = {
    "kb": "P1-plant", "d": "P1-plant", "drag": "P17-plant", "stiffness": "P17-plant", "hold": "P17-plant",
    "frame": "P17-plant", "nearest": "P22-plant", "latency": "P16-plant", "scale": "P2-instrument",
}  # fmt: skip


@pytest.mark.parametrize("name", LITTLE)
def test_the_unchanged_program_passes(name: str) -> None:
    verdict = measure(*CHECKS[name], LITTLE[name], drawn=False).verdict
    assert verdict.passed, verdict.why


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_wrong_line_is_caught(name: str) -> None:
    row = SEEN_BY[name]
    verdict = measure_mutated(name, *CHECKS[row], LITTLE[row]).verdict
    assert verdict.caught, verdict.why


def test_every_required_mutation_exists() -> None:
    assert set(SEEN_BY) == set(MUTATIONS)
    assert {row for mutation in MUTATIONS.values() for row in mutation.rows} <= set(CHECKS)


@pytest.mark.parametrize("name", ["kb", "d"])
def test_shared_errors_are_detected_only_by_the_stated_number(name: str) -> None:
    """The measurement agrees with the equally wrong prediction; only the number stated in the row shows the error."""
    check, document = CHECKS["P1-plant"]
    effort = Effort(seconds=4.0, cells=200)
    measured = measure_mutated(name, check, document, effort).verdict
    with MUTATIONS[name].made():
        predicted = ROWS["P1"].predict(ExperimentFacts(plan_of(check, document, effort)), check.options)
    assert measured.measured == pytest.approx(predicted, abs=3.0 * measured.stderr)
    assert "is stated" in measured.why


def test_mutations_are_undone() -> None:
    before = [(mutation.patches(), name) for name, mutation in MUTATIONS.items()]
    for patches, name in before:
        was = [of.__dict__[attribute] for of, attribute, _ in patches]
        with MUTATIONS[name].made():
            assert all(of.__dict__[attribute] is not old for (of, attribute, _), old in zip(patches, was, strict=True))
        assert [of.__dict__[attribute] for of, attribute, _ in patches] == was
    assert Plant(temperature_k=300.0).kt_pn_um == pytest.approx(300.0 * 1.380649e-5, rel=1e-12)
    assert BOLTZMANN_PN_UM_PER_K == 1.380649e-5
    assert History._seen_at.__name__ == "_seen_at"


def test_mutations_are_reported_with_the_row_that_catches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two mutations, one of them without a row that can catch it. The page lists the results, and no flight is
    repeated."""
    two = {"kb": MUTATIONS["kb"], "nearest": MUTATIONS["nearest"]}
    monkeypatch.setattr(reproduce, "MUTATIONS", two)
    file, page = tmp_path / "physics.json", tmp_path / "physics.md"
    assert reproduce.mutations(["P28"], full=False, out=tmp_path, json=file) == 1
    said = capsys.readouterr().out
    assert "0 of 2 mutations are caught; not caught: kB + 3 %, history nearest" in said
    told = json.loads(file.read_text())
    assert [(row["mutation"], row["id"], row["caught"]) for row in told["mutations"]] == [
        ("kB + 3 %", "P28", False),
        ("history nearest", "P28", False),
    ]

    def never(*_: object) -> None:
        raise AssertionError("flown again")

    monkeypatch.setattr(reproduce, "measure_mutated", never)
    reproduce.mutations(["P28"], full=False, out=tmp_path, json=file)
    told["mutations"][0]["caught"] = True
    file.write_text(json.dumps({"checks": [], "sabotages": [], "families": [], **told}))
    reproduce.document(page, file, tmp_path)
    text = page.read_text()
    assert "and 1 of 2 mutations" in text
    assert "| history nearest | the position in the nearest frame, without interpolation | P28 | plant |" in text
    file.write_text(json.dumps({"checks": [], "sabotages": [], "families": []}))  # from an older program
    reproduce.document(page, file, tmp_path)
    assert "## Mutations" not in page.read_text()
