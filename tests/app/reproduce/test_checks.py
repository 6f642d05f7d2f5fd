"""Every check's file: it can be read, its prediction moves with its sabotage, and in little it passes and fails."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.reproduce.check import CHECKS, Check, Effort, load, plan_of
from app.reproduce.measure import measure
from app.reproduce.rows import ROWS
from config.reader import Document, read
from config.refused import Refused

ALL = load()
PLANT = [name for name, (check, _) in ALL.items() if check.level == "plant"]
APPROXIMATE = {"P8": 0.05, "P11": 0.15, "P17": 0.05, "P18": 0.2, "P19": 0.1, "P25": 0.05}


@pytest.mark.parametrize("name", ALL)
def test_a_check_is_what_the_issue_says(name: str) -> None:
    check, document = ALL[name]
    assert check.id in ROWS
    assert (check.verdict == "approximate") == (check.id in APPROXIMATE)
    assert check.tolerance == APPROXIMATE.get(check.id, 0.0)
    assert check.precision == (0.002 if check.id == "P23" else check.precision)
    assert check.sabotage.factor in (0.8, 1.2)
    assert plan_of(check, document, check.full).experiment.seed > 0


def test_seeds_are_not_shared() -> None:
    seeds = [plan_of(check, document, check.full).experiment.seed for check, document in ALL.values()]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("name", PLANT)
def test_the_prediction_is_met(name: str) -> None:
    check, document = ALL[name]
    effort = check.quick
    assert effort is not None
    verdict = measure(check, document, effort).verdict
    assert verdict.passed, verdict.why


@pytest.mark.parametrize("name", PLANT)
def test_the_sabotage_is_caught(name: str) -> None:
    check, document = ALL[name]
    effort = check.quick
    assert effort is not None
    verdict = measure(check, document, effort, sabotaged=True).verdict
    assert not verdict.passed
    assert "standard error" not in verdict.why or check.id in ("P19", "P18")


def test_a_check_that_names_no_prediction_is_refused(tmp_path: Path) -> None:
    check, document = ALL["P1-plant"]
    with pytest.raises(Refused, match="no prediction 'P999'"):
        measure(replace(check, id="P999"), document, Effort())


def test_two_files_of_one_check_are_refused(tmp_path: Path) -> None:
    text = (CHECKS / "P1.yaml").read_text()
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(Refused, match="is also in"):
        load(tmp_path)


def test_a_sabotage_of_nothing_is_refused() -> None:
    check, document = ALL["P1-plant"]
    wrong = replace(check, sabotage=replace(check.sabotage, keys=("sample.colour",)))
    with pytest.raises(Refused, match="nothing at 'sample"):
        plan_of(wrong, document, Effort(), sabotaged=True)


def test_a_check_says_which_line_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "P1.yaml"
    file.write_text((CHECKS / "P1.yaml").read_text().replace("title: Free", "titel: Free"))
    document: Document = read(file)
    check: Check = ALL["P1-plant"][0]
    with pytest.raises(Refused, match=r"P1\.yaml, line 11: the key 'title' is missing"):
        plan_of(check, document, Effort())
