"""A potential about a fixed point: traps, channels, directional bias, fields of x, y and t."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np

from config.fields import Doc, Gt, settings
from control import potentials
from control.policies.force_context import Force, Glow, Now, Pull
from control.theory import linear
from control.theory.conditions import Conditions, PredictedQuantity, minimum, of_painting
from control.theory.linear import Terms


@settings
class External(Force):
    """Each particle feels the shape, centred at one point of the field."""

    kind: Literal["external"] = "external"
    shape: potentials.AnyShape
    centre_um: Annotated[tuple[float, float] | None, Doc("left out: the middle of the field")] = None
    species: Annotated[tuple[int, ...] | None, Doc("who feels it; left out: everyone")] = None
    delay_s: Annotated[
        float | None, Gt(0), Doc("the force is fed back from where the particle was, this long ago (P14)")
    ] = None

    about_one_point: ClassVar[bool] = True

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

    def predict(self, conditions: Conditions) -> list[PredictedQuantity]:
        """Predictions for a particle under this force alone."""
        shape, plant = self.shape, conditions.plant
        if not shape.central:
            push_pn = np.asarray(shape.force_pn(np.zeros((1, 2)), kt_pn_um=plant.kt_pn_um))[0]
            speed = conditions.speed_under_um_per_s(float(np.hypot(*push_pn)))
            if math.isnan(speed):
                return [conditions.not_held("drift")]
            return [PredictedQuantity("drift", f"{speed:.3g} µm/s", "F/γ(1 + z of the latency) at the centre")]
        acting = conditions.acting_shape(shape)
        if acting is None or minimum(acting, plant)[1] <= 0.0:
            return []
        rows, d = of_painting(shape, acting, plant), plant.diffusion_um2_per_s

        def terms(now: Conditions) -> Terms:
            kappa = now.acting_hz(minimum(now.felt(acting), plant)[1])
            return (*now.trap_terms, (kappa, self.delay_s if self.delay_s is not None else now.lag_s))

        def scatter_um2(now: Conditions) -> float:
            rate_hz = now.trap_hz if now.lag_s > 0.0 else terms(now)[0][0]
            return linear.drift_variance_um2_per_s2(d, terms(now)) / rate_hz**2

        conditions = conditions.settled(scatter_um2)
        if not conditions.holds:
            return [*rows, conditions.not_held("trap")]
        variance_um2 = linear.variance_um2(d, terms(conditions))
        kappa, delay_s = terms(conditions)[-1]
        at_um, _ = minimum(conditions.felt(acting), plant)
        if math.isfinite(variance_um2):
            source = "√(kT/k) (P4)" if delay_s == 0.0 else "of a past position (P14), with the trap's own lag"
            rms = f"{1e3 * math.sqrt(variance_um2):.3g} nm"
            rows.append(PredictedQuantity("rms about the minimum", rms, f"{source}{conditions.mean}"))
        if self.delay_s is not None and at_um < 1e-3:
            stability = "stable" if math.isfinite(variance_um2) else "never settles"
            if math.isnan(variance_um2):
                stability = "too fast to say"
            source = "without a lag stable below π/2 (P14)"
            rows.append(
                PredictedQuantity("z = κτ", f"{kappa * delay_s:.3g}, {stability}", source, stability != "stable")
            )
        elif variance_um2 == math.inf:
            rows.append(
                PredictedQuantity(
                    "rms about the minimum", "never settles", "the latency is too long for this stiffness", True
                )
            )
        return rows
