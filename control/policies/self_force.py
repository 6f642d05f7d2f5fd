"""A potential about a particle's own past position (Saha et al. 2024; physics brief 2.3)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from config.fields import Doc, Gt, settings
from control.policies.force_context import Force, Glow, Now, Pull
from control.potentials import AnyShape
from control.theory import active
from control.theory.conditions import Conditions, Foreseen, minimum
from control.theory.own_past import TURNS, speed_um_per_s, turning_delay_s


@settings
class Self(Force):
    """Each particle feels the shape, centred where it was itself."""

    kind: Literal["self"] = "self"
    shape: AnyShape
    delay_s: Annotated[float | None, Gt(0), Doc("mean age of the centre; left out: the newest position seen")] = None

    about_own_past: ClassVar[bool] = True

    def pull(self, now: Now) -> Pull:
        offset_um = now.position_um - now.past_um(self.delay_s)
        return Pull(self.shape.force_pn(offset_um, kt_pn_um=now.plant.kt_pn_um, time_s=now.seen.effect_s))

    def glow(self, now: Now) -> Glow:
        return Glow(now.particle, now.past_um(self.delay_s))

    def why_not_painted(self) -> str:
        return ""

    def predict(self, conditions: Conditions) -> list[Foreseen]:
        """What a particle does that feels this force alone."""
        shape, plant = self.shape, conditions.plant
        if not shape.central:
            return []
        at_um, stiffness = minimum(shape, plant)
        delay_s = self.delay_s or conditions.age_s
        z = plant.rate_hz(stiffness) * delay_s
        said = [Foreseen("z = κτ", f"{z:.3g}", "κ of the minimum times the delay")]
        speed = speed_um_per_s(self, conditions)
        d = plant.diffusion_um2_per_s
        if speed > 0:
            persistence_s = active.persistence(d, speed, turning_delay_s(self, conditions))[0]
            late = speed**2 * persistence_s / 2.0 + d / (2.0 * (1.0 + z) ** 2)
            said += [
                Foreseen("speed", f"{speed:.3g} µm/s", "γ v = F(v τ); of a harmonic ring κR/(1 + z) (P17, P20)"),
                Foreseen("persistence", f"{persistence_s:.3g} s", TURNS),
                Foreseen("late diffusion", f"{late:.3g} µm²/s ({late / d:.3g} D)", "v²/2 times that, + D/2(1 + z)² (P19)"),
            ]
            if speed * delay_s < 1.5 * math.sqrt(d * delay_s):
                said.append(Foreseen("activity", "hidden by diffusion", "vτ is below 1.5 √(Dτ) (P19)", True))
        elif at_um < 1e-3:
            said += [
                Foreseen("T_eff", f"{plant.temperature_k / (1.0 + z):.3g} K", "T/(1 + z), slow motion (P9)"),
                Foreseen("late diffusion", f"{d / (1.0 + z) ** 2:.3g} µm²/s", "D/(1 + z)² (P9)"),
            ]
            if z > 1:
                top = 4.0 * d * (1.0 + z) / (4.0 * plant.rate_hz(stiffness))
                said.append(Foreseen("MSD turns back at", f"{top:.3g} µm²", "D(1 + z)/κ, both axes (P8)"))
        return said
