"""Random sequences of up to 100 user actions: no exception, dark unless ARMED, and window and record agree."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from PyQt6 import sip
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.session import Session
from app.running.thread import beam_is_on
from control.contract import Level
from tests.app.desktop.panels.test_potential_edits import choose
from tests.app.desktop.toy import planned, wiring
from tests.app.desktop.window.test_main_window import force, write
from tests.patience import PATIENCE_S

FORMULAS = ("0.5*k*(r-R)**2", "exp(r", "A*sin(r)", "", "1/(r-1)", "__import__('os')", "0.2*r")
EXPERIMENTS = ("annular_activity", "ring_crystal", "directional_drive", "double_ring_square")


class Walk(RuleBasedStateMachine):
    """User actions in random order."""

    @initialize()
    def open(self) -> None:
        application()
        wires, self.toys, self.recorders = wiring(0.003)
        self.folder = tempfile.TemporaryDirectory()
        runs = Path(self.folder.name)
        self.window = Window(
            Session(planned(), wires), FIRST, runs, lambda path: planner(path, None, ("camera.fps=50",))[1]
        )
        self.window.show()
        self.raised: list[BaseException] = []
        self.start()
        self.hook, sys.excepthook = sys.excepthook, lambda kind, error, at: self.raised.append(error)

    def teardown(self) -> None:
        if not hasattr(self, "window"):
            return
        self.window.close()
        sip.delete(self.window)
        sys.excepthook = self.hook
        self.folder.cleanup()
        assert not self.raised
        assert all(toy.beam.closed and len(toy.beam.last) == 0 for toy in self.toys)
        assert all(recorder.closed for recorder in self.recorders)

    @rule()
    def start(self) -> None:
        self.window.actions_bar.start.trigger()

    @rule()
    def arm(self) -> None:
        self.window.actions_bar.arm.trigger()

    @rule()
    def reset_and_arm(self) -> None:
        self.window.actions_bar.reset.trigger()
        self.settled()
        self.window.actions_bar.arm.trigger()

    @rule()
    def stop(self) -> None:
        self.window.actions_bar.stop.trigger()

    @rule()
    def escape(self) -> None:
        QTest.keyClick(self.window, Qt.Key.Key_Escape)  # type: ignore[call-overload]

    @rule()
    def reset(self) -> None:
        self.window.actions_bar.reset.trigger()

    @rule()
    def record(self) -> None:
        self.window.actions_bar.record.trigger()

    @rule(delay_s=st.sampled_from([0.001, 0.05, 0.5, 2.0]))
    def delay(self, delay_s: float) -> None:
        if self.window.panel.data()["policy"]["forces"]:
            write(force(self.window.panel).rows["delay_s"], delay_s)

    @rule(kind=st.sampled_from(["annular", "harmonic", "drawn", "gaussian_ring", "constant"]))
    def shape(self, kind: str) -> None:
        choose(self.window.panel, kind)

    @rule(text=st.sampled_from(FORMULAS))
    def formula(self, text: str) -> None:
        editor = choose(self.window.panel, "formula").fields
        editor.text.setPlainText(text)  # type: ignore[union-attr]

    @rule()
    def undo(self) -> None:
        self.window.panel.undo_stack.undo()

    @rule()
    def redo(self) -> None:
        self.window.panel.undo_stack.redo()

    @rule()
    def apply(self) -> None:
        self.window.panel.apply_button.click()

    @rule(x_um=st.floats(1, 24), y_um=st.floats(1, 24))
    def trap(self, x_um: float, y_um: float) -> None:
        self.window.mouse_tools.drop_trap(x_um, y_um)

    @rule(name=st.sampled_from(EXPERIMENTS))
    def experiment(self, name: str) -> None:
        self.window.files.open(FIRST.parent / f"{name}.yaml")
        while self.window.files.reading is not None:
            QTest.qWait(5)  # type: ignore[call-arg, arg-type]
        self.start()

    @rule(minmass=st.sampled_from([-1.0, 100.0, 500.0]))
    def tracking(self, minmass: float) -> None:
        write(self.window.devices.forms["tracking"].rows["minmass"], minmass)
        self.window.devices.button.click()

    @rule(fault=st.sampled_from(["", "", "the cable is out"]))
    def camera(self, fault: str) -> None:
        if self.toys:
            self.toys[-1].camera.fault = fault

    @rule(tab=st.integers(0, 5))
    def look(self, tab: int) -> None:
        self.window.plots.setCurrentIndex(tab)
        self.window.each_second()

    @invariant()
    def settled(self) -> None:
        if not hasattr(self, "window"):
            return
        session = self.window.session
        before = session.newest.number if session.newest is not None else -1
        end_s = time.monotonic() + PATIENCE_S
        while session.running and session.newest is not None and session.newest.number in (before, before + 1):
            QApplication.processEvents()
            time.sleep(0.001)
            assert time.monotonic() < end_s
        self.window.poll()
        QApplication.processEvents()
        assert not self.raised
        newest = session.newest
        if newest is not None and newest.level is not Level.ARMED:
            assert not beam_is_on(newest)
        if newest is not None and session.running and newest.frame is not None:
            self.agree()

    def agree(self) -> None:
        """The level in the window is that of a recent turn; the record has light only in ARMED turns."""
        live = self.window.session.live
        assert live is not None
        self.window.poll()
        assert self.window.strip.level.word in {str(turn.level) for _, turn in live.recent()[-40:]}
        if live.recording:
            turns = self.recorders[-1].turns
            assert all(not turn.sent.reason or len(turn.sent) == 0 for turn in turns[-20:])
            assert all(turn.level is Level.ARMED for turn in turns[-20:] if len(turn.sent))


@pytest.mark.parametrize("number", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_random_walks(qapp: QApplication, number: int) -> None:
    walks = settings(
        max_examples=number,
        stateful_step_count=100,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(Walk, settings=walks)
