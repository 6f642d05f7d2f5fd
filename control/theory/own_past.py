"""A particle in a central potential about its own past position: speed, persistence and fluctuations.

Painted light is centred at the position of the particle a delay tau ago. A steered trap is placed from a position of
age a. Its force is evaluated between that position and the centre, hence at a distance v (tau - a) for a speed v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import brentq

from control.potentials.harmonic import Harmonic
from control.theory import active, linear
from control.theory.conditions import Conditions, minimum, span_um

CENTRE_UM = 1e-3  # a minimum closer to the centre is a trap, not a ring
AS_STIFF = 0.02  # relative difference up to which a spring is as stiff as its trap, which is then at the past position
SLOPE_UM = 1e-4  # step of a derivative
FARTHEST = 16.0  # largest v (tau - a) in a painted shape, in spans of the shape's plot
STARTS = 0.5  # of sqrt(4 D tau): a particle that needs a larger displacement to start running rarely does so
SHORTER = 0.65  # smallest ratio, in simulations, of the persistence in a Gaussian spot to that in a linear trap
TURNS = "(vτ)²/4D, with a longer τ where a trap is aimed at a place of some age (P18)"
SPOT_TURNS = f"{TURNS}; in a Gaussian spot {SHORTER:g} to 1 of it, simulated"


@dataclass(frozen=True)
class OwnPast:
    """A central shape about a particle's own past, under given conditions.

    Each property is one quantity of docs/predictions.md.
    """

    shape: Any  # the acting shape: as written, or as painted
    delay_s: float  # tau
    conditions: Conditions

    @classmethod
    def of(cls, force: Any, conditions: Conditions) -> OwnPast | None:
        """The motion with the scatter of the particle in its light; None if there is no force, or it can't be painted.

        For a force without a delay, a steered trap is placed from the position at which the force is evaluated, where
        it is 0. The result is a trap at the newest observed position, or no force with trap.predict.
        """
        shape, delay_s = conditions.acting_shape(force.shape), force.delay_s
        if force.delay_s is None and conditions.steered:
            if conditions.learns:
                return None
            shape = Harmonic(stiffness_pn_per_um=conditions.light.stiffness_pn_per_um)
            conditions = replace(conditions, compensates=False)
        if shape is None:
            return None
        delay_s = delay_s or conditions.age_s
        start = conditions.lagging if conditions.steered and conditions.lagging.holds else conditions
        return cls(shape, delay_s, start.settled(lambda now: cls(shape, delay_s, now).scatter_um2))

    @property
    def age_s(self) -> float:
        """a: age of the position from which a trap is placed; at most tau."""
        return min(self.conditions.lag_s, self.delay_s)

    @cached_property
    def felt(self) -> Any:
        """The acting shape; for painted light averaged over the scatter."""
        return self.conditions.felt(self.shape)

    @cached_property
    def minimum(self) -> tuple[float, float]:
        """(distance um, stiffness pN/um) of the shape's minimum."""
        return minimum(self.felt, self.conditions.plant)

    @property
    def rate_hz(self) -> float:
        """Effective kappa at the minimum of the shape."""
        return self.conditions.acting_hz(self.minimum[1])

    @property
    def is_trap(self) -> bool:
        """Whether the shape is a trap about the past position, not a ring."""
        return self.minimum[0] < CENTRE_UM

    @cached_property
    def scatter_um2(self) -> float:
        """s^2 per axis of the particle about the centre of its spot, in linear motion under these conditions.

        inf if the motion has no steady state, nan if it can't be computed.

        Painted light is at the past position of the particle: 2 D tau / (1 + z) (P7). A steered trap of rate kappa_t is
        at the position a time a ago plus an offset, which is that of a spring about the past. Ahead of a runner the
        offset is constant: only the motion in a time a contributes.
        """
        conditions, d = self.conditions, self.conditions.plant.diffusion_um2_per_s
        runs = self.speed_um_per_s > 0.0
        if conditions.steered:
            if runs or not self.is_trap or self.rate_hz == 0.0:
                return conditions.lag_scatter_um2
            rate = self.rate_hz
            terms = (*conditions.trap_terms, (rate, self.age_s), (-rate, self.delay_s))
            return linear.drift_variance_um2_per_s2(d, terms) / conditions.trap_hz**2
        z = (self.running_rate_hz if runs else self.rate_hz) * self.delay_s
        return 2.0 * d * self.delay_s / (1.0 + max(z, 0.0)) if runs or self.is_trap else 0.0

    @property
    def settles(self) -> bool:
        """Whether small displacements decay, instead of growing up to the reach of the trap."""
        return self.scatter_um2 != math.inf

    @property
    def holds(self) -> bool:
        """Whether the motion settles within the spot: else there is no prediction for a particle that does not run."""
        return self.conditions.holds and self.settles

    @cached_property
    def _roots_um_per_s(self) -> tuple[float, float]:
        """(largest v for which drag times v equals the force at v (tau - a), v below which that force is too weak).

        The second is 0 if a particle at rest starts to run at once. (0, 0) if no v is possible.
        """
        conditions, drag = self.conditions, self.conditions.plant.drag_pn_s_per_um
        span_s = self.delay_s - self.age_s
        if span_s <= 0.0:
            return 0.0, 0.0
        most = min(FARTHEST * span_um(self.felt), self.felt.reach_um) / span_s
        if conditions.steered:
            most = min(conditions.light.largest_force_pn / drag, self.felt.reach_um / span_s)

        def surplus_pn(v: Any) -> Any:
            force_pn = self.felt.radial_force_pn(np.asarray(v) * span_s, kt_pn_um=conditions.plant.kt_pn_um)
            return conditions.acting_pn(force_pn, np.asarray(v) * self.age_s) - drag * np.asarray(v)

        v = np.linspace(most, 0.0, 20001)[:-1]  # from above
        carries = surplus_pn(v) >= 0.0
        if not carries.any():
            return 0.0, 0.0
        first = int(np.argmax(carries))
        weak = np.flatnonzero(~carries[first:])  # [...] rows counted from it

        def root(row: int) -> float:
            return float(brentq(lambda speed: float(surplus_pn(speed)), v[row], v[row - 1])) if row else float(v[0])

        return root(first), root(first + int(weak[0])) if len(weak) else 0.0

    @property
    def pushed_um_per_s(self) -> float:
        """The speed of a particle that has been started (P17, P20); 0 if the force can't sustain motion."""
        return self._roots_um_per_s[0]

    @property
    def push_um(self) -> float:
        """Least displacement in a time tau - a for sustained motion; 0 if it starts at once."""
        return self._roots_um_per_s[1] * (self.delay_s - self.age_s)

    @property
    def starts(self) -> bool:
        """Whether diffusion alone, over sqrt(4 D tau), soon makes the particle run, and again after each stop."""
        return self.push_um <= STARTS * math.sqrt(4.0 * self.conditions.plant.diffusion_um2_per_s * self.delay_s)

    @property
    def speed_um_per_s(self) -> float:
        """The speed of a runner; 0 if no speed is possible, the light does not hold it, or diffusion can't start it."""
        return self.pushed_um_per_s if self.starts and self.conditions.holds else 0.0

    @cached_property
    def running_rate_hz(self) -> float:
        """Effective kappa of a runner: minus the slope of the force at v (tau - a), over the drag."""
        at_um = self.speed_um_per_s * (self.delay_s - self.age_s)
        kt_pn_um = self.conditions.plant.kt_pn_um
        force_before, force_after = (
            float(self.felt.radial_force_pn(np.array([at_um + side]), kt_pn_um=kt_pn_um)[0])
            for side in (-min(SLOPE_UM, at_um), SLOPE_UM)
        )
        return self.conditions.acting_hz((force_before - force_after) / (SLOPE_UM + min(SLOPE_UM, at_um)))

    def slow_z(self, rate_hz: float) -> float:
        """z = kappa_t a + kappa (tau - a) for a trap of rate kappa_t that is placed from a position of age a; kappa tau
        without a lag.

        Slow motion along the force is slower by 1 + z: x' = -kappa_t (x - x_a) - kappa (x_a - x_tau) + noise is
        x' (1 + z) = noise for slow x (P9).
        """
        return rate_hz * (self.delay_s - self.age_s) + self.conditions.trap_hz * self.age_s

    @property
    def ideal(self) -> bool:
        """Whether it moves as with a spring to its own past (P7 to P13): no lag, or a spring as stiff as its trap."""
        late = 0.0 < self.age_s < self.delay_s and abs(self.rate_hz / self.conditions.trap_hz - 1.0) > AS_STIFF
        return not late

    @property
    def turning_delay_s(self) -> float:
        """Effective tau in P18 and P19: tau + a + kappa a tau, since a trap placed from a position of age a also holds
        the particle across its motion (derivation in app/reproduce/rows/active.py); tau if a is 0.

        kappa = v / u with the distance u between particle and trap centre: smaller than at rest if u is large.
        """
        v, age_s = self.speed_um_per_s, self.age_s
        if age_s == 0.0:
            return self.delay_s
        conditions = self.conditions
        force_pn = self.felt.radial_force_pn(np.array([v * (self.delay_s - age_s)]), kt_pn_um=conditions.plant.kt_pn_um)
        offset_um = float(conditions.wanted_pn(force_pn)[0]) / conditions.light.stiffness_pn_per_um
        margin_um = min(offset_um, 0.5 * conditions.light.waist_um) - v * age_s
        return self.delay_s + age_s + v / margin_um * age_s * self.delay_s

    @property
    def persistence_s(self) -> float:
        """Persistence time of the direction (P18); nan if the particle does not run."""
        v = self.speed_um_per_s
        d = self.conditions.plant.diffusion_um2_per_s
        return active.persistence(d, v, self.turning_delay_s)[0] if v > 0.0 else math.nan

    @property
    def is_rough(self) -> bool:
        """Whether it runs behind a steered spot: persistence and late D are then known to a factor of SHORTER to 1."""
        return self.speed_um_per_s > 0.0 and self.age_s > 0.0

    @property
    def turns(self) -> str:
        """The source of the persistence time, in words."""
        return SPOT_TURNS if self.is_rough else TURNS

    @property
    def rest_um2_per_s(self) -> float:
        """Diffusion along the motion, averaged over both axes: D / (2 (1 + z)^2) (P19)."""
        return self.conditions.plant.diffusion_um2_per_s / (2.0 * (1.0 + self.slow_z(self.running_rate_hz)) ** 2)

    @property
    def late_um2_per_s(self) -> float:
        """Late D in the plane: for a runner v^2 T / 2 plus `rest_um2_per_s` (P19), for a trap D / (1 + z)^2 (P9).

        nan if the light does not hold the particle.
        """
        if not self.holds:
            return math.nan
        if self.speed_um_per_s > 0.0:
            return self.speed_um_per_s**2 * self.persistence_s / 2.0 + self.rest_um2_per_s
        return self.conditions.plant.diffusion_um2_per_s / (1.0 + self.slow_z(self.rate_hz)) ** 2
