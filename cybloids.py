"""Python interface of Cybloids: load an experiment, run it, read its record, drive a rig turn by turn, write a law.

    import cybloids as cy

    plan = cy.load("experiments/ring_crystal.yaml", sets={"camera.fps": 50})
    run = cy.run(plan, seconds=10, out="ring.h5", progress=True)
    run.tracks  # pandas: one row per particle and frame
    cy.msd(run), cy.findings(run), cy.verify(run)

Bad input raises Refused; a failure of a device or a run raises Fault. Each has one sentence. The laser is dark after
any error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import TypeIs

try:
    from cybloids_packages import require_own_packages
except ImportError as error:
    raise ImportError(
        f"{error.path or 'another file'} hides the module 'cybloids_packages' of Cybloids: rename that file"
    ) from None

require_own_packages()

from app.assembly.kernel_cache import provide

provide()

from app.analysis import tracking_tables, trajectories
from app.analysis.findings import findings as findings_of
from app.analysis.findings import plain
from app.analysis.frame_times import counted_by_time
from app.analysis.linkable_table import linkable
from app.analysis.recorded_run import RecordedRun as Run
from app.assembly.plan import flyable, require_plan
from app.assembly.plan import plan as plan_of_files
from app.assembly.python_law import Law as Law
from app.assembly.python_law import Now as Now
from app.assembly.python_law import allow, give
from app.assembly.rig import EXPERIMENTS as EXPERIMENTS
from app.assembly.rig import RIGS as RIGS
from app.assembly.rig import Plan as Plan
from app.commands.analyse import tables
from app.commands.verify import Verification as Verification
from app.commands.verify import verified
from app.console.arguments import assignments, in_yaml, names, path_of, truth
from app.console.options import LONGEST_S, number
from app.console.output_files import require_writable
from app.console.progress import progress_line, silent
from app.running.headless import fly, light_after, new_run, refuse_unheard, too_few
from app.running.stop_signals import Stopped, caught_in_program, in_main_thread
from app.running.turn_by_turn import STILL_LIT
from app.running.turn_by_turn import Ended as Ended
from app.running.turn_by_turn import Fault as Fault
from app.running.turn_by_turn import LiveRig as LiveRig
from app.running.turn_by_turn import Turn as Turn
from config.refused import Refused as Refused

__all__ = [
    "EXPERIMENTS", "RIGS", "Ended", "Fault", "Law", "LiveRig", "Now", "Plan", "Refused", "Run", "Turn", "Verification",
    "batch", "findings", "link", "load", "locate", "msd", "open", "read_run", "run", "verify",
]  # fmt: skip

Image = NDArray[Any]


def load(
    experiment: str | Path,
    *,
    rig: str | Path | None = None,
    sets: Mapping[str, Any] | None = None,
    law: type[Law] | None = None,
    allow_python: Iterable[str] = (),
) -> Plan:
    """Read an experiment and its rig, and check that they can run. No device is opened.

    Args:
        experiment: experiment file.
        rig: rig file; None: the one that the experiment names.
        sets: values by dotted key, such as {"camera.fps": 50, "policy.forces.0.delay_s": 0.2}.
        law: a class derived from Law, in place of the experiment's policy; its arguments are set by
            sets={"policy.parameters": {...}}.
        allow_python: names of the modules whose laws may run, from now on in this process.

    Raises Refused.
    """
    path, rig_path = path_of("experiment", experiment), None if rig is None else path_of("rig", rig)
    items = assignments("sets", {} if sets is None else sets)
    allow(names("allow_python", allow_python))
    if law is not None:
        items.insert(0, f"policy={in_yaml('law', {'kind': 'python', 'law': give(law)})}")
    return plan_of_files(path, rig_path, items, lambda plan, source: flyable(replace(plan, given_law=law), source))


def run(
    plan: Plan,
    *,
    seconds: float | None = None,
    out: str | Path | None = None,
    frames: bool = True,
    armed: bool | None = None,
    progress: bool = False,
) -> Run:
    """Run an experiment from beginning to end. Afterwards the laser is dark, however the run ends.

    Args:
        seconds: duration; None: that of the experiment.
        out: the new run file; None: one in runs/.
        frames: whether the camera's images are kept.
        armed: False: watch only. It must be given for a rig whose laser is real.
        progress: show a progress line.

    Returns:
        The open run; its `summary` has turns and latencies.

    Raises Refused, and Fault if a device failed, the interlock tripped, or most turns are missing; the sentence names
    the record. A signal darkens the beam and ends the run. Then the program's own handler acts, if it has one; SIGINT
    (Ctrl-C) raises KeyboardInterrupt, any other signal SystemExit. Outside of the main thread no signal can be caught:
    there a real laser is armed only if the program has a handler of SIGTERM.
    """
    plan, frames = require_plan("plan", plan), truth("frames", frames)
    armed, progress = None if armed is None else truth("armed", armed), truth("progress", progress)
    if armed is None and not plan.rig.simulated:
        raise Refused(f"{plan.rig.title}: this laser is real; give armed=True to arm it, or armed=False to watch only")
    path = new_run(_stem(plan)) if out is None else _new_file(out)
    length_s = plan.experiment.seconds if seconds is None else _positive(seconds, "seconds")
    title, bar = plan.experiment.title, progress_line if progress else silent
    try:
        with caught_in_program():
            if armed is not False:
                refuse_unheard(plan, in_main_thread())
            summary = fly(plan, length_s, path, frames, title, armed=armed is None or armed, bar=bar)
    except Fault as fault:
        raise Fault(f"{fault}; {light_after(str(fault))}") from fault
    except (Stopped, KeyboardInterrupt) as stopped:
        if STILL_LIT in str(stopped):  # a signal alone would end the program without this message
            raise Fault(str(stopped)) from stopped
        raise
    if summary["trips"]:
        trip = f"the interlock tripped: {summary['trips'][0]}; {light_after(summary['reason'])}"
        raise Fault(f"{trip}; recorded in {path}")
    if shortfall := too_few(summary):
        raise Fault(f"{shortfall}; recorded in {path}")
    return Run(path, summary)


def open(plan: Plan, *, out: str | Path | None = None, frames: bool = True) -> LiveRig:
    """A rig to drive turn by turn: `with cybloids.open(plan) as rig`. It is dark until `rig.arm()`.

    Args:
        out: a new run file for its turns; None: they are not recorded.
        frames: whether the camera's images are kept.

    The block raises Refused or Fault if the rig can't be opened.
    """
    plan, frames = require_plan("plan", plan), truth("frames", frames)
    return LiveRig(plan, None if out is None else _new_file(out), frames)


def read_run(path: str | Path) -> Run:
    """Open a run file. Raises Refused."""
    return Run(path)


def msd(run: Run | str | Path, largest_lag_s: float | None = None) -> pd.Series[float]:
    """Mean square displacement over all times and particles, um^2, by lag_s.

    Displacements over intervals in which a particle was carried, or its identity was uncertain, are excluded.

    Args:
        largest_lag_s: None: a quarter of the run.

    Raises Refused.
    """
    if not _is_run(run):
        with read_run(run) as opened:
            return msd(opened, largest_lag_s)
    tracks = run.tracks
    span_s = float(np.ptp(tracks["time_s"])) if len(tracks) else 0.0
    longest_s = span_s / 4.0 if largest_lag_s is None else _positive(largest_lag_s, "largest_lag_s")
    tracks, fps = counted_by_time(tracks, run.fps) if len(tracks) else (tracks, run.fps)
    return trajectories.msd(trajectories.sure(tracks), fps, longest_s)


def findings(run: Run | str | Path) -> pd.DataFrame:
    """Measured and predicted observables, one per row: name, unit, predicted, measured, stderr, from.

    They are measured over the longest armed interval under one law. Raises Refused.
    """
    run_tables, _, _ = tables(run.path if _is_run(run) else path_of("run", run))
    return pd.DataFrame([plain(finding) for finding in findings_of(run_tables)])


def verify(
    run: Run | str | Path,
    *,
    law: type[Law] | None = None,
    allow_python: Iterable[str] = (),
    progress: bool = False,
) -> Verification:
    """Compute a run again and compare it. The result is true if they are equal, else it names the first different turn.

    Args:
        law: the class of a law that is defined in this notebook or script.
        allow_python: names of the modules whose laws may run, from now on in this process.

    Raises Refused.
    """
    path = run.path if _is_run(run) else path_of("run", run)
    bar = progress_line if truth("progress", progress) else silent
    allow(names("allow_python", allow_python))
    if law is not None:
        give(law)
    return verified(path, bar)


def locate(image: Image, *, diameter_px: int = 11, minmass: float = 100.0, **settings: Any) -> pd.DataFrame:
    """The particles in one image [height, width] of uint8, uint16 or float, with trackpy's columns; lengths in px.

    Args:
        diameter_px: an odd number a little larger than a particle's image.
        minmass: least integrated brightness.
        settings: others of a rig's `tracking`, such as invert=True or locator="radial".

    Raises Refused.
    """
    tracking = tracking_tables.settings_of({"diameter_px": diameter_px, "minmass": minmass, **settings})
    return tracking_tables.locate(image, tracking)


def link(features: pd.DataFrame, *, search_px: float, memory: int = 0, **settings: Any) -> pd.DataFrame:
    """The table with columns frame, x, y (px), sorted by frame, with each feature's identity in `particle` and `state`.

    A number that is missing in `frame` is a frame without features, as in trackpy. `state` is as in `batch`: 0 is
    certain; other values mark new particles and uncertain identities (`control.contract.State`).

    Args:
        search_px: largest move of a particle from frame to frame.
        memory: frames for which an undetected particle is remembered.
        settings: others of a rig's `tracking`, such as predict="drift".

    Raises Refused.
    """
    tracking = tracking_tables.settings_of({"search_px": search_px, "memory": memory, **settings})
    return tracking_tables.link(linkable(features), tracking)


def batch(frames: Iterable[Image], **settings: Any) -> pd.DataFrame:
    """Locate and link the particles in a movie, as a rig's tracker does: trackpy's columns, `particle` and `state`.

    Args:
        frames: images [height, width], or one array [frames, height, width].
        settings: of a rig's `tracking`, such as diameter_px=11, minmass=200, search_px=5, memory=3.

    Raises Refused.
    """
    return tracking_tables.batch(frames, tracking_tables.settings_of(settings))


def _is_run(value: Any) -> TypeIs[Run]:
    """Whether it is an open run, by its true type: a value's `__class__` may be anything."""
    return issubclass(type(value), Run)


def _positive(value: float, name: str) -> float:
    return number(name, 0, LONGEST_S)(value)


def _new_file(path: str | Path) -> Path:
    """The path of a run file that does not exist yet. Raises Refused."""
    new_path = path_of("out", path, named=True)
    if os.path.lexists(new_path):
        raise Refused(f"{new_path}: there is a file of this name already, and a run is never written over")
    require_writable("out", new_path)
    return new_path


def _stem(plan: Plan) -> str:
    """A file name from the experiment's title."""
    return re.sub(r"\W+", "_", plan.experiment.title.lower()).strip("_")[:60] or "run"
