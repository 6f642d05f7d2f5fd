"""The rows of docs/reliability.md that must hold whatever the computer does: dark, and the record as it should be."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmarks.safety import Row, cells, deeds, markdown, measured, sends
from tests.app.test_signals import PATIENCE_S, _signals_are_not_ignored

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals"),
]
__all__ = ["_signals_are_not_ignored"]


@pytest.mark.parametrize(
    ("name", "loop", "code"),
    [("SIGTERM", False, 128 + signal.SIGTERM), ("SIGKILL", False, -signal.SIGKILL), ("SIGKILL", True, None)],
    ids=["the window is stopped", "the window is killed", "its loop is killed"],
)
def test_a_window_that_ends_leaves_no_light(tmp_path: Path, name: str, loop: bool, code: int | None) -> None:
    """Both shutters: the emission too, whoever of the two processes is left to switch it off."""
    row = measured(name, "window", sends(name, loop), tmp_path, PATIENCE_S if code is not None else 5.0)
    assert row.dark_s is not None
    assert row.emission_off_s is not None
    if code is None:
        assert row.ended == "goes on"
        assert "readable, not closed, verifies" in row.record
        assert "the laser was put out from here" in row.said
    else:
        assert row.ended == f"exit code {code}"
        assert "closed, verifies" in row.record


def test_the_page_has_every_row() -> None:
    rows = [Row(deed, way, 0.5, None, "goes on", "closed", "a | b") for deed, way, _, _ in deeds()]
    page = markdown(rows)
    assert page.count("| 0.50 s | not within 12 s | goes on | closed |") == len(rows)
    assert cells(Row("", "", None, None, "not measured", "", "why"))[2] == "why"
