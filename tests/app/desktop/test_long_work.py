"""Long work does not block the window: Escape reaches the loop, and the opening of a rig can be cancelled."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.assembly.instrument import Instrument
from app.assembly.open import open_instrument
from app.assembly.rig import EXPERIMENTS, Plan
from app.desktop.window.main_window import Window
from app.desktop.window.open import application, planner
from app.desktop.window.session import Session, Wiring
from app.running.plan_check import CHECKING, Checker, StillChecking, at_once, networks_of
from app.running.process import LoopProcess
from config.refused import Refused
from control.contract import Level
from control.policies.learned_law import Learned
from drivers.emulate.child import ROOT
from tests.app.desktop.lit import arm_until_lit
from tests.app.desktop.test_learned import RING, SETS, choose
from tests.patience import until

LEARNED = EXPERIMENTS / "learned_ring_crystal_egnn.yaml"


def never(made: Plan) -> Instrument:
    """A rig whose opening takes longer than any test."""
    time.sleep(600.0)
    raise AssertionError


def never_checked(made: Plan, source: str) -> None:
    """A check of a network that takes longer than any test."""
    time.sleep(600.0)


def refused(made: Plan, source: str) -> None:
    raise Refused("this network is of another bench")


def opened(qtbot: QtBot, runs: Path, wiring: Wiring, experiment: Path = RING) -> Window:
    application()
    path, made = planner(None, experiment, SETS, at_once)
    window = Window(Session(made, wiring), path, runs, lambda chosen: planner(chosen, None, SETS, at_once)[1])
    qtbot.addWidget(window)
    window.show()
    return window


def escape(window: Window) -> None:
    QTest.keyClick(window, Qt.Key.Key_Escape)  # type: ignore[call-overload]  # the type stubs expect `self`


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how", ["escape", "close", "another experiment"])
def test_an_opening_is_shown_and_can_be_cancelled(qtbot: QtBot, tmp_path: Path, how: str) -> None:
    """Regression: `start` blocked the window's thread for up to three minutes."""
    window = opened(qtbot, tmp_path, Wiring(apart=never))
    window.actions_bar.start.trigger()
    qtbot.waitUntil(lambda: window.strip.level.word == "OPENING")
    assert not window.actions_bar.start.isEnabled()
    opening = window.session.opening._loop

    assert isinstance(opening, LoopProcess)
    pid = opening.pid
    assert pid is not None
    if how == "escape":
        escape(window)
        assert window.strip.level.word == "OFF"
        qtbot.waitUntil(window.actions_bar.start.isEnabled)
    elif how == "close":
        window.close()
    else:
        window.files.open(EXPERIMENTS / "annular_activity.yaml")
        qtbot.waitUntil(lambda: window.strip.level.word == "OFF")
    until(lambda: not alive(pid))
    window.close()


def test_a_rig_that_can_not_be_opened_is_reported(qtbot: QtBot, tmp_path: Path) -> None:
    window = opened(qtbot, tmp_path, Wiring(apart=broken))
    window.actions_bar.start.trigger()
    qtbot.waitUntil(lambda: "there is no such bench" in window.strip.reason.whole)
    qtbot.waitUntil(window.actions_bar.start.isEnabled)
    window.close()


def broken(made: Plan) -> Instrument:
    raise Refused("there is no such bench")


def test_escape_is_obeyed_while_a_network_is_checked(qtbot: QtBot, tmp_path: Path) -> None:
    """Regression: the network was loaded and compiled in the window's thread, 74 s without a repaint."""
    window = opened(qtbot, tmp_path, Wiring(apart=open_instrument, check=never_checked))
    acts, session = window.actions_bar, window.session
    acts.start.trigger()
    qtbot.waitUntil(acts.arm.isEnabled)
    arm_until_lit(qtbot, session)
    choose(window.panel, "../checkpoints/ring_egnn.json")
    assert window.panel.trouble.text() == CHECKING
    assert not window.panel.apply_button.isEnabled()
    escape(window)
    qtbot.waitUntil(lambda: session.newest is not None and session.newest.level is Level.SAFE)
    assert window.panel.trouble.text() == CHECKING
    window.close()


def test_the_panel_shows_why_a_network_is_refused(qtbot: QtBot, tmp_path: Path) -> None:
    window = opened(qtbot, tmp_path, Wiring(apart=open_instrument, check=refused))
    choose(window.panel, "../checkpoints/ring_egnn.json")
    qtbot.waitUntil(lambda: "of another bench" in window.panel.trouble.text())
    assert not window.panel.apply_button.isEnabled()
    window.close()


def test_a_region_comes_into_force_while_a_network_is_checked(qtbot: QtBot, tmp_path: Path) -> None:
    """Regression: each new region started a check of the unchanged network, and vanished during this check."""
    wiring = Wiring(apart=open_instrument, check=never_checked)
    window = opened(qtbot, tmp_path, wiring, LEARNED)
    window.mouse_tools.regions.add("ellipse", 5.0, 6.0)
    assert len(window.session.plan.rig.tracking.excluded_regions) == 1
    assert len(window.mouse_tools.regions.shown) == 1
    window.mouse_tools.give_species(2, 1)
    assert window.session.plan.experiment.species == (0, 0, 1)
    window.close()


def test_while_a_network_is_checked_no_other_law_is_predicted(qtbot: QtBot, tmp_path: Path) -> None:
    window = opened(qtbot, tmp_path, Wiring(apart=open_instrument, check=never_checked))
    window.files.open(RING)
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert predicted(window)
    window.files.open(LEARNED)
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert window.plots.experiment == window.session.plan.experiment
    assert not predicted(window)
    window.close()


def predicted(window: Window) -> bool:
    """Whether the plots have the conditions for a prediction."""
    return window.plots.conditions is not None


def test_a_refused_network_in_force_is_reported_and_trips_nothing(qtbot: QtBot, tmp_path: Path) -> None:
    """Regression: the refusal was raised as an exception in the window's poll of the loop."""
    window = opened(qtbot, tmp_path, Wiring(apart=open_instrument, check=refused), LEARNED)
    qtbot.waitUntil(lambda: "of another bench" in window.panel.trouble.text())
    qtbot.wait(200)
    assert not any("of another bench" in line for line in window.log.read())  # it would show a trip
    window.close()


def test_the_key_of_a_check_depends_on_the_network_only() -> None:
    made = planner(None, LEARNED, SETS, at_once)[1]
    other = replace(made, rig=replace(made.rig, tracking=replace(made.rig.tracking, memory=9)))
    law = made.experiment.policy
    assert isinstance(law, Learned)
    slower = replace(made, experiment=replace(made.experiment, policy=replace(law, runtime="onnx")))
    assert networks_of(made) == networks_of(other) != networks_of(slower)


@pytest.mark.slow
def test_a_checker_gives_a_verdict_and_reports_a_killed_process() -> None:
    made = planner(None, LEARNED, SETS, at_once)[1]
    checker = Checker()

    def verdict() -> bool:
        try:
            checker.check(made, "a test")
        except StillChecking:
            return False
        return True

    until(verdict)
    checker.close()
    dying = Checker(never_checked)
    with pytest.raises(StillChecking):
        dying.check(made, "a test")
    dying._process.kill()

    def died() -> bool:
        try:
            dying.check(made, "a test")
        except StillChecking:
            return False
        except Refused as refusal:
            return "has died" in str(refusal)
        return False

    until(died)
    dying.close()


WITHOUT_TORCH = """
import sys
from pathlib import Path
from app.running.plan_check import at_once
from app.desktop.window.open import application, planner
from app.desktop.window.session import Session, Wiring
from app.desktop.window.main_window import Window
from app.assembly.open import open_instrument
from control.policies.learned_law import Learned
from tests.app.desktop.test_learned import RING, SETS, choose
from tests.patience import until

app = application()
path, made = planner(None, RING, SETS, at_once)
session = Session(made, Wiring(apart=open_instrument))
window = Window(session, path, Path(sys.argv[1]), lambda chosen: planner(chosen, None, SETS, at_once)[1])
window.show()

def waited(true):
    def look():
        app.processEvents()
        return true()
    until(look, 200.0)

before = set(sys.modules)
window.start()
waited(window.actions_bar.arm.isEnabled)
choose(window.panel, "../checkpoints/ring_egnn.json")
waited(window.panel.apply_button.isEnabled)
window.panel.apply_button.click()
assert isinstance(session.plan.experiment.policy, Learned)
assert len(session.plan.experiment.policy.card_sha256) == 64
waited(lambda: any(order.kind == "APPLY" for _, turn in session.live.recent() for order in turn.orders))
session.arm()
waited(lambda: session.newest.level == "ARMED" and len(session.newest.wanted.force_pn) > 0)
window.files.open(path.parent / "learned_ring_crystal_egnn.yaml")
waited(lambda: window.files.reading is None)
assert isinstance(session.plan.experiment.policy, Learned)
waited(lambda: not window.panel.trouble.text())
print("torch" in set(sys.modules) - before, window.panel.predicted.isHidden(), flush=True)
window.close()
"""


@pytest.mark.slow
def test_the_window_s_process_imports_no_torch(tmp_path: Path) -> None:
    """A learned law is chosen, checked, applied, armed and opened from a file; this process never imports torch."""
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.stdout.split() == ["False", "False"], done.stderr
