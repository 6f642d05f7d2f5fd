"""Screenshots of the window in each of its states: python -m app.desktop.window.gallery FOLDER"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.console.terminal import say
from config.reader import plain
from control.contract import Level, OrderKind

SECONDS = 8.0  # run time before each screenshot


def main(folder: Path) -> int:
    """Write one PNG for each state to the folder."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from app.desktop.window.open import application
    from app.desktop.window.screenshot import save

    app = application()
    for name, state in STATES.items():
        window = state(folder)
        save(window, folder / f"{name}.png")
        say(folder / f"{name}.png")
        window.close()
        app.processEvents()
    return 0


def opened(path: Path) -> Any:
    """Open the window with an experiment or a run."""
    from app.desktop.window.main_window import Window
    from app.desktop.window.open import planner
    from app.desktop.window.screenshot import wait
    from app.desktop.window.session import Session

    path, opened_plan = planner(path, None)
    window = Window(Session(opened_plan), path, Path("runs"), lambda chosen: planner(chosen, None)[1])
    window.show()
    wait(0.3)
    return window


def running(experiment: str) -> Any:
    """Open the window, start, arm, and run for a while."""
    from app.assembly.rig import EXPERIMENTS
    from app.desktop.window.screenshot import wait

    window = opened(EXPERIMENTS / f"{experiment}.yaml")
    window.start()
    wait(200.0, lambda: window.session.opening.duration_s is None)
    wait(5.0, lambda: window.session.newest is not None)
    window.session.arm()
    wait(SECONDS)
    return window


def with_shape(window: Any, shape: dict[str, Any]) -> Any:
    """Edit the shape of the first force."""
    from app.desktop.window.screenshot import wait

    data = plain(window.panel.read())
    data["policy"]["forces"][0]["shape"] = shape
    window.panel.law.put(data)
    window.panel.law.edited.emit()
    wait(0.3)
    return window


def crystal(folder: Path) -> Any:
    window = running("ring_crystal")
    window.plots.setCurrentWidget(window.plots.pairs)
    window.plots.draw()
    window.plots.finish()
    return window


def activity(folder: Path) -> Any:
    return running("annular_activity")


def formula(folder: Path) -> Any:
    text = "0.5*k*(r-R)**2 + A*exp(-r/"
    numbers = {"k": 0.9, "R": 1.2, "A": 0.01}
    shape = {"kind": "formula", "formula": text, "parameters": numbers, "unit": "pn_um", "range_um": None}
    return with_shape(running("annular_activity"), shape)


def drawn(folder: Path) -> Any:
    points = {"radius_um": [0.0, 1.0, 2.0, 3.0], "energy_kt": [0.0, -1.0, -10.0, 0.0]}
    window = with_shape(running("ring_crystal"), {"kind": "drawn", **points})
    window.panel.plot.points.move(2, 2.3, -14.0)
    return window


def learned(folder: Path) -> Any:
    """Apply a law of another kind while armed."""
    from app.desktop.window.screenshot import wait

    window = running("ring_crystal")
    data = plain(window.panel.read())
    window.panel.put_in_force({**data, "policy": {"kind": "learned", "checkpoint": "../checkpoints/ring_ponita.json"}})
    wait(SECONDS)
    return window


def tripped(folder: Path) -> Any:
    from app.desktop.window.screenshot import wait

    window = running("ring_crystal")
    window.session.order(OrderKind.TRIP, "the laser's interlock is open")
    wait(2.0, lambda: window.session.newest.level is Level.TRIPPED)
    wait(0.2)
    return window


def compared(folder: Path) -> Any:
    from app.assembly.plan import plan
    from app.assembly.rig import EXPERIMENTS
    from app.desktop.window.screenshot import wait
    from app.running.headless import fly

    run = folder / "crystal.h5"
    run.unlink(missing_ok=True)
    fly(plan(EXPERIMENTS / "ring_crystal.yaml"), 6.0, run, True, "a run to replay")
    window = opened(run)
    wait(1.0)
    with_shape(window, {"kind": "gaussian_ring", "radius_um": 3.2, "width_um": 0.3, "depth_kt": 20.0})
    window.panel.apply()
    wait(20.0, lambda: not window.playback.reel.busy)
    window.transport.go(300)
    window.each_second()
    wait(0.3)
    return window


def devices(folder: Path) -> Any:
    window = running("double_ring_square")
    window.devices.part.setCurrentText("camera")
    window.plots.setCurrentWidget(window.plots.latency)
    window.plots.draw()
    window.plots.finish()
    return window


def tuning(folder: Path) -> Any:
    from PyQt6.QtWidgets import QDockWidget

    from app.desktop.window.screenshot import wait

    window = running("double_ring_square")
    window.findChild(QDockWidget, "Tuning").raise_()
    window.tuning.look()
    wait(20.0, lambda: window.tuning.shown is not None)
    return window


STATES: dict[str, Callable[[Path], Any]] = {
    "activity": activity,
    "crystal": crystal,
    "formula": formula,
    "drawn": drawn,
    "learned": learned,
    "tripped": tripped,
    "compared": compared,
    "devices": devices,
    "tuning": tuning,
    "species": lambda folder: running("species_by_look"),
}

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")))
