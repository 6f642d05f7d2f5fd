"""A potential about a particle's own past position (Saha et al. 2024; physics brief 2.3)."""

from __future__ import annotations

from typing import Annotated, Literal

from config.fields import Doc, Gt, settings
from control.policies.force_context import Glow, Now, Pull
from control.potentials import AnyShape


@settings
class Self:
    """Each particle feels the shape, centred where it was itself."""

    kind: Literal["self"] = "self"
    shape: AnyShape
    delay_s: Annotated[float | None, Gt(0), Doc("mean age of the centre; left out: the newest position seen")] = None

    def pull(self, now: Now) -> Pull:
        offset_um = now.position_um - now.past_um(self.delay_s)
        return Pull(self.shape.force_pn(offset_um, kt_pn_um=now.plant.kt_pn_um, time_s=now.seen.effect_s))

    def glow(self, now: Now) -> Glow:
        return Glow(now.particle, now.past_um(self.delay_s))

    def why_not_painted(self) -> str:
        return ""
