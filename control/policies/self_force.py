"""A potential about a particle's own past position (Saha et al. 2024; docs/predictions.md 2.3)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from config.fields import Doc, Gt, settings
from control import potentials
from control.policies.force_context import Force, Glow, Now, Pull
from control.theory.conditions import Conditions, PredictedQuantity, of_painting
from control.theory.own_past import SHORTER, OwnPast

SLOWED = "T/(1 + z), z = κ_t a + κ(τ − a) of a trap put from a place of age a (P9)"
NO_DELAY = "without a delay_s the shape's centre is where the trap is put from, and the force there is 0"


@settings
class Self(Force):
    """Each particle feels the shape, centred on its own past position."""

    kind: Literal["self"] = "self"
    shape: potentials.AnyShape
    delay_s: Annotated[float | None, Gt(0), Doc("mean age of the centre; left out: the newest position seen")] = None

    about_own_past: ClassVar[bool] = True

    def pull(self, now: Now) -> Pull:
        offset_um = now.position_um - now.past_um(self.delay_s)
        return Pull(self.shape.force_pn(offset_um, kt_pn_um=now.plant.kt_pn_um, time_s=now.seen.effect_s))

    def glow(self, now: Now) -> Glow:
        return Glow(now.particle, now.past_um(self.delay_s))

    def why_not_painted(self) -> str:
        return ""

    def predict(self, conditions: Conditions) -> list[PredictedQuantity]:
        """Predictions for a particle under this force alone."""
        if not self.shape.central:
            return []
        past, plant = OwnPast.of(self, conditions), conditions.plant
        rows = of_painting(self.shape, past.shape, plant) if past is not None else []
        if self.delay_s is None and conditions.steered:
            rows.append(PredictedQuantity("force", "none", NO_DELAY, True))
        if past is None:
            return rows
        d = plant.diffusion_um2_per_s
        if past.pushed_um_per_s > 0.0 and not past.starts:
            diffusive_um = math.sqrt(4.0 * d * past.delay_s)
            source = (
                f"it must have come {past.push_um:.2g} µm in τ − a; "
                f"chance takes it √(4Dτ) = {diffusive_um:.2g} µm (P20)"
            )
            return [*rows, PredictedQuantity(f"run at {past.pushed_um_per_s:.3g} µm/s", "only if pushed", source, True)]
        if past.speed_um_per_s > 0.0:
            return rows + self._running(past, d)
        if not past.is_trap and past.pushed_um_per_s == 0.0:
            return rows
        if not past.settles:
            source = "its displacements grow up to the trap's reach: the law is too stiff for the age of what was seen"
            return [*rows, PredictedQuantity("trap", "never settles", source, True)]
        if not past.holds:
            return [*rows, past.conditions.not_held("trap")]
        slower = 1.0 + past.slow_z(past.rate_hz)
        source = SLOWED if past.age_s > 0.0 else "T/(1 + z), slow motion (P9)"
        rows += [
            PredictedQuantity(
                "z = κτ",
                f"{past.rate_hz * past.delay_s:.3g}",
                f"κ of the minimum times the delay{past.conditions.mean}",
            ),
            PredictedQuantity("T_eff", f"{plant.temperature_k / slower:.3g} K", source),
            PredictedQuantity("late diffusion", f"{past.late_um2_per_s:.3g} µm²/s", "D/(1 + z)², z as of T_eff (P9)"),
        ]
        if past.ideal and past.rate_hz * past.delay_s > 1:
            top_um2 = d * (1.0 + past.rate_hz * past.delay_s) / past.rate_hz
            rows.append(PredictedQuantity("MSD turns back at", f"{top_um2:.3g} µm²", "D(1 + z)/κ, both axes (P8)"))
        return rows

    def _running(self, past: OwnPast, d: float) -> list[PredictedQuantity]:
        """Predictions for a particle that runs from its own past."""
        v, late_d, lasts_s = past.speed_um_per_s, past.late_um2_per_s, past.persistence_s
        least = SHORTER if past.is_rough else 1.0
        run_um, diffusive_um, mean = v * past.delay_s, math.sqrt(d * past.delay_s), past.conditions.mean
        rows = [
            PredictedQuantity(
                "z = κτ", f"{past.running_rate_hz * past.delay_s:.3g}", f"κ where it runs, times the delay{mean}"
            ),
            PredictedQuantity(
                "speed", f"{v:.3g} µm/s", f"γ v = F(v τ); of a harmonic ring κR/(1 + z) (P17, P20){mean}"
            ),
            PredictedQuantity("persistence", f"{between(least * lasts_s, lasts_s)} s", past.turns),
            PredictedQuantity(
                "late diffusion",
                f"{between(least * late_d, late_d)} µm²/s ({between(least * late_d / d, late_d / d)} D)",
                "v²/2 times that, + D/2(1 + z)² (P19)",
            ),
        ]  # fmt: skip
        if run_um < 1.5 * diffusive_um:
            rows.append(PredictedQuantity("activity", "hidden by diffusion", "vτ is below 1.5 √(Dτ) (P19)", True))
        elif run_um < 2.0 * diffusive_um:
            source = "vτ is below √(4Dτ): persistence and late diffusion are rough (P18)"
            rows.append(PredictedQuantity("activity", "nearly hidden by diffusion", source, True))
        return rows


def between(least: float, most: float) -> str:
    """One number, or a range of two.

    >>> between(1.0, 1.0), between(0.65, 1.0)
    ('1', '0.65 to 1')
    """
    return f"{most:.3g}" if least == most else f"{least:.2g} to {most:.2g}"
