"""Reading a plan: an experiment's file, its rig's, and what the command line sets. What can't fly is refused here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.calibration.record import calibrated
from app.machine import build_machine
from app.rig_file import RIG_KEYS, Plan, Rig
from config.reader import Document, build, override, parse, put, read
from config.refused import Refused
from control.experiment import Experiment
from drivers.journal import Header


def plan(experiment: Path | str, rig: Path | str | None = None, sets: Sequence[str] = ()) -> Plan:
    """Read an experiment and its rig. Raises Refused.

    Args:
        experiment: its file.
        rig: a rig file instead of the one that the experiment names.
        sets: "key=value"; the first word of the key says whether it is the rig's or the experiment's.
    """
    experiment = Path(experiment)
    return planned(read(experiment), rig, sets, experiment.parent)


def planned(wanted: Document, rig: Path | str | Document | None, sets: Sequence[str], folder: Path) -> Plan:
    """`plan` of an experiment, and perhaps a rig, that were read before."""
    own = [item for item in sets if _first(item) not in RIG_KEYS]
    for item in own:
        wanted = override(wanted, *_pair(item))
    experiment: Experiment = build(wanted, Experiment)
    bench = rig if isinstance(rig, Document) else read(rig if rig is not None else folder / experiment.rig)
    for item in sets:
        if item.partition("=")[0].strip() == "calibration":
            bench = override(bench, *_pair(item))
    bench = calibrated(bench)
    for key, value in experiment.set.items():
        bench = put(bench, key, value, wanted.place(("set", key)))
    for item in sets:
        if item not in own and item.partition("=")[0].strip() != "calibration":
            bench = override(bench, *_pair(item))
    made = Plan(build(bench, Rig), experiment, folder)
    build_machine(made, wanted.source)  # what can't fly is refused here, before anything is opened
    return made


def plan_of(header: Header) -> Plan:
    """The plan of a recorded run."""
    return plan_from(header.rig, header.experiment, Path(header.extra.get("folder", ".")))


def plan_from(rig: str, experiment: str, folder: Path) -> Plan:
    """The plan that was written as two texts; the rig has the values in it that the experiment set."""
    return Plan(
        build(parse(rig, "the run's rig"), Rig), build(parse(experiment, "the run's experiment"), Experiment), folder
    )


def _first(item: str) -> str:
    return item.partition("=")[0].split(".")[0].strip()


def _pair(item: str) -> tuple[str, str, str]:
    key, equals, value = item.partition("=")
    if not equals:
        raise Refused(f"--set {item}: 'key=value' is needed, as in camera.fps=50")
    return key.strip(), value, f"--set {item}"
