"""Settings that all policies share, and the context for which a policy is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from config.fields import Doc, Gt, set_absent, settings
from config.refused import Refused
from control.allocate import LightModel
from control.contract import Policy
from control.plant import Plant
from control.policies.force_context import Force

Mode = Literal["steered", "landscape"]
Runtime = Literal["eager", "onnx"]
Corner = tuple[float, float]


@settings
class Trap:
    """The trap that steers a particle in mode steered, and carries it back into the field in both modes."""

    depth_kt: Annotated[float, Gt(0), Doc("depth of one trap")] = 20.0
    compensate_latency: Annotated[bool, Doc("divide forces by 1 + z of the latency")] = False
    predict: Annotated[bool, Doc("aim at where particles will be, so that a potential acts as it is written")] = False
    learn: Annotated[bool, Doc("with predict: learn stiffness, latency and noise from the run, too")] = True


@dataclass(frozen=True)
class PolicyContext:
    """The rig and the settings of the experiment for which a policy is built."""

    source: str  # file, the beginning of error sentences
    plant: Plant
    light: LightModel
    low_um: Corner  # of the field that the beam may visit
    high_um: Corner
    exposure_s: float
    shortest_delay_s: float  # from mid-exposure to the middle of the command's time
    particles: int  # expected number
    mode: Mode
    trap: Trap
    recorded: bool  # replay of a recorded run: settings that had no effect in it are not refused
    open_network: Callable[[str, Runtime, str], Policy]  # (checkpoint path, runtime, card SHA-256) -> Policy
    open_python: Callable[[Any], Any]  # PythonLaw -> PythonPolicy (control/policies/python_law.py)

    @property
    def middle_um(self) -> Corner:
        return (self.low_um[0] + self.high_um[0]) / 2.0, (self.low_um[1] + self.high_um[1]) / 2.0

    def require_delay(self, name: str, delay_s: float | None) -> None:
        """Raises Refused if a delay, called `name` in the sentence, needs a position that is not measured yet."""
        bound_s = self.shortest_delay_s
        if delay_s is not None and delay_s < bound_s:
            raise Refused(
                f"{self.source}: {name} is {delay_s:g} s, and on this rig it can't be less than {bound_s:.4g} s "
                "(latency and half a frame); leave it out for the newest position seen"
            )


class PolicySettings(ABC):
    """The law of an experiment. A subclass is a settings class with a `kind` and `build`."""

    kind: str
    forces: tuple[Force, ...]  # programmed forces, of which the law is the sum; empty: it is no such sum
    needs_network: ClassVar[bool] = False  # torch has to be imported before it is built
    moves_probe: ClassVar[bool] = False  # it may act, at probe power, while the map is not confirmed
    takes_mode: ClassVar[bool] = False  # `mode`, `trap.predict` and `trap.compensate_latency` act on it

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        set_absent(cls, forces=())

    @abstractmethod
    def build(self, context: PolicyContext) -> Policy:
        """The policy for this context. Raises Refused for settings that can't be run."""

    def require(self, context: PolicyContext) -> None:
        """Raises Refused for settings that can't be run together, before anything is built."""
        if not self.takes_mode and not context.recorded:
            self._refuse_ignored_settings(context)

    def _refuse_ignored_settings(self, context: PolicyContext) -> None:
        """Raises Refused for settings that would have no effect on this law."""
        trap = context.trap
        for setting, value, is_set, allowed in (
            ("mode", context.mode, context.mode != "steered", "steered"),
            ("trap.predict", "true", trap.predict, "false"),
            ("trap.compensate_latency", "true", trap.compensate_latency, "false"),
        ):
            if is_set:
                raise Refused(
                    f"{context.source}: {setting} is {value}, and a {self.kind} law can't be flown so "
                    f"(allowed: {allowed}; a programmed law may have it)"
                )
