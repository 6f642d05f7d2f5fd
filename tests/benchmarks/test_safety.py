"""Rows of docs/reliability.md that hold on any computer: the light is off, and the record is correct."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from benchmarks.safety import (
    PAGE,
    SafetyRow,
    cells,
    deeds,
    laser_hung,
    markdown,
    measured,
    sends,
    terminates_twice_over_a_stopped_loop,
)
from drivers.emulate.child import ROOT
from tests.app.running.test_stop_signals import _signals_are_not_ignored
from tests.patience import PATIENCE_S

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals"),
]
__all__ = ["_signals_are_not_ignored"]


@pytest.mark.parametrize(
    ("name", "loop", "code"),
    [
        pytest.param("SIGTERM", False, 128 + signal.SIGTERM, id="the window is stopped"),
        pytest.param(
            "SIGHUP", False, 128 + signal.SIGHUP, id="the window's terminal is closed", marks=pytest.mark.slow
        ),
        pytest.param("SIGINT", False, 128 + signal.SIGINT, id="the window is interrupted", marks=pytest.mark.slow),
        pytest.param("SIGKILL", False, -signal.SIGKILL, id="the window is killed", marks=pytest.mark.slow),
        pytest.param("SIGKILL", True, None, id="its loop is killed", marks=pytest.mark.slow),
    ],
)
def test_after_the_window_ends_both_shutters_are_closed(
    tmp_path: Path, name: str, loop: bool, code: int | None
) -> None:
    """The emission also ends; the process that is left switches it off."""
    row = measured(name, "window", sends(name, loop), tmp_path, PATIENCE_S if code is not None else 5.0)
    assert row.dark_s is not None
    assert row.emission_off_s is not None
    if code is None:
        assert row.ended == "goes on"
        assert row.ended_s is None
        assert "readable, not closed, verifies" in row.record
        assert "the laser was put out from here" in row.said
    else:
        assert row.ended == f"exit code {code}"
        assert row.ended_s is not None
        assert "closed, verifies" in row.record


@pytest.mark.parametrize("way", [pytest.param("headless", marks=pytest.mark.slow), "window"])
@pytest.mark.slow
def test_a_laser_that_does_not_answer_is_not_reported_as_dark(tmp_path: Path, way: str) -> None:
    row = measured("SIGTERM", way, laser_hung(sends("SIGTERM")), tmp_path, PATIENCE_S)
    assert row.emission_off_s is None
    assert row.ended == f"exit code {128 + signal.SIGTERM}"
    assert "closed, verifies" in row.record
    assert "the laser could not be put out" in row.said
    assert "stopped by SIGTERM" in row.said
    assert "the laser is dark" not in row.said


@pytest.mark.parametrize("name", [pytest.param("SIGTERM", marks=pytest.mark.slow), "SIGKILL"])
@pytest.mark.slow
def test_the_window_shows_a_hung_laser_after_the_end_of_the_loop(tmp_path: Path, name: str) -> None:
    """Then the window is stopped, and must not report the laser as dark."""
    row = measured(name, "window", laser_hung(sends(name, loop=True)), tmp_path, 15.0)
    assert row.emission_off_s is None
    assert "the window shows OFF, MAY BE ON: switch the laser off by hand: the loop's process was" in row.said
    assert f"by {name}" in row.said
    assert "the laser is dark" not in row.said


@pytest.mark.slow
def test_a_second_signal_does_not_interrupt_the_end_of_a_stopped_loop(tmp_path: Path) -> None:
    row = measured("SIGTERM twice", "window", terminates_twice_over_a_stopped_loop, tmp_path, PATIENCE_S)
    assert row.emission_off_s is not None
    assert row.ended == f"exit code {128 + signal.SIGTERM}"
    assert "ended by force; the laser was put out from here" in row.said


def test_the_page_has_every_row() -> None:
    rows = [SafetyRow(deed, way, 0.5, None, "goes on", "closed", "a | b") for deed, way, _, _ in deeds()]
    page = markdown(rows)
    assert page.count("| 0.50 s | not within 12 s | goes on | closed |") == len(rows)
    assert cells(SafetyRow("", "", None, None, "not measured", "", "why"))[2] == "why"
    assert cells(SafetyRow("", "", 0.1, 0.1, "exit code 130", "", "", ended_s=1.234))[2] == "exit code 130 after 1.23 s"


def test_the_page_in_docs_has_the_text_of_the_source() -> None:
    """For any values in its rows."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    for part in re.split(r"\{[^}]*\}", PAGE):
        assert part in page
