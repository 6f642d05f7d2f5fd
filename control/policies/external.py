"""A potential about a fixed point: traps, channels, directional bias, fields of x, y and t."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from config.fields import Doc, Gt, settings
from control.policies.force_context import Glow, Now, Pull
from control.potentials import AnyShape


@settings
class External:
    """Each particle feels the shape, centred at one point of the field."""

    kind: Literal["external"] = "external"
    shape: AnyShape
    centre_um: Annotated[tuple[float, float] | None, Doc("left out: the middle of the field")] = None
    species: Annotated[tuple[int, ...] | None, Doc("who feels it; left out: everyone")] = None
    delay_s: Annotated[
        float | None, Gt(0), Doc("the force is fed back from where the particle was, this long ago (P14)")
    ] = None

    def pull(self, now: Now) -> Pull:
        place_um = now.position_um if self.delay_s is None else now.past_um(self.delay_s)
        offset_um = place_um - (self.centre_um or now.middle_um)
        force_pn = self.shape.force_pn(offset_um, kt_pn_um=now.plant.kt_pn_um, time_s=now.seen.effect_s)
        if self.species is not None:
            force_pn = np.where(np.isin(now.species, self.species)[:, None], force_pn, 0.0)
        return Pull(force_pn)

    def glow(self, now: Now) -> Glow:
        return Glow(np.array([-1]), np.array([self.centre_um or now.middle_um]))

    def why_not_painted(self) -> str:
        if self.species is not None:
            return "light acts on all species alike, so an external force on some of them needs mode: steered"
        if self.delay_s is not None:
            return "painted light acts at once, so an external force with a delay needs mode: steered"
        return ""
