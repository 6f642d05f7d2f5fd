"""A law written in Python by the user: its base class, and the policy that runs it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, settings
from config.words import is_signal, one_line
from control.contract import Fault, Forces, Policy, Seen
from control.plant import Plant
from control.policies.force_context import Now
from control.policies.policy_settings import PolicyContext, PolicySettings
from control.policies.seen_only import seen_only
from control.read_only import read_only

Floats = NDArray[np.float64]


class Law:
    """Forces on all particles, from their newest and past positions. Derive a class from it and define `force_pn`.

    The policy's `parameters` are the keyword arguments of the class. A law with a memory defines `start` and `step`
    instead. The result may depend on the arguments and the memory only: no clock, no file, no random numbers without a
    seed. Otherwise `verify` reports a difference. The arrays of `now` are read-only: copy one to change it.

    Attributes:
        delays_s: ages of the past positions that the law looks up with `now.past_um`. A particle without a known
            position at one of these ages gets no light.
    """

    delays_s: tuple[float, ...] = ()

    def force_pn(self, now: Now) -> Floats:
        """[N, 2] pN, the force on each particle of `now`; x points right and y down, as in the image.

        Args:
            now: `position_um` [N, 2], `particle` [N], `species` [N]; `past_um(delay_s)` [N, 2]; `middle_um`, the
                middle of the field; `acts_s`, when the command acts; `plant`, the particles' properties.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither force_pn nor step")

    def start(self) -> Any:
        """The memory of the first turn."""
        return None

    def step(self, memory: Any, now: Now) -> tuple[Any, Floats]:
        """(the next memory, forces [N, 2] pN). The memory is a new value: `memory` itself is not changed."""
        return memory, self.force_pn(now)


@settings
class PythonLaw(PolicySettings):
    """A law written in Python: a class derived from cybloids.Law. Its file runs only where the user has allowed it."""

    kind: Literal["python"] = "python"
    law: Annotated[
        str, Doc("module:class; the file is in the experiment's folder, the working folder or on Python's path")
    ]
    parameters: Annotated[dict[str, float], Doc("keyword arguments of the class")] = field(default_factory=dict)
    source_sha256: Annotated[str, Doc("of the file that is meant; left out: any")] = ""

    def build(self, context: PolicyContext) -> Policy:
        self.require(context)
        policy: PythonPolicy = context.open_python(self)
        for delay_s in policy.delays_s:
            context.require_delay(f"delays_s of the law '{self.law}'", delay_s)
        return policy


@dataclass(frozen=True)
class PythonPolicy:
    """A Law as a Policy: the loop, the limits and the interlock check its forces like those of any other policy."""

    law: Law
    title: str  # for sentences: "module:class"
    plant: Plant
    middle_um: tuple[float, float]
    delays_s: tuple[float, ...]  # of the law, read once

    @property
    def longest_delay_s(self) -> float:
        return max(self.delays_s, default=0.0)

    def start(self) -> Any:
        """The law's first memory. Raises Fault."""
        try:
            return self.law.start()
        except BaseException as error:
            raise self._fault(error) from error

    def step(self, memory: Any, seen: Seen) -> tuple[Any, Forces]:
        """The law's forces on the trusted particles. Raises Fault for an error in the law, or an invalid result."""
        now, withheld = self._with_known_past(Now.of(seen_only(seen), self.plant, self.middle_um))
        number = len(now.particle)
        try:
            memory, answer = self.law.step(memory, now)
            result = np.asanyarray(answer)
        except BaseException as error:
            raise self._fault(error) from error
        force_pn = self._forces(result, number)
        delay_s = max(self.delays_s, default=np.nan)
        return memory, Forces(
            particle=now.particle.copy(),
            force_pn=force_pn,
            delay_s=np.full(number, delay_s),
            carried=np.zeros(number, np.bool_),
            withheld=withheld,
        )

    def _with_known_past(self, now: Now) -> tuple[Now, tuple[tuple[int, str], ...]]:
        """`now` with the particles whose past is known at all delays; the others, each with a reason."""
        keep = np.ones(len(now.particle), np.bool_)
        reasons: dict[int, str] = {}
        for delay_s in self.delays_s:
            missing = np.isnan(now.past_um(delay_s)).any(axis=1)
            keep &= ~missing
            reasons |= {int(number): f"where it was {delay_s:g} s ago is not known" for number in now.particle[missing]}
        if not reasons:
            return now, ()
        rows: dict[str, Any] = {
            name: read_only(getattr(now, name)[keep]) for name in ("particle", "position_um", "species", "cell")
        }
        return replace(now, **rows), tuple(sorted(reasons.items()))

    def _forces(self, result: NDArray[Any], number: int) -> Floats:
        """A law's result as forces [number, 2] pN. Raises Fault for a wrong shape or type, and for masked values."""
        if result.shape != (number, 2):
            raise Fault(f"the law {self.title} gave forces of shape {result.shape}, where ({number}, 2) is needed")
        if result.dtype.kind not in "biuf":
            raise Fault(f"the law {self.title} gave forces of type {result.dtype}, where real numbers are needed")
        if np.ma.is_masked(result):
            raise Fault(f"the law {self.title} gave masked forces, where a number is needed for each particle")
        with np.errstate(over="ignore"):  # of wider types; the interlock trips if a force is not finite
            return np.array(result, np.float64)

    def _fault(self, error: BaseException) -> Fault:
        """The error in one sentence, with the line of the law that raised it. A signal is raised again."""
        if is_signal(error):
            raise error
        at, where = error.__traceback__, ""
        while at is not None:
            if at.tb_frame.f_globals.get("__name__") == type(self.law).__module__:
                where = f"; {at.tb_frame.f_code.co_filename}, line {at.tb_lineno}"
            at = at.tb_next
        return Fault(f"the law {self.title} failed ({type(error).__name__}: {one_line(error)}{where})")
