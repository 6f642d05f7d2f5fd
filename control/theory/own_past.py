"""A particle that feels a central potential about its own past position: its speed, its turning and its rest.

Painted light acts from where the particle was a delay tau ago. A steered trap is put from a position of some age a, and
its force is evaluated between that position and the centre, so that it acts over v (tau - a).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import brentq

from control.theory import active
from control.theory.conditions import Conditions, minimum, span_um

CENTRE_UM = 1e-3  # a minimum nearer to the centre is a trap, not a ring
AS_STIFF = 0.02  # of its trap: a spring that differs by less moves the trap to where the particle was
SLOPE_UM = 1e-4  # step of a derivative
FARTHEST = 16.0  # spans of the shape's plot within which a painted shape may carry a particle
TURNS = "(vτ)²/4D, with a longer τ where a trap is aimed at a place of some age (P18)"


@dataclass(frozen=True)
class OwnPast:
    """A central shape about a particle's own past, under given conditions."""

    shape: Any
    delay_s: float  # tau
    conditions: Conditions

    @classmethod
    def of(cls, force: Any, conditions: Conditions) -> OwnPast:
        return cls(force.shape, force.delay_s or conditions.age_s, conditions)

    @property
    def age_s(self) -> float:
        """a: of the position that a trap is put from; below tau."""
        return min(self.conditions.lag_s, 0.99 * self.delay_s)

    @cached_property
    def minimum(self) -> tuple[float, float]:
        """(distance um, stiffness pN/um) of the shape's minimum."""
        return minimum(self.shape, self.conditions.plant)

    @property
    def rate_hz(self) -> float:
        """kappa of the shape's minimum."""
        return self.conditions.plant.rate_hz(self.minimum[1])

    @property
    def is_trap(self) -> bool:
        """Whether it holds the particle where it was."""
        return self.minimum[0] < CENTRE_UM

    @cached_property
    def speed_um_per_s(self) -> float:
        """The largest v with drag v = the force that acts at v (tau - a) (P17, P20); 0 where nothing carries."""
        conditions, drag = self.conditions, self.conditions.plant.drag_pn_s_per_um
        span_s = self.delay_s - self.age_s
        most = min(FARTHEST * span_um(self.shape), self.shape.reach_um) / span_s
        if conditions.steered:
            most = min(conditions.light.largest_force_pn / drag, self.shape.reach_um / span_s)

        def surplus_pn(v: Any) -> Any:
            force_pn = self.shape.radial_force_pn(np.asarray(v) * span_s, kt_pn_um=conditions.plant.kt_pn_um)
            return conditions.acting_pn(force_pn, np.asarray(v) * self.age_s) - drag * np.asarray(v)

        v = np.linspace(most, 0.0, 20001)[:-1]  # from above
        carries = np.flatnonzero(surplus_pn(v) >= 0.0)
        if len(carries) == 0:
            return 0.0
        first = int(carries[0])
        if first == 0:
            return float(v[0])
        return float(brentq(lambda one: float(surplus_pn(one)), v[first], v[first - 1]))

    @cached_property
    def running_rate_hz(self) -> float:
        """kappa where it runs: minus the slope of the force at v (tau - a), over the drag."""
        at_um = self.speed_um_per_s * (self.delay_s - self.age_s)
        kt_pn_um = self.conditions.plant.kt_pn_um
        before, beyond = (
            float(self.shape.radial_force_pn(np.array([at_um + side]), kt_pn_um=kt_pn_um)[0])
            for side in (-min(SLOPE_UM, at_um), SLOPE_UM)
        )
        return self.conditions.plant.rate_hz((before - beyond) / (SLOPE_UM + min(SLOPE_UM, at_um)))

    def slow_z(self, rate_hz: float) -> float:
        """By what slow motion along the force is slower: 1 + z, z = kappa_t a + kappa (tau - a), of a trap of rate
        kappa_t that is put from a position of age a; kappa tau without a lag.

        x' = -kappa_t (x - x_a) - kappa (x_a - x_tau) + noise: for slow x it is x' (1 + z) = noise (P9).
        """
        return self.conditions.softened_hz(rate_hz) * (self.delay_s - self.age_s) + self._trap_hz * self.age_s

    @property
    def _trap_hz(self) -> float:
        return self.conditions.plant.rate_hz(self.conditions.light.stiffness_pn_per_um)

    @property
    def ideal(self) -> bool:
        """Whether it moves as a spring to its own past alone (P7 to P13): without a lag, or as stiff as its trap."""
        late = self.age_s > 0.0 and abs(self.conditions.softened_hz(self.rate_hz) / self._trap_hz - 1.0) > AS_STIFF
        return not late

    @property
    def turning_delay_s(self) -> float:
        """What stands for tau in P18 and P19: tau + a + kappa a tau, since a trap that is put from a position of age a
        also holds the particle across its way (app/reproduce/rows/active.py has the derivation); tau where a is 0.

        kappa = v / u of the trap that it runs ahead of, u from its middle: smaller than at rest where u is large.
        """
        v, age_s = self.speed_um_per_s, self.age_s
        if age_s == 0.0:
            return self.delay_s
        conditions = self.conditions
        force_pn = self.shape.radial_force_pn(
            np.array([v * (self.delay_s - age_s)]), kt_pn_um=conditions.plant.kt_pn_um
        )
        offset_um = float(conditions.wanted_pn(force_pn)[0]) / conditions.light.stiffness_pn_per_um
        left_um = min(offset_um, 0.5 * conditions.light.waist_um) - v * age_s
        return self.delay_s + age_s + v / left_um * age_s * self.delay_s

    @property
    def persistence_s(self) -> float:
        """How long a direction lasts (P18)."""
        return active.persistence(self.conditions.plant.diffusion_um2_per_s, self.speed_um_per_s, self.turning_delay_s)[
            0
        ]

    @property
    def rest_um2_per_s(self) -> float:
        """What is left of D along the way, shared by both axes: D / (2 (1 + z)^2) (P19)."""
        return self.conditions.plant.diffusion_um2_per_s / (2.0 * (1.0 + self.slow_z(self.running_rate_hz)) ** 2)

    @property
    def late_um2_per_s(self) -> float:
        """Late D in the plane: of a runner v^2 T / 2 and the rest (P19), of a trap D / (1 + z)^2 (P9)."""
        if self.speed_um_per_s > 0.0:
            return self.speed_um_per_s**2 * self.persistence_s / 2.0 + self.rest_um2_per_s
        return self.conditions.plant.diffusion_um2_per_s / (1.0 + self.slow_z(self.rate_hz)) ** 2
