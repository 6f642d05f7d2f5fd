"""The window opens the last experiment, rig or run again; it also opens if that file can't be opened."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication, QMainWindow

from app.assembly.rig import EXPERIMENTS, RIGS
from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, open_desktop, planner
from app.desktop.window.remembered_layout import RememberedLayout
from app.running.stop_signals import Stopped
from control.contract import STILL_LIT, Fault
from tests.app.desktop.window.test_playback_view import recorded as recorded

RIG = EXPERIMENTS.parent / "rigs" / "simulated.yaml"


@pytest.fixture
def shown(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that opens a window whose last file was `path`: (exit code, kind and title, reason)."""
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr("app.desktop.window.remembered_layout.user_config_path", lambda *_, **__: memory)

    def open_again(path: Path) -> tuple[int, str, str]:
        RememberedLayout().keep(QMainWindow(), str(path))
        said: list[str] = []

        def look(window: Window) -> None:
            plan = window.session.plan
            said.extend((f"{plan.kind}: {plan.experiment.title}", window.strip.reason.whole))
            QTimer.singleShot(500, window.close)

        code = open_desktop(None, None, made_window=look)
        return code, said[0], said[1]

    return open_again


def test_it_starts_after_a_run_was_open(shown: Any, recorded: Path) -> None:
    code, title, _ = shown(recorded)
    assert (code, title) == (0, "REPLAY: Annular activity")


def test_it_starts_after_a_rig_was_open(shown: Any, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(RIG.read_text())
    code, title, reason = shown(own)
    assert (code, title, reason) == (0, "SIMULATED: Annular activity", "not started")
    assert RememberedLayout().path == own  # it is remembered again


def test_a_mistake_in_the_last_file_is_reported_and_the_window_opens(shown: Any, tmp_path: Path) -> None:
    bad = tmp_path / "mine.yaml"
    bad.write_text(FIRST.read_text().replace("kind: programmed", "kind: programed"))
    code, title, reason = shown(bad)
    assert (code, title) == (0, "SIMULATED: Annular activity")
    assert reason.startswith("mine.yaml, which was open last, can't be opened: ")
    assert "programed" in reason


def test_the_planner_returns_the_path_of_the_opened_file(recorded: Path) -> None:
    assert [planner(path, None)[0] for path in (RIG, FIRST, recorded)] == [RIG, FIRST, recorded]


@pytest.mark.parametrize("number", [signal.SIGTERM, 0])
def test_a_laser_that_may_be_on_at_the_end_is_reported(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Regression: the sentence "the laser is dark" and exit code 0 were made before the window was closed."""

    def hangs(window: Window) -> None:
        real = window.session.close

        def close() -> None:
            real()
            raise Fault(f"{STILL_LIT}: no answer")

        monkeypatch.setattr(window.session, "close", close)

    def take_picture(*_: Any) -> None:
        if number:
            raise Stopped(number)

    monkeypatch.setattr("app.desktop.window.screenshot.take_picture", take_picture)

    def opened() -> int:
        return open_desktop(None, FIRST, picture=tmp_path / "a.png", made_window=hangs)

    if number:
        with pytest.raises(Stopped, match=f"^stopped by SIGTERM; {STILL_LIT}: no answer$"):
            opened()
    else:
        assert opened() == 1


def test_a_laser_that_was_never_opened_is_not_reported_dark(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: SIGTERM before Start reported that the laser is dark, but a real laser may be on from before."""

    def take_picture(*_: Any) -> None:
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr("app.desktop.window.screenshot.take_picture", take_picture)
    with pytest.raises(Stopped, match=r"^stopped by SIGTERM; the laser of this rig was not opened"):
        open_desktop(RIGS / "serial_simulated.yaml", FIRST, picture=tmp_path / "a.png")
