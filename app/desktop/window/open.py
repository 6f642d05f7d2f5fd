"""Opens the window with a rig, an experiment, a run or a video."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from app.assembly.open import open_instrument
from app.assembly.plan import Check, flyable, plan
from app.assembly.python_law import NotAllowed
from app.assembly.replay_plan import plan_replay
from app.assembly.rig import EXPERIMENTS, Plan
from app.console.terminal import say
from app.running import stop_signals as signals
from app.running.light_wording import AT_THE_END
from app.running.plan_check import at_once
from app.running.stop_signals import Stopped
from config.reader import read
from config.refused import Refused
from control.contract import Fault

FIRST = EXPERIMENTS / "annular_activity.yaml"
RUNS = Path("runs")
PATIENT = ("loop.stale_periods=25",)  # delays by a busy computer do not harm a simulated sample


def open_desktop(
    rig: Path | None,
    experiment: Path | None,
    sets: tuple[str, ...] = (),
    *,
    picture: Path | None = None,
    seconds: float = 20.0,
    made_window: Callable[[Any], None] | None = None,
) -> int:
    """Run the window until it is closed; with `picture`, save a screenshot after `seconds`, without a display.

    Args:
        made_window: called with the window before it is shown, for a program that controls it.

    Returns:
        The exit code. Raises Refused, Fault.
    """
    if picture is not None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    has_file = rig is not None or experiment is not None
    opened = _read(rig, experiment, sets, picture) if has_file else None  # errors are raised before there is a window
    app = application()
    from app.desktop.window.main_window import Window
    from app.desktop.window.remembered_layout import RememberedLayout
    from app.desktop.window.session import Session, Wiring

    memory = RememberedLayout() if picture is None else None
    last_path = memory.path if memory is not None else None
    if has_file:
        (path, opened_plan), refusal = opened or _with_permission(rig, experiment, sets), ""
    else:
        (path, opened_plan), refusal = opened_last(last_path, sets)
    session = Session(opened_plan, Wiring(apart=open_instrument))
    window = Window(session, path, RUNS, lambda file, *more: planner(file, None, (*sets, *more), at_once)[1], memory)
    if rig is not None:
        window.first = lambda: planner(rig, experiment, sets, at_once)[1]
    sys.excepthook = _exception_hook(window)
    if refusal:
        window.trouble(refusal)
    if made_window is not None:
        made_window(window)
    return _run_window(app, window, picture, seconds)


def _run_window(app: Any, window: Any, picture: Path | None, seconds: float) -> int:
    """Show the window until it is closed, or take its picture. Returns the exit code; raises Stopped for a signal."""
    from PyQt6 import sip
    from PyQt6.QtCore import QTimer

    from app.desktop.window.screenshot import take_picture

    try:
        signals.raise_if_stopped()
        with signals.ending(lambda: QTimer.singleShot(0, lambda: end(app, window)), lambda: end(app, window)):
            if picture is not None:
                take_picture(window, picture, seconds)
            else:
                window.show()
                app.exec()
        close_window(window)
        signals.raise_if_stopped()
        return 1 if window.end_trouble else 0
    except Stopped as stopped:
        close_window(window)
        stopped.outcome = window.end_trouble or AT_THE_END[window.session.light]
        raise
    finally:
        sys.excepthook = sys.__excepthook__
        close_window(window)
        sip.delete(window)  # before the QApplication, independent of Python's order at exit


def _read(
    rig: Path | None, experiment: Path | None, sets: tuple[str, ...], picture: Path | None
) -> tuple[Path, Plan] | None:
    """Call `planner`; None if the user must first give permission (not with `picture`). Raises Refused."""
    try:
        return planner(rig, experiment, sets, at_once)
    except NotAllowed:
        if picture is not None:
            raise
        return None


def _with_permission(rig: Path | None, experiment: Path | None, sets: tuple[str, ...]) -> tuple[Path, Plan]:
    """Call `planner`; a dialog asks for permission to run a Python file. Raises Refused."""
    from app.desktop.window.python_permission import with_permission

    return with_permission(lambda: planner(rig, experiment, sets, at_once))


def application() -> Any:
    """The QApplication with the theme. Removes environment variables by which cv2 redirects Qt to its own plugins."""
    for name in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        os.environ.pop(name, None)
    from PyQt6.QtCore import QCoreApplication
    from PyQt6.QtWidgets import QApplication

    from app.desktop.window import theme

    QCoreApplication.setApplicationName("Cybloids")
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    theme.dress(app)
    if not theme.has_fonts():
        say("there are no fonts: install fonts-dejavu-core for readable text", error=True)
    sys.setswitchinterval(1e-3)  # so that the loop does not wait long for the Python code of the window
    return app


def close_window(window: Any) -> None:
    """Switch the beam off and close the window; the state of the laser is known afterwards. Signals are held."""
    with signals.held():
        window.close()


def end(app: Any, window: Any) -> None:
    """After a signal: switch the beam off and close, even if a dialog is open."""
    window.close()
    app.quit()


def opened_last(path: Path | None, sets: tuple[str, ...] = ()) -> tuple[tuple[Path, Plan], str]:
    """The file that was open last, and its plan. If it can't be opened: the first experiment, and the reason.

    Raises Refused.
    """
    if path is None:
        return planner(None, None, sets, at_once), ""
    try:
        return _with_permission(path, None, sets), ""
    except (Fault, Refused) as error:
        return planner(None, None, sets, at_once), f"{path.name}, which was open last, can't be opened: {error}"


def planner(
    rig: Path | None, experiment: Path | None, sets: tuple[str, ...] = (), check: Check = flyable
) -> tuple[Path, Plan]:
    """The opened file (a rig, an experiment, a run or a video) and its plan. Raises Refused."""
    if rig is not None and rig.suffix.lower() not in (".yaml", ".yml"):
        return rig, plan_replay(rig, None, experiment, sets, check)
    if rig is not None and experiment is None and {"policy", "experiment"} & set(read(rig).data):
        rig, experiment = None, rig
    path = experiment if experiment is not None else FIRST
    opened_plan = plan(path, rig, ("rate=real time", *sets), check)
    if opened_plan.rig.camera.images == "ideal":
        raise Refused(f"{opened_plan.rig.title}: this rig has no images for a window; main.py run is for it")
    if opened_plan.kind == "SIMULATED":
        opened_plan = plan(path, rig, ("rate=real time", *PATIENT, *sets), check)
    return (rig if rig is not None and experiment is None else path), opened_plan


def _exception_hook(window: Any) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """An exception hook: it switches the beam off, shows a message, and prints the traceback on stderr."""

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, traceback)
        if issubclass(kind, KeyboardInterrupt):
            window.close()
        else:
            window.fail(error)

    return hook
