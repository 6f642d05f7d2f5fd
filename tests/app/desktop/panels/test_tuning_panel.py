"""The tuning panel in the window: suggest, look, use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtWidgets import QDockWidget
from pytestqt.qtbot import QtBot

from app.desktop.panels.tuning_panel import WELCOME
from app.desktop.window.open import FIRST
from app.tuning import judge
from control.contract import OrderKind
from tests.app.desktop.window.test_main_window import Bench


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path)
    dock = made.window.findChild(QDockWidget, "Tuning")
    assert dock is not None
    dock.raise_()
    yield made
    made.window.close()


def suggested(bench: Bench) -> None:
    bench.window.tuning.look_button.click()
    bench.qtbot.waitUntil(lambda: bench.window.tuning.shown is not None)


def test_a_missing_image_is_reported(bench: Bench) -> None:
    bench.window.tuning.look_button.click()
    assert bench.window.tuning.said.text() == "there is no image yet"
    assert not bench.window.tuning.use_button.isEnabled()


def test_a_suggestion_is_drawn_and_used(bench: Bench) -> None:
    """It comes into force between two turns without opening a device again; an APPLY contains the values."""
    bench.armed()
    panel, view = bench.window.tuning, bench.window.view
    suggested(bench)
    assert panel.shown is not None
    assert panel.values["kept", "suggested"].text() == str(len(panel.shown.suggested.kept_mass))
    assert {"kept", "rejected"} <= set(panel.mass.curves)
    assert {"x", "y", "even"} == set(panel.phase.curves)
    bench.qtbot.waitUntil(lambda: len(view.kept.data) == 7)  # another thread locates them
    edits = panel.shown.edits
    assert edits
    panel.use_button.click()
    rig = bench.window.session.plan.rig
    assert {key: getattr(rig.tracking, key.removeprefix("tracking.")) for key in edits} == edits
    assert len(bench.toys) == 1
    bench.qtbot.waitUntil(lambda: any(
        order.kind is OrderKind.APPLY and "tracking.diameter_px" in order.text
        for _, turn in bench.window.session.live.recent() for order in turn.orders  # type: ignore[union-attr]
    ))  # fmt: skip

    def in_force() -> bool:
        """Later images may give another suggestion, which is used too."""
        panel.use()
        return panel.shown is not None and not panel.shown.edits

    bench.qtbot.waitUntil(in_force)
    assert panel.use_button.text() == "In force"
    assert not panel.use_button.isEnabled()


def test_marks_are_removed_with_the_panel_and_with_the_rig(bench: Bench) -> None:
    bench.armed()
    suggested(bench)
    panel, view = bench.window.tuning, bench.window.view
    panel.in_force.setChecked(True)
    assert panel.judgement is panel.shown.in_force  # type: ignore[union-attr]
    devices = bench.window.findChild(QDockWidget, "Devices")
    assert devices is not None
    devices.raise_()
    bench.qtbot.waitUntil(lambda: panel.judgement is None)
    assert len(view.kept.data) == 0
    bench.window.show_plan(bench.window.session.plan)
    assert panel.shown is None
    assert panel.values["kept", "suggested"].text() == "–"


def test_the_table_lists_all_changes_of_use_these(bench: Bench) -> None:
    """Example: a `maxsize_px` of another lens, which rejects all particles, is removed; the table marks this."""
    window, panel = bench.window, bench.window.tuning
    window.settings.change_rig({"tracking.maxsize_px": 1.0}, False)
    bench.armed()
    suggested(bench)
    assert panel.shown is not None
    shown = {which: panel.values["maxsize_px", which] for which in ("suggested", "in force")}
    assert {which: label.text() for which, label in shown.items()} == {"suggested": "any", "in force": "1 px"}
    assert "color" in shown["suggested"].styleSheet()
    panel.use_button.click()
    assert window.session.plan.rig.tracking.maxsize_px is None


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A search lasts until this event is set, like a search in large images."""
    event, tuned = threading.Event(), judge.tuned

    def slow(*about: Any) -> judge.Tuned:
        event.wait(10.0)
        return tuned(*about)

    monkeypatch.setattr(judge, "tuned", slow)
    yield event
    event.set()


def test_settings_changed_during_a_search_are_compared_after_it(bench: Bench, released: threading.Event) -> None:
    """Use these is clicked and undone at once."""
    window, panel = bench.window, bench.window.tuning
    bench.armed()
    released.set()
    suggested(bench)
    released.clear()
    before = window.session.plan.rig.tracking.minmass
    panel.use_button.click()
    window.panel.undo()
    released.set()
    bench.qtbot.waitUntil(lambda: panel.shown is not None)
    assert panel.values["minmass", "in force"].text() == f"{before:.4g}"
    assert panel.use_button.isEnabled()
    window.panel.redo()
    bench.qtbot.waitUntil(lambda: panel.shown is not None)
    assert panel.values["minmass", "in force"].text() != f"{before:.4g}"


def test_another_experiment_ends_a_search(bench: Bench, released: threading.Event) -> None:
    """Results from images of the previous experiment are not offered for the new one."""
    window, panel = bench.window, bench.window.tuning
    bench.armed()
    panel.look_button.click()
    assert panel.timer.isActive()
    window.files.open(FIRST.parent / "ring_crystal.yaml")
    bench.qtbot.waitUntil(lambda: window.files.reading is None)
    assert panel.look_button.isEnabled()
    assert panel.said.text() == WELCOME
    released.set()
    bench.qtbot.wait(150)
    assert panel.shown is None
    assert not panel.use_button.isEnabled()
