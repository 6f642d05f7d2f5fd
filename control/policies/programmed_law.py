"""Settings of a law that is a sum of programmed forces."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from config.fields import Doc, settings
from config.refused import Refused
from control import policies
from control.contract import Policy
from control.policies.policy_settings import PolicyContext, PolicySettings
from control.policies.predictive import Predictive
from control.policies.programmed import Landscape, SteeredTraps
from control.potentials.painting import Rings, paint, spots_on_ring

MOST_SPOTS = 100_000  # spots of a landscape, for all particles together: about 30 ms of computing per turn


@settings
class Programmed(PolicySettings):
    """A law written as a sum of forces."""

    kind: Literal["programmed"] = "programmed"
    forces: Annotated[tuple[policies.AnyForce, ...], Doc("what each particle feels; they add up")]

    takes_mode: ClassVar[bool] = True

    def build(self, context: PolicyContext) -> Policy:
        self.require(context)
        if context.mode == "landscape":
            return Landscape(self.forces, self._painted(context), context.plant, context.middle_um)
        trap, plant, light = context.trap, context.plant, context.light
        if trap.predict:
            return Predictive(self.forces, plant, light, context.middle_um, context.exposure_s, learn=trap.learn)
        return SteeredTraps(self.forces, plant, light, context.middle_um, trap.compensate_latency)

    def require(self, context: PolicyContext) -> None:
        """Raises Refused if a delay would need a position that is not measured yet."""
        for index, force in enumerate(self.forces):
            context.require_delay(f"policy.forces.{index}.delay_s", force.delay_s)

    def _painted(self, context: PolicyContext) -> tuple[Rings, ...]:
        """The rings of light of each force. Raises Refused for forces that can't be painted, and for too many spots."""
        light, rings = context.light, []
        for index, force in enumerate(self.forces):
            if not context.recorded and (why := force.why_not_painted()):  # not refused in a replay
                raise Refused(f"{context.source}: policy.forces.{index}: {why}")
            try:
                rings.append(paint(force.shape, waist_um=light.waist_um, kt_pn_um=light.kt_pn_um))
            except Refused as refused:
                raise Refused(f"{context.source}: policy.forces.{index}.shape: {refused}") from None
        spots = sum(
            force.number_of_centres(context.particles)
            * sum(spots_on_ring(float(radius), light.waist_um) for radius in painted.radius_um)
            for force, painted in zip(self.forces, rings, strict=True)
        )
        if spots > MOST_SPOTS:
            raise Refused(f"{context.source}: sample.number: a landscape about {context.particles} particles is "
                          f"{spots} spots (allowed: {MOST_SPOTS})")  # fmt: skip
        return tuple(rings)
