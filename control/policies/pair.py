"""A potential about every other particle, now or in the past; reciprocal only if its matrix is symmetric."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from config.fields import Doc, Gt, settings
from control import potentials
from control.policies.force_context import Force, Glow, Now, Pull
from control.theory import linear
from control.theory.conditions import Conditions, PredictedQuantity, minimum, of_painting
from control.theory.linear import Terms


@settings
class Pair(Force):
    """Each particle feels the shape, centred on the newest or a past position of each other particle."""

    kind: Literal["pair"] = "pair"
    shape: potentials.AnyShape
    delay_s: Annotated[float | None, Gt(0), Doc("mean age of the centres; left out: the newest positions seen")] = None
    matrix: Annotated[
        tuple[tuple[float, ...], ...],
        Doc("strength by species: the row feels the column; an unsymmetric one breaks Newton's third law on purpose"),
    ] = ((1.0,),)

    about_others: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.matrix or any(len(row) != len(self.matrix) for row in self.matrix):
            raise ValueError("the species matrix needs as many columns as rows")

    def pull(self, now: Now) -> Pull:
        target, source = np.nonzero(now.cell[:, None] == now.cell[None])  # [P] pairs of one cell
        distinct = target != source
        target, source = target[distinct], source[distinct]
        offset_um = now.position_um[target] - now.past_um(self.delay_s)[source]  # [P, 2]
        force_pn = self.shape.force_pn(offset_um, kt_pn_um=now.plant.kt_pn_um, time_s=now.seen.effect_s)
        matrix = np.asarray(self.matrix)
        species = np.minimum(now.species, len(matrix) - 1)  # a species beyond the matrix counts as its last one
        strength = matrix[species[target], species[source]]  # [P]
        # a source without a known past exerts no force; `without_past` withholds its own light
        active = (strength != 0.0) & np.isfinite(offset_um).all(axis=1)
        pull_pn = np.where(active[:, None], strength[:, None] * force_pn, 0.0)
        total_pn = np.zeros_like(now.position_um)
        np.add.at(total_pn, target, pull_pn)
        return Pull(total_pn)

    def glow(self, now: Now) -> Glow:
        return Glow(now.particle, now.past_um(self.delay_s))

    def why_not_painted(self) -> str:
        if self.strength is None:
            return "light acts on all species alike, so a species matrix of unlike numbers needs mode: steered"
        if self.strength != 1.0:
            return (f"its strength is {self.strength:g}, and light is painted as deep as the shape says (allowed: a "
                    "matrix of 1; put the strength into the shape, or use mode: steered)")  # fmt: skip
        return ""

    @property
    def strength(self) -> float | None:
        """The strength, if it is the same between all species; else None."""
        values = {value for row in self.matrix for value in row}
        return values.pop() if len(values) == 1 else None

    def predict(self, conditions: Conditions) -> list[PredictedQuantity]:
        """Predictions for two particles under this force alone."""
        shape, plant = self.shape, conditions.plant
        if not shape.central or (self.strength is not None and self.strength <= 0.0):
            return []
        acting = conditions.acting_shape(shape)
        if acting is None:
            return []
        at_um, stiffness = minimum(acting, plant)
        rows = of_painting(shape, acting, plant)
        if stiffness <= 0 or at_um < 1e-3:
            return rows
        rows.append(PredictedQuantity("lattice constant", f"{at_um:.3g} µm", "the potential's minimum (P23)"))
        if self.strength is not None:
            rows += self._bond(conditions, acting, self.strength)
        if at_um < plant.diameter_um:
            rows.append(
                PredictedQuantity("contact", "the ring is inside the particle", f"d = {plant.diameter_um:g} µm", True)
            )
        return rows

    def _bond(self, conditions: Conditions, acting: Any, strength: float) -> list[PredictedQuantity]:
        """Predictions for a bond of rate kappa: r' = -kappa (r(t - a) + r(t - tau)), plus the lag of both traps (P21).

        The offset of a particle from the middle of its spot is half that of the bond plus that of the pair's centre,
        R' = -kappa (R(t - a) - R(t - tau)), plus the lag.
        """
        plant, d = conditions.plant, conditions.plant.diffusion_um2_per_s
        delay_s = self.delay_s or conditions.age_s

        def terms(now: Conditions, sign: float = 1.0) -> Terms:
            rate = now.acting_hz(strength * minimum(now.felt(acting), plant)[1])
            return (*now.trap_terms, (rate, now.lag_s), (sign * rate, delay_s))

        def scatter_um2(now: Conditions) -> float:
            rate_hz = now.trap_hz if now.lag_s > 0.0 else terms(now)[0][0]
            bond, middle = terms(now), terms(now, -1.0)
            relative = linear.drift_variance_um2_per_s2(2.0 * d, bond) / 4.0
            return (relative + linear.drift_variance_um2_per_s2(0.5 * d, middle)) / rate_hz**2

        conditions = conditions.settled(scatter_um2)
        if not conditions.holds:
            return [conditions.not_held("bond")]
        variance_um2 = linear.variance_um2(2.0 * d, terms(conditions))
        if scatter_um2(conditions) == math.inf:
            variance_um2 = math.inf
        kappa = terms(conditions)[-1][0]
        rows = [
            PredictedQuantity("z = κτ", f"{kappa * delay_s:.3g}", "κ of the minimum times the age of what was seen")
        ]
        if math.isfinite(variance_um2):
            source = f"one bond, √(D(1 + z)/κ) for small z (P21){conditions.mean}"
            rows.append(PredictedQuantity("bond, rms", f"{1e3 * math.sqrt(variance_um2):.3g} nm", source))
        elif variance_um2 == math.inf:
            rows.append(
                PredictedQuantity("bond, rms", "never settles", "the latency is too long for this stiffness", True)
            )
        return rows
