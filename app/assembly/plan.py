"""Reading a plan: an experiment, its rig, and settings of the command line. Plans that can't run are refused here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.assembly.calibration_file import calibrated
from app.assembly.correction_images import located, located_set, with_corrections
from app.assembly.machine import build_machine
from app.assembly.python_law import pinned_law
from app.assembly.recording import guessed_in
from app.assembly.rig import RIG_KEYS, Plan, RecordedRig, Rig
from app.console.options import LARGEST_SEED
from config.kinds import recorded_plug_ins, require_installed, require_recorded, used_plug_ins
from config.reader import Document, build, override, parse, put, put_all, read
from config.refused import Refused
from config.words import quoted
from control.experiment import Experiment
from control.plant import spot_stiffness
from control.policies.learned_law import Learned
from control.policies.python_law import PythonLaw
from drivers.journal import Header, Kind
from drivers.journal.corrections import Images
from drivers.journal.header import kernels_of

STIFFEST_PN_PER_UM = 1e6  # largest stiffness of a trap; a real trap has about 10


def require_plan(name: str, value: Any) -> Plan:
    """Check that the argument of a program is a plan. Raises Refused for anything else, such as a path."""
    if not issubclass(type(value), Plan):  # `__class__` of a value may be anything
        raise Refused(f"{name}: found {type(value).__name__}, where a plan is needed, as of cybloids.load(...)")
    checked: Plan = value
    return checked


def flyable(draft: Plan, source: str) -> Plan:
    """The plan, with the SHA-256 of its checkpoint or law. Opens no device. Raises Refused if the plan can't run."""
    draft = pinned(draft, source)
    build_machine(draft, source)
    return draft


Check = Callable[[Plan, str], Plan]


def plan(
    experiment: Path | str, rig: Path | str | None = None, sets: Sequence[str] = (), check: Check = flyable
) -> Plan:
    """Read an experiment and its rig. Raises Refused.

    Args:
        experiment: its file.
        rig: a rig file instead of the one that the experiment names.
        sets: "key=value"; the first word of the key determines whether it belongs to the rig or to the experiment.
        check: a check that the plan must pass; its second argument is the name of the plan's source.
    """
    experiment = Path(experiment)
    document = read(experiment)
    if "experiment" in document.data:
        return plan_inside(document, rig, sets, check)
    return planned(document, rig, sets, experiment.parent, check)


def plan_inside(
    document: Document, rig: Path | str | None = None, sets: Sequence[str] = (), check: Check = flyable
) -> Plan:
    """`plan` of the experiment in the file of a check or a family, with the trap stiffness that the file states."""
    inner, folder = experiment_of(document), Path(document.source).parent
    draft = planned(inner, rig, sets, folder, check)
    stiffness = document.data.get("trap_pn_per_um")
    if stiffness is None:
        return draft
    one_kt = spot_stiffness(draft.rig.plant.kt_pn_um, draft.rig.optics.waist_um)
    place = document.place(("trap_pn_per_um",))
    number = isinstance(stiffness, int | float) and not isinstance(stiffness, bool)
    if not number or not 0.0 < stiffness <= STIFFEST_PN_PER_UM:
        raise Refused(
            f"{place}: trap_pn_per_um is {quoted(stiffness)} (allowed: a number of more than 0, "
            f"at most {STIFFEST_PN_PER_UM:g})"
        )
    inner = put(inner, "trap.depth_kt", stiffness / one_kt, place)
    return planned(inner, rig, sets, folder, check)


def experiment_of(document: Document) -> Document:
    """The experiment in the file of a check or a family, with the positions of its lines. Raises Refused."""
    inner = document.data["experiment"]
    if not isinstance(inner, dict):
        raise Refused(f"{document.place(('experiment',))}: experiment is {inner!r}, where a mapping is needed")
    positions = {place[1:]: position for place, position in document.where.items() if place[:1] == ("experiment",)}
    description = {"about": document.data["about"]} if "about" in document.data else {}
    return replace(document, data={**description, **inner}, where=positions)


def planned(
    document: Document,
    rig: Path | str | Document | None,
    sets: Sequence[str],
    folder: Path,
    check: Check = flyable,
    corrections: Images | None = None,
    last: Iterable[tuple[str, Any, str]] = (),
) -> Plan:
    """`plan` of an experiment, and optionally a rig, that are already read.

    The path of a correction image is relative to the folder of the rig file if the rig names it, to `folder` if the
    experiment's `set` names it, and to the current folder if `sets` name it.

    Args:
        corrections: images that need not be read, by their absolute paths.
        last: values of the rig that are set after all others: key, value, and the name of the source for errors.
    """
    experiment_sets = [item for item in sets if first_word(item) not in RIG_KEYS]
    for item in experiment_sets:
        document = override(document, *pair(item))
    experiment: Experiment = build(document, Experiment)
    experiment = replace(experiment, set=located_set(experiment.set, folder))
    bench = rig if isinstance(rig, Document) else read(rig if rig is not None else folder / experiment.rig)
    bench = with_calibration(bench, sets)
    bench = located(bench, Path(bench.source).parent)
    bench = put_all(bench, ((key, value, document.place(("set", key))) for key, value in experiment.set.items()))
    for item in sets:
        if item not in experiment_sets and not names_calibration(item):
            bench = override(bench, *pair(item))
    bench = put_all(bench, last)
    draft = Plan(expecting(build(located(bench, Path()), Rig)), experiment, folder, corrections=corrections or {})
    _require_seed(draft, document)
    _require_two_ports(draft.rig, bench)
    return check(with_corrections(draft), document.source)


def with_calibration(bench: Document, sets: Sequence[str]) -> Document:
    """The rig with the values of its calibration file, or of the one that `sets` name. Raises Refused."""
    calibration_setting = bench.data.get("calibration")
    for item in sets:
        if names_calibration(item):
            bench = override(bench, *pair(item))
    return calibrated(bench, calibration_setting)


def names_calibration(item: str) -> bool:
    """Whether this item of `sets` is for the key `calibration`: a file, or values in its place."""
    return item.partition("=")[0].strip() == "calibration"


def _require_seed(draft: Plan, document: Document) -> None:
    """Raises Refused for a seed that is too large for the simulated world."""
    if draft.kind is Kind.SIMULATED and draft.experiment.seed > LARGEST_SEED:
        raise Refused(f"{document.place(('seed',))}: seed is {quoted(draft.experiment.seed)} (allowed for a simulated "
                      f"rig: 0 to {LARGEST_SEED})")  # fmt: skip


def _require_two_ports(rig: Rig, bench: Document) -> None:
    """Raises Refused if the deflector and the laser have the same serial port, even under two names."""
    deflector, laser = rig.deflector, rig.laser
    if (deflector.address_key, laser.address_key) != ("port", "port"):
        return
    ours = rig.emulated is not None and rig.emulated.start
    if deflector.address == laser.address or _resolved(deflector.address, ours=ours) == _resolved(
        laser.address, ours=ours
    ):
        raise Refused(
            f"{bench.place(('laser', 'port'))}: laser.port is '{quoted(laser.address)}', and deflector.port is "
            f"'{quoted(deflector.address)}': they are one port, and each device needs its own"
        )


def _resolved(port: str, *, ours: bool) -> str:
    """The canonical name of a port; `port` may be a link, as in /dev/serial/by-id.

    Args:
        ours: emulators will be started there and replace the link at `port`: its present target is irrelevant, since it
            may be that of an emulator that was killed.
    """
    try:
        path = Path(port)
        name = f"{path.parent.resolve() / path.name if ours else path.resolve()}"
    except (OSError, ValueError, RuntimeError):  # not a path, or a loop of links
        return port
    return name.casefold() if sys.platform == "win32" else name


def expecting(rig: Rig) -> Rig:
    """The rig; if its light does not act, `tracking.trapped` becomes "last": the tracker ignores the commands.

    Raises Refused for a live rig with `tracking.trapped: recorded`.
    """
    trapped = rig.tracking.trapped
    if trapped == "recorded" and rig.camera.images != "recorded":
        raise Refused(f"{quoted(rig.title)}: tracking.trapped is 'recorded', and there is no recorded light in a live "
                      "run (allowed: commanded, last)")  # fmt: skip
    if trapped == "commanded" and not rig.light_acts:
        return replace(rig, tracking=replace(rig.tracking, trapped="last"))
    return rig


def plan_of(header: Header, source: str = "") -> Plan:
    """The plan of a recorded run. Its map is valid if it was valid during the run. Raises Refused.

    Args:
        source: the beginning of an error message: the file of the run, and a colon.
    """
    plug_ins = recorded_plug_ins(header.extra.get("plug_ins", []), source)
    folder = Path(header.extra.get("folder", "."))
    try:
        recorded_plan = plan_from(header.rig, header.experiment, folder, RecordedRig, source)
    except Refused:
        require_installed(plug_ins, header.rig, header.experiment, source=source)
        raise
    require_recorded(used_plug_ins(recorded_plan.rig, recorded_plan.experiment), plug_ins, source)
    recorded_plan = replace(
        recorded_plan,
        kernels=kernels_of(header),
        corrections=header.corrections,
        plug_ins=plug_ins,
        unknown=guessed_in(header),
    )
    if header.calibration.get("map") != "unconfirmed":
        return recorded_plan
    return replace(
        recorded_plan,
        rig=replace(recorded_plan.rig, calibration=replace(recorded_plan.rig.calibration, map="unconfirmed")),
    )


def plan_from(rig: str, experiment: str, folder: Path, kind: type[Rig] = Rig, source: str = "") -> Plan:
    """The plan stored as two texts; the text of the rig includes the values that the experiment set. Raises Refused."""
    bench = build(parse(rig, f"{source}the run's rig"), kind)
    return Plan(bench, build(parse(experiment, f"{source}the run's experiment"), Experiment), folder)


def pinned(draft: Plan, source: str = "the experiment") -> Plan:
    """The plan with the SHA-256 of the checkpoint's card, or of the law's file, for the record. Raises Refused."""
    law = draft.experiment.policy
    if isinstance(law, PythonLaw):
        return replace(draft, experiment=replace(draft.experiment, policy=pinned_law(law, draft.folder, source)))
    if not isinstance(law, Learned) or law.card_sha256:
        return draft
    from models.checkpoint import read_card  # here, since torch takes seconds to import

    card_sha256 = read_card(draft.folder / law.checkpoint).card_sha256
    return replace(draft, experiment=replace(draft.experiment, policy=replace(law, card_sha256=card_sha256)))


def unpinned(experiment: Experiment) -> Experiment:
    """The experiment without the SHA-256 of its checkpoint or law, as a person edits and saves it."""
    law = experiment.policy
    if isinstance(law, PythonLaw):
        return replace(experiment, policy=replace(law, source_sha256=""))
    return replace(experiment, policy=replace(law, card_sha256="")) if isinstance(law, Learned) else experiment


def first_word(item: str) -> str:
    """The first word of the key in "key=value"."""
    return item.partition("=")[0].split(".")[0].strip()


def pair(item: str) -> tuple[str, str, str]:
    """Key and value of "key=value", and the name of this setting in errors. Raises Refused."""
    key, equals, value = item.partition("=")
    if not equals:
        raise Refused(f"--set {item}: 'key=value' is needed, as in camera.fps=50")
    return key.strip(), value, f"--set {item}"
