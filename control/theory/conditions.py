"""The conditions of an experiment and the minimum of a shape: the input of the predictions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from control.allocate import LightModel
from control.plant import Plant
from control.theory.painted import Painted, painted

Floats = NDArray[np.float64]

WIDEST = 1.5  # largest 1 + 4 s^2 / w^2 for the mean over a scatter: beyond it, particles leave their spots
OFFSETS = 0.25  # largest 4 s^2 / w^2 of a steered trap's offsets for which their limit of w/2 has little effect
ROUNDS = 60  # most iterations of the fixed point
CLOSE = 1e-4  # tolerance of the fixed point, in 1 + 4 s^2 / w^2
SHALLOW_KT = 5.0  # a shallower painted minimum soon loses its particle
MEAN = "on average over the particle's scatter in its spot (2.2)"
TOO_WEAK = "the particle's scatter is so wide that it leaves its spot"
OUT_OF_REACH = "traps are often wanted farther than w/2 from where the particle was, and are put no farther (2.2)"
ALIKE = 0.01  # relative difference in depth up to which two minima count as equally deep


@dataclass(frozen=True)
class Conditions:
    """The medium, the light and the times with which a law acts.

    Each property is one quantity of docs/predictions.md.
    """

    plant: Plant
    light: LightModel
    latency_s: float  # from mid-exposure to the effect of a command
    hold_s: float
    particles: int = 1
    steered: bool = True  # one trap for each particle; else light is painted about the centres
    aims_ahead: bool = False  # trap.predict: traps are aimed at predicted positions
    compensates: bool = False  # trap.compensate_latency
    scatter_um2: float = 0.0  # s^2 per axis of a particle about the centre of its spot; forces are averaged over it

    @property
    def age_s(self) -> float:
        """Mean age of the position at which a steered trap was aimed."""
        return self.latency_s + 0.5 * self.hold_s

    @property
    def lag_s(self) -> float:
        """Age of the position from which a trap is placed; 0 for painted light, and for traps aimed ahead."""
        return self.age_s if self.steered and not self.learns else 0.0

    @property
    def lag_z(self) -> float:
        """z = kappa a of a trap that is placed from a position of age a, with kappa at the centre of the spot."""
        return self.plant.rate_hz(self.light.stiffness_pn_per_um) * self.lag_s

    @property
    def learns(self) -> bool:
        """Whether a steered law learns the effect of its traps, and aims them so that the requested force acts."""
        return self.steered and self.aims_ahead

    @property
    def widening(self) -> float:
        """q = 1 + 4 s^2 / w^2: a spot acts as one of depth U/q and of w^2 q. 1 if the law learns (`learns`)."""
        return 1.0 if self.learns else 1.0 + 4.0 * self.scatter_um2 / self.light.waist_um**2

    @property
    def mean(self) -> str:
        """A note on the average over the scatter, for the end of a source; empty if the law learns."""
        return "" if self.learns else f"; {MEAN}"

    @property
    def holds(self) -> bool:
        """Whether the scatter is small enough for the mean over it to be valid: the particle stays in its spot.

        For a steered trap, the scatter comes from the motion since the sighting and from the offsets that the law
        requests. The offsets must be well within the reach of the trap, w/2.
        """
        offsets_um2 = self.scatter_um2 - self.lag_scatter_um2 if self.steered else 0.0
        return self.widening <= WIDEST and 4.0 * offsets_um2 <= OFFSETS * self.light.waist_um**2

    def settled(self, scatter_um2: Callable[[Conditions], float]) -> Conditions:
        """The conditions with a self-consistent scatter: the scatter makes the light wider and softer, and vice versa.

        Args:
            scatter_um2: function for s^2 under given conditions. If the scatter becomes too large (`holds` is False),
                the result is the first such iteration. If s^2 is inf (no steady state) or nan (not computable), the
                result is the last iteration with a finite scatter.
        """
        now = self
        for _ in range(0 if self.learns else ROUNDS):
            s2_um2 = scatter_um2(now)
            if not math.isfinite(s2_um2):
                return now
            after = replace(now, scatter_um2=s2_um2)
            if not after.holds or abs(after.widening - now.widening) < CLOSE:
                return after
            now = after
        return now

    @cached_property
    def lagging(self) -> Conditions:
        """The conditions with the scatter due to the lag of a steered trap; unchanged if there is no lag."""
        return self.settled(lambda now: now.lag_scatter_um2)

    def not_held(self, name: str) -> PredictedQuantity:
        """A warning in place of the quantity `name`, for conditions that do not hold.

        A steered trap is at most w/2 from the past position of the particle. If the lag alone does not move the
        particle out of its spot, the larger scatter comes from the requested offsets.
        """
        if self.steered and replace(self, scatter_um2=0.0).lagging.holds:
            return PredictedQuantity(name, "limited by the trap's reach", OUT_OF_REACH, True)
        return PredictedQuantity(name, "too weak", TOO_WEAK, True)

    def wanted_pn(self, force_pn: Floats) -> Floats:
        """[...] the force for which traps are placed: with trap.compensate_latency, 1/(1 + z) of that of the law."""
        return np.asarray(force_pn / (1.0 + self.lag_z) if self.compensates else force_pn)

    def acting_pn(self, force_pn: Floats, lag_um: Floats | float = 0.0) -> Floats:
        """[...] the force that acts if the law requests `force_pn`.

        A steered trap is placed at F/k, at most half its waist w, from the past position of the particle. At the
        remaining distance u, and averaged over the scatter s^2, its force is

            k u exp(-2 u^2 / (w^2 q)) / q^2,  q = 1 + 4 s^2 / w^2.

        Painted light is the potential itself.

        Args:
            lag_um: motion of the particle towards the trap since the sighting.
        """
        if not self.steered:
            return np.asarray(force_pn)
        waist_um, stiffness = self.light.waist_um, self.light.stiffness_pn_per_um
        if self.learns:  # the mean force during a hold is that of the law, up to the largest force of a trap
            return np.clip(force_pn, -self.light.largest_force_pn, self.light.largest_force_pn)
        offset_um = np.clip(self.wanted_pn(force_pn) / stiffness, -0.5 * waist_um, 0.5 * waist_um) - lag_um
        wide_um2 = waist_um**2 * self.widening
        return np.asarray(stiffness / self.widening**2 * offset_um * np.exp(-2.0 * offset_um**2 / wide_um2))

    def speed_under_um_per_s(self, force_pn: float) -> float:
        """The speed v of a particle under a constant force: drag times v equals the acting force at a lag of v a.

        nan if the trap does not hold the particle.
        """
        settled, drag = self.lagging, self.plant.drag_pn_s_per_um
        if not settled.holds:
            return math.nan
        free = abs(float(settled.acting_pn(np.asarray(abs(force_pn))))) / drag
        if self.lag_s == 0.0 or free == 0.0:
            return free

        def surplus_pn(v: float) -> float:
            return float(settled.acting_pn(np.asarray(abs(force_pn)), v * self.lag_s)) - drag * v

        return float(brentq(surplus_pn, 0.0, free))

    @property
    def trap_hz(self) -> float:
        """kappa of a steered trap, averaged over the scatter."""
        return self.plant.rate_hz(self.light.stiffness_pn_per_um) / self.widening**2

    @property
    def lag_scatter_um2(self) -> float:
        """s^2 of a particle whose trap is placed at its position a time a ago: 2 D a / (1 + kappa a) (P7 at a)."""
        return 2.0 * self.plant.diffusion_um2_per_s * self.lag_s / (1.0 + self.trap_hz * self.lag_s)

    @property
    def late_z(self) -> float:
        """z = kappa a, averaged over the scatter due to a lag a; nan if the trap does not hold the particle."""
        return self.lagging.trap_hz * self.lagging.lag_s if self.lagging.holds else math.nan

    @property
    def trap_terms(self) -> tuple[tuple[float, float], ...]:
        """(rate, delay) terms of a trap placed from a past position (control/theory/linear.py); () without a lag."""
        return ((self.trap_hz, 0.0), (-self.trap_hz, self.lag_s)) if self.lag_s > 0.0 else ()

    def acting_hz(self, stiffness_pn_per_um: float) -> float:
        """The effective rate of a potential of this stiffness: softened by the scatter and by trap.compensate_latency.

        The stiffness of a painted potential already includes the scatter (`widened`).
        """
        rate_hz = self.plant.rate_hz(stiffness_pn_per_um)
        if not self.steered:
            return rate_hz
        return rate_hz / self.widening**2 / (1.0 + self.lag_z if self.compensates else 1.0)

    def acting_shape(self, shape: Any) -> Any:
        """The acting shape: the shape itself for a steered trap, else the painted one; None if it can't be painted."""
        return shape if self.steered else painted(shape, self.light.waist_um, self.light.kt_pn_um)

    def felt(self, shape: Any) -> Any:
        """An acting shape averaged over the scatter: painted light becomes wider and shallower."""
        return shape.widened(self.widening) if isinstance(shape, Painted) else shape

    @property
    def largest_force_pn(self) -> float:
        """The largest force of a law: for a steered trap that at half its waist, else inf."""
        return self.light.largest_force_pn if self.steered else math.inf


def span_um(shape: Any) -> float:
    """Largest distance in a plot of the shape."""
    if isinstance(shape, Painted):
        return shape.reach_um
    numbers = {**vars(shape), **{f"{name}_um": value for name, value in getattr(shape, "parameters", {}).items()}}
    lengths = [
        value
        for name, value in numbers.items()
        if name.endswith("_um") and not name.endswith("_per_um") and isinstance(value, float)
    ]
    if not lengths:
        return float(shape.reach_um) if math.isfinite(shape.reach_um) else 2.0
    span = 2.0 * max([*lengths, 0.5])
    return min(span, shape.reach_um) if math.isfinite(shape.reach_um) else span


def minimum(shape: Any, plant: Plant) -> tuple[float, float]:
    """(distance of the deepest point um, stiffness there pN/um) of a central shape; the innermost of equal minima.

    (inf, 0) if the energy decreases up to the end of the plot: there is no minimum.
    """
    r_um = np.linspace(0.0, span_um(shape), 4001)
    energy = np.asarray(shape.radial_energy_pn_um(r_um, kt_pn_um=plant.kt_pn_um))
    deepest = innermost(energy)
    if deepest == len(r_um) - 1:
        return math.inf, 0.0
    at_um = float(r_um[deepest])
    step_um = 1e-4
    force_after, force_before = (
        float(shape.radial_force_pn(np.array([max(at_um + side, 1e-9)]), kt_pn_um=plant.kt_pn_um)[0])
        for side in (step_um, -step_um if at_um > step_um else 0.0)
    )
    return at_um, (force_before - force_after) / (2.0 * step_um if at_um > step_um else step_um)


def innermost(energy: NDArray[np.float64]) -> int:
    """Index of the innermost minimum that is as deep as the deepest, within ALIKE times the rise beyond the deepest."""
    deepest = int(np.nanargmin(energy))
    outer = energy[deepest:]
    rise = float(np.nanmax(outer)) - float(energy[deepest])
    padded = np.concatenate([[np.inf], np.where(np.isnan(energy), np.inf, energy), [np.inf]])
    valley = (energy <= padded[:-2]) & (energy <= padded[2:])
    as_deep = valley & (energy <= energy[deepest] + ALIKE * (rise if math.isfinite(rise) else 0.0))
    return int(np.argmax(as_deep))


@dataclass(frozen=True)
class PredictedQuantity:
    """One predicted quantity: its name, its value in words, and the source of its formula."""

    name: str
    value: str
    source: str
    warning: bool = False


def of_painting(requested: Any, acting: Any, plant: Plant) -> list[PredictedQuantity]:
    """Deviations of painted light from the requested shape; empty if there are none, or if no light is painted."""
    if not isinstance(acting, Painted):
        return []
    rows, (requested_um, _), (actual_um, _) = [], minimum(requested, plant), minimum(acting, plant)
    if abs(requested_um - actual_um) > 0.25 * acting.waist_um:
        source = (
            f"asked for: {requested_um:.3g} µm; light of a waist of {acting.waist_um:g} µm has no finer rings (2.5)"
        )
        rows.append(PredictedQuantity("painted minimum at", f"{actual_um:.3g} µm", source, True))
    if acting.depth_kt < SHALLOW_KT:
        source = f"a particle soon leaves a minimum of less than {SHALLOW_KT:g} kT"
        rows.append(PredictedQuantity("painted depth", f"{acting.depth_kt:.2g} kT", source, True))
    return rows
