"""What a run was, in plain data and in words."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from app.info import info, text
from config.refused import Refused
from control.contract import Level, Turn, dark
from drivers.journal import Journal
from tests.drivers.turns import header, plausible


def run_of(path: Path, turns: list[Turn]) -> Path:
    journal = Journal(path, header(experiment="title: Annular activity\nmode: steered\n"), True, wait_s=30.0)
    for turn in turns:
        journal.write(turn)
    journal.close()
    return path


def tripped(turn: Turn) -> Turn:
    why = "the newest frame is 60 ms old"
    return dataclasses.replace(turn, level=Level.TRIPPED, reason=why, allowed=dark(why), sent=dark(why))


def test_a_tripped_run_says_when_and_why(tmp_path: Path) -> None:
    turns = [plausible(number) for number in range(50)]
    turns[30:40] = [tripped(turn) for turn in turns[30:40]]
    found = info(run_of(tmp_path / "run.h5", turns))
    assert (found["kind"], found["ended"], found["experiment"]) == ("SIMULATED", "cleanly", "Annular activity")
    assert (found["turns"], found["frames"], found["frames_kept"], found["frames_dropped"]) == (50, 50, 50, 1)
    assert (found["particles"], found["positions"], found["turns_lit"]) == (3, 150, 40)
    assert found["duration_s"] == pytest.approx(0.5)
    (trip,) = found["trips"]
    assert trip["turn"] == 30
    assert trip["reason"] == "the newest frame is 60 ms old"
    assert [change["level"] for change in found["levels"]] == ["ARMED", "TRIPPED", "ARMED"]
    assert json.loads(json.dumps(found)) == found
    said = text(found)
    assert "turn 30, 0.315 s: the newest frame is 60 ms old" in said
    assert "ended cleanly, 50 turns" in said
    assert "Annular activity" in said


def test_an_empty_run_has_nothing_to_tell(tmp_path: Path) -> None:
    found = info(run_of(tmp_path / "run.h5", []))
    assert (found["turns"], found["trips"], found["levels"], found["duration_s"]) == (0, [], [], 0.0)
    assert "trips       none" in text(found)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        info(tmp_path / "none.h5")
