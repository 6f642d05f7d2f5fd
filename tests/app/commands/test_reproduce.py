"""The command `reproduce`: table, JSON and page; it continues after an interruption."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.commands import reproduce
from app.reproduce.check import CHECKS, Check, load
from app.reproduce.family import explore, load_families
from app.reproduce.measure import Outcome, measure
from app.reproduce.report import family_report
from app.reproduce.rows import ROWS
from app.reproduce.rows.formulas import FORMULAS
from app.reproduce.store import family_result_of, figure_sha256, fingerprint, keep, kept, outcome_of, rig_text, sources
from config.refused import Refused


def test_reproduce_writes_table_json_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, file = tmp_path / "out", tmp_path / "checks.json"
    assert reproduce.reproduce(["P1-plant", "P28"], full=False, out=out, json=file) in (0, 1)
    checks = json.loads(file.read_text())["checks"]
    assert [check["id"] for check in checks] == ["P1", "P28"]
    assert {"id", "level", "predicted", "measured", "stderr", "verdict"} <= set(checks[0])
    assert all(check["verdict"] == "pass" for check in checks)
    page = (out / "reproduce-quick.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "2 of 2 agree" in capsys.readouterr().out


def test_sabotages_are_caught_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "checks.json"
    reproduce.reproduce(["P28"], full=False, out=tmp_path, json=file)
    assert reproduce.sabotage(["P28"], full=False, out=tmp_path, json=file) == 0
    told = json.loads(file.read_text())
    assert [row["id"] for row in told["checks"]] == ["P28"]  # existing rows stay
    assert told["sabotages"][0]["caught"] is True
    assert told["sabotages"][0]["factor"] == 1.05
    assert "1 of 1 sabotages are caught" in capsys.readouterr().out


def test_a_sabotage_that_is_not_caught_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wrong value the check passes: no sabotage is caught."""
    monkeypatch.setattr(reproduce, "measure", lambda *job, sabotaged, drawn: measure(*job, drawn=drawn))
    assert reproduce.sabotage(["P28"], full=False, out=tmp_path, json=None) == 1


def test_an_interrupted_reproduce_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(check: Check, *rest: object, **how: bool) -> Outcome:
        made.append(check.name)
        return measure(check, *rest, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(reproduce, "measure", counted)
    for _ in range(2):
        reproduce.reproduce(["P28-plant"], full=False, out=tmp_path, json=None)
    assert made == ["P28-plant"]
    stored = tmp_path / "quick" / "P28-plant.json"
    stored.write_text(stored.read_text()[:40])  # as after a full disk
    reproduce.reproduce(["P28-plant"], full=False, out=tmp_path, json=None)
    assert made == ["P28-plant"] * 2


def test_a_changed_check_is_measured_again(tmp_path: Path) -> None:
    check, document = load()["P28-plant"]
    effort = check.quick
    assert effort is not None
    mark = fingerprint(check, effort, rig=rig_text(document))
    keep(tmp_path, check.name, mark, measure(check, document, effort))
    assert kept(tmp_path, check.name, mark, outcome_of) is not None
    other = fingerprint(replace(check, tolerance=0.5), effort, rig=rig_text(document))
    assert kept(tmp_path, check.name, other, outcome_of) is None


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no check 'P99'"):
        reproduce.reproduce(["P99"], full=False, out=tmp_path, json=None, folder=CHECKS)


def test_a_family_is_flown_and_stored(tmp_path: Path) -> None:
    """Reduced: two rings and less time."""
    family, document = load_families()["b"]
    assert family.sweep is not None
    inner = {**document.data["experiment"], "seconds": 16.0}
    little = replace(family, sweep=replace(family.sweep, values=(0.15, 0.4)), want={"R_c / um": (0.2, 0.4)})
    found = explore(little, replace(document, data={**document.data, "experiment": inner}))
    assert found.numbers["D_L / D at R = 0.15 um"] < 0.6
    assert found.numbers["D_L / D at R = 0.4 um"] > 2.0
    assert found.missed == ()
    keep(tmp_path, "b", "mark", found)
    assert kept(tmp_path, "b", "mark", family_result_of) == found
    (tmp_path / "b.json").write_text('{"fingerprint": "mark", "figure": 3}')
    assert kept(tmp_path, "b", "mark", family_result_of) is None  # measured again
    assert found.figure in family_report([(family, found)])


def test_a_family_outside_its_wanted_range_is_reported() -> None:
    family, document = load_families()["b"]
    assert family.sweep is not None
    inner = {**document.data["experiment"], "seconds": 16.0}
    name = "D_L / D at R = 0.15 um"
    little = replace(family, sweep=replace(family.sweep, values=(0.15,)), want={name: (2.0, 3.0)})
    found = explore(little, replace(document, data={**document.data, "experiment": inner}))
    assert len(found.missed) == 1
    assert "not 2 to 3" in found.missed[0]


def test_an_unknown_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no family 'z'"):
        reproduce.families(["z"], out=tmp_path, json=None)


def test_the_page_is_made_from_the_json(tmp_path: Path) -> None:
    page, data = tmp_path / "physics.md", tmp_path / "physics.json"
    reproduce.reproduce(["P28"], full=False, out=tmp_path, json=data)
    reproduce.sabotage(["P28"], full=False, out=tmp_path, json=data)
    with pytest.raises(Refused, match="there are no families"):
        reproduce.document(page, data, tmp_path)
    told = json.loads(data.read_text())
    told["families"] = [
        {
            "id": "b",
            "title": "Rings",
            "about": "",
            "numbers": {"R_c / um": 0.2435, "nobody": None},
            "missed": ["R_c is far off"],
            "figure_sha256": figure_sha256(b"b's own"),
        }
    ]
    told["checks"].append({**told["checks"][0], "level": "instrument", "verdict": "fail", "why": "p = 0.001"})
    data.write_text(json.dumps(told))
    assert reproduce.document(page, data, tmp_path) == 0
    said = page.read_text()
    assert "1 of 2 rows pass" in said
    assert "Not measured here: P1-plant, P4-plant" in said
    assert "1 of 1 sabotages are caught" in said
    assert "½kT(1 − e^(−2κΔt))" in said
    assert "- P28, instrument: p = 0.001." in said
    assert "| R_c / um | 0.2435 |" in said
    assert "| nobody | – |" in said
    assert "But R_c is far off." in said
    assert "physics-b.png" not in said


def test_a_picture_of_other_numbers_is_left_out(tmp_path: Path) -> None:
    """For any files in the folder of runs or beside the page."""
    page, data, runs = tmp_path / "physics.md", tmp_path / "physics.json", tmp_path / "families"
    picture = tmp_path / "physics-b.png"
    own, other = base64.b64encode(b"own").decode(), base64.b64encode(b"other").decode()
    family = {"id": "b", "title": "", "about": "", "numbers": {}, "missed": [], "figure_sha256": figure_sha256(own)}
    data.write_text(json.dumps({"checks": [], "sabotages": [], "families": [family]}))
    runs.mkdir()
    for figure, there in ((other, False), (own, True)):
        (runs / "b.json").write_text(json.dumps({"figure": figure}))
        reproduce.document(page, data, tmp_path)
        assert picture.is_file() is there
        assert ("physics-b.png" in page.read_text()) is there
    picture.write_bytes(b"another's")
    (runs / "b.json").unlink()
    reproduce.document(page, data, tmp_path)
    assert "physics-b.png" not in page.read_text()
    (runs / "b.json").write_text("{")
    with pytest.raises(Refused, match=r"b\.json: this is not what reproduce --families keeps"):
        reproduce.document(page, data, tmp_path)


def test_wrong_rows_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "physics.json"
    for rows, said in (
        ([{"id": "P1"}], "row 1 of checks has no right level"),
        ([3], "row 1 of checks has no right id"),
        (3, "left as it is"),
    ):
        data.write_text(json.dumps({"checks": rows, "sabotages": [], "families": []}))
        with pytest.raises(Refused, match=said):
            reproduce.document(tmp_path / "p.md", data, tmp_path)


@pytest.mark.parametrize("fly", ["reproduce", "sabotage", "families"])
def test_a_foreign_json_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fly: str) -> None:
    """The refusal comes before any flight."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("flown")

    monkeypatch.setattr(reproduce, "measure", never)
    monkeypatch.setattr(reproduce, "explore", never)
    how = {} if fly == "families" else {"full": False}
    notes = tmp_path / "notes.json"
    for text in ("my notes", '{"checks": [], "mine": 1}', "[1, 2]", '{"checks": 1}'):
        notes.write_text(text)
        with pytest.raises(Refused, match=r"notes\.json: this is not what reproduce --json writes"):
            getattr(reproduce, fly)([], **how, out=tmp_path, json=notes)
        assert notes.read_text() == text
    with pytest.raises(Refused, match="found a folder"):
        getattr(reproduce, fly)([], **how, out=tmp_path, json=tmp_path)


def test_the_fingerprint_covers_all_flight_sources() -> None:
    names = {str(path.relative_to(Path(reproduce.__file__).parents[2])) for path in sources()}
    assert {
        "app/assembly/open.py",
        "app/assembly/plan.py",
        "app/analysis/trajectories.py",
        "app/reproduce/fly.py",
        "drivers/sim/world.py",
    } <= names


def test_every_prediction_has_its_formula() -> None:
    assert set(FORMULAS) == set(ROWS)


def test_a_page_without_its_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="needs --json"):
        reproduce.document(tmp_path / "a.md", None, tmp_path)
    with pytest.raises(Refused, match="not what reproduce"):
        reproduce.document(tmp_path / "a.md", tmp_path / "none.json", tmp_path)
