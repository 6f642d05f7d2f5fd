"""Open the window on a rig, an experiment, a run or a video."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from app.desktop.session import Instrument, Session, Wiring
from control.contract import Recorder
from control.experiment import Experiment
from control.loop import Machine

FIRST = Path("config/experiments/annular_activity.yaml")
RUNS = Path("runs")
PATIENT = ("loop.stale_periods=25",)  # a computer that is busy with a window does not hurt a simulated sample


def open_desktop(
    rig: Path | None,
    experiment: Path | None,
    sets: tuple[str, ...] = (),
    *,
    picture: Path | None = None,
    seconds: float = 20.0,
) -> int:
    """The window, until it is closed; with `picture`, its looks after `seconds` of running, without a display.

    Returns:
        The exit code. Raises Refused, Fault.
    """
    import app.rig as room

    rig, experiment = _which(rig, experiment)
    made = room.plan(experiment, rig, ("rate=real time", *sets))
    if made.kind == "SIMULATED":
        made = room.plan(experiment, rig, ("rate=real time", *PATIENT, *sets))
    if picture is not None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    _without_cv2()
    from PyQt6.QtCore import QCoreApplication
    from PyQt6.QtWidgets import QApplication

    from app.desktop import theme
    from app.desktop.picture import take_picture
    from app.desktop.window import Window

    QCoreApplication.setApplicationName("Cybloids")
    found = QApplication.instance()
    app = found if isinstance(found, QApplication) else QApplication(sys.argv[:1])
    theme.dress(app)
    if not theme.has_fonts():
        print("there are no fonts: install fonts-dejavu-core for readable text", file=sys.stderr)
    window = Window(Session(wire(made), made.experiment), RUNS)
    sys.excepthook = _hook(window)
    try:
        if picture is not None:
            take_picture(window, picture, seconds)
            return 0
        window.show()
        return app.exec()
    finally:
        sys.excepthook = sys.__excepthook__
        window.close()


def _which(rig: Path | None, experiment: Path | None) -> tuple[Path | None, Path]:
    """(rig file or None, experiment file): the one file that was named may be either."""
    if rig is not None and experiment is None and rig.suffix in (".yaml", ".yml"):
        from config.reader import read

        if "policy" in read(rig).data:
            return None, rig
    return rig, experiment if experiment is not None else FIRST


def wire(made: Any) -> Wiring:
    """A plan of app.rig as the session needs it."""
    import app.rig as room

    def machine(experiment: Experiment) -> Machine:
        return room.build_machine(replace(made, experiment=experiment), "the experiment panel")

    def instrument(experiment: Experiment) -> Instrument:
        return room.open_instrument(replace(made, experiment=experiment))

    def recorder(opened: Any, experiment: Experiment, path: Path) -> Recorder:
        in_force = replace(opened, plan=replace(made, experiment=experiment))
        return room.open_recorder(in_force, path, frames=True)

    return Wiring(str(made.kind), made.rig.optics.um_per_px, made.rig.plant, instrument, machine, recorder)


def _without_cv2() -> None:
    """cv2 points Qt to plugins and fonts of its own, which are not those of PyQt6."""
    for name in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        os.environ.pop(name, None)


def _hook(window: Any) -> Any:
    """An exception in the window darkens the beam and is read in words, with its traceback on stderr."""

    def hook(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, at)
        if issubclass(kind, KeyboardInterrupt):
            window.close()
        else:
            window.fail(error)

    return hook
