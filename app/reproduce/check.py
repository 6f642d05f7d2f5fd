"""One check: an experiment with known outcome, its criterion, and a sabotage with which it must fail."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from app.assembly.plan import plan_inside
from app.assembly.rig import EXPERIMENTS, RIG_KEYS, Plan
from config.fields import Doc, Ge, Gt, Interval, settings
from config.reader import Document, build, plain, read
from config.refused import Refused

CHECKS = EXPERIMENTS / "reproduce"
Level = Literal["plant", "instrument"]
WITHIN = 0.02  # default bound of the undetected error of a row, relative to its prediction


@settings
class Effort:
    """The amount of measurement: length, replicas and number of runs."""

    seconds: Annotated[float, Gt(0), Doc("length of a run")] = 10.0
    cells: Annotated[int, Interval(ge=1, le=5000), Doc("replicas in one world; plant level only")] = 1
    runs: Annotated[int, Ge(1), Doc("runs, with the experiment's seed and those after it")] = 1


@settings
class Sabotage:
    """A deliberate error with which the check must fail."""

    keys: Annotated[tuple[str, ...], Doc("values of the rig or of the experiment, by dotted key")]
    factor: Annotated[float, Gt(0), Doc("by how much they are wrong: 5 %")] = 1.05
    effort: Annotated[Effort | None, Doc("what it takes to show; left out: the quick effort, or the full one")] = None


@settings
class Check:
    """A prediction of docs/predictions.md, and the experiment that tests it."""

    id: Annotated[str, Doc("number of the prediction in docs/predictions.md, section 3")]
    title: Annotated[str, Doc("what is measured, in a few words")]
    honest: Annotated[str, Doc("what the experiment leaves out or does otherwise than the formula, and what it costs")]
    level: Annotated[Level, Doc("plant: exact forces, no optics; instrument: images, tracking, spots, latency")]
    verdict: Annotated[Literal["exact", "approximate"], Doc("which test it has to pass")]
    stated: Annotated[float, Doc("the prediction as a number, worked out without this program, to five digits")]
    tolerance: Annotated[float, Interval(ge=0, le=1), Doc("of an approximate prediction")] = 0.0
    within: Annotated[float, Interval(gt=0, le=0.2), Doc("full effort: |deviation| + 2 s.e. are less, relative")] = 0.02
    wider: Annotated[str, Doc("why `within` is more than 2 %")] = ""
    precision: Annotated[float, Interval(gt=0, le=0.04), Doc("largest standard error, relative to the prediction")] = (
        0.04
    )
    settle_s: Annotated[float, Ge(0), Doc("how long after the start nothing counts")] = 0.0
    trap_pn_per_um: Annotated[float | None, Gt(0), Doc("stiffness of the steered trap; left out: the trap's depth")] = (
        None
    )
    alone: Annotated[bool, Doc("every particle is a replica, far from the others; instrument level only")] = False
    rest_s: Annotated[float, Ge(0), Doc("how long a particle does not count after it was carried back")] = 0.0
    stretches: Annotated[
        int, Ge(1), Doc("a run is cut into so many, each long enough to know nothing of the others")
    ] = 1
    armed: Annotated[bool, Doc("false: the light stays dark")] = True
    options: Annotated[dict[str, float], Doc("numbers that the measurement needs, such as the lag")] = field(
        default_factory=dict
    )
    formula: Annotated[str, Doc("what is predicted, where it is not the formula of this number as it stands")] = ""
    sabotage: Sabotage
    quick: Annotated[Effort | None, Doc("for --quick; left out: this check belongs to --full only")] = None
    full: Effort
    experiment: Annotated[dict[str, Any], Doc("the experiment, as in an experiment file")]

    def __post_init__(self) -> None:
        if self.within > WITHIN and not self.wider.strip():
            raise ValueError(f"within is {self.within:g}, more than {WITHIN:g}, and `wider` does not say why")

    @property
    def sabotage_effort(self) -> Effort:
        """The effort for detecting the sabotage."""
        return self.sabotage.effort or self.quick or self.full

    @property
    def name(self) -> str:
        return f"{self.id}-{self.level}"


def load(folder: Path = CHECKS) -> dict[str, tuple[Check, Document]]:
    """Every check of a folder by its name, ordered by level (plant first), then by number. Raises Refused."""
    checks: dict[str, tuple[Check, Document]] = {}
    for path in sorted(folder.glob("*.yaml")):
        document = read(path)
        check: Check = build(document, Check)
        if check.name in checks:
            raise Refused(f"{path}: the check {check.name} is also in {checks[check.name][1].source}")
        checks[check.name] = check, document
    return dict(sorted(checks.items(), key=lambda item: (item[1][0].level != "plant", number(item[1][0].id))))


def number(identity: str) -> int:
    """The 7 of P7."""
    digits = "".join(letter for letter in identity if letter.isdecimal())
    return int(digits[:9]) if digits else 0


def plan_of(check: Check, document: Document, effort: Effort, run: int = 0, *, sabotaged: bool = False) -> Plan:
    """The plan of one run of a check; `sabotaged`: with its wrong parameters. Raises Refused."""
    sets = [f"seconds={effort.seconds!r}", f"seed={plan_inside(document).experiment.seed + run}"]
    if effort.cells > 1:
        sets.append(f"sample.cells={effort.cells}")
    plan = plan_inside(document, None, sets)
    if not sabotaged:
        return plan
    depth_kt = plan.experiment.trap.depth_kt  # the trap keeps its intended depth
    wrong_sets = [f"{key}={check.sabotage.factor * value_at(plan, key)!r}" for key in check.sabotage.keys]
    return plan_inside(document, None, (f"trap.depth_kt={depth_kt!r}", *sets, *wrong_sets))


def value_at(plan: Plan, key: str) -> float:
    """The number at a dotted key. Raises Refused."""
    value: Any = plain(plan.rig if key.split(".")[0] in RIG_KEYS else plan.experiment)
    for part in key.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError):
            raise Refused(f"sabotage.keys: there is nothing at '{key}'") from None
    if not isinstance(value, int | float):
        raise Refused(f"sabotage.keys: '{key}' is {value!r}, and it should be a number")
    return float(value)
