"""The conditions of an experiment and the minimum of a shape: what predictions begin from."""

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

WIDEST = 1.5  # 1 + 4 s^2 / w^2 up to which the mean over a scatter is used: beyond it, particles leave their spots
OFFSETS = 0.25  # 4 s^2 / w^2 of a steered trap's offsets, up to which it matters little that they are w/2 at most
ROUNDS = 60  # of the fixed point
CLOSE = 1e-4  # of it, in 1 + 4 s^2 / w^2
SHALLOW_KT = 5.0  # a painted minimum that is less deep soon loses its particle
MEAN = "on average over the particle's scatter in its spot (2.2)"
TOO_WEAK = "the particle's scatter is so wide that it leaves its spot"
OUT_OF_REACH = "traps are often wanted farther than w/2 from where the particle was, and are put no farther (2.2)"
ALIKE = 0.01  # share of their depth by which two minima may differ and count as equally deep


@dataclass(frozen=True)
class Conditions:
    """The medium, the light and the times with which a law acts.

    Its many properties are the quantities of docs/predictions.md, one each.
    """

    plant: Plant
    light: LightModel
    latency_s: float  # from mid-exposure to when a command acts
    hold_s: float
    particles: int = 1
    steered: bool = True  # one trap a particle; else light is painted about the centres
    aims_ahead: bool = False  # trap.predict: traps are aimed at where particles will be
    compensates: bool = False  # trap.compensate_latency
    scatter_um2: float = 0.0  # s^2 per axis of a particle about the middle of its spot, which it feels on average

    @property
    def age_s(self) -> float:
        """Mean age of what a steered trap was aimed at."""
        return self.latency_s + 0.5 * self.hold_s

    @property
    def lag_s(self) -> float:
        """Age of the position that a trap is put from; 0 where light is painted, or traps are aimed ahead."""
        return self.age_s if self.steered and not self.learns else 0.0

    @property
    def lag_z(self) -> float:
        """z = kappa a of a trap that is put from a position of age a, with kappa in the middle of the spot."""
        return self.plant.rate_hz(self.light.stiffness_pn_per_um) * self.lag_s

    @property
    def learns(self) -> bool:
        """Whether the law learns what its traps do, and aims them so that its own force acts: of a steered one."""
        return self.steered and self.aims_ahead

    @property
    def widening(self) -> float:
        """q = 1 + 4 s^2 / w^2: a spot acts as one of depth U/q and of w^2 q. 1 where a law learns what a trap does."""
        return 1.0 if self.learns else 1.0 + 4.0 * self.scatter_um2 / self.light.waist_um**2

    @property
    def mean(self) -> str:
        """What a number is the mean of, to be said after its source; empty where the law learns what a trap does."""
        return "" if self.learns else f"; {MEAN}"

    @property
    def holds(self) -> bool:
        """Whether the scatter is so small that the mean over it is known: the particle stays in its spot.

        Of a steered trap it is that of the motion since it was seen, and of the offsets that the law asks for. These
        have to be well within the reach of the trap, w/2.
        """
        offsets_um2 = self.scatter_um2 - self.lag_scatter_um2 if self.steered else 0.0
        return self.widening <= WIDEST and 4.0 * offsets_um2 <= OFFSETS * self.light.waist_um**2

    def settled(self, scatter_um2: Callable[[Conditions], float]) -> Conditions:
        """With the scatter that a particle has under the light which that scatter itself makes wider and softer.

        Args:
            scatter_um2: s^2 under given conditions. Where it grows beyond what is known (`holds` is False), the answer
                is the first that does. Where it is inf (it never settles) or nan (it can't be computed), the answer is
                the last whose scatter is known.
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
        """With the scatter that the lag of a steered trap makes; that of light, and of traps aimed ahead, has none."""
        return self.settled(lambda now: now.lag_scatter_um2)

    def not_held(self, name: str) -> Foreseen:
        """That nothing is known of `name` under conditions which do not hold.

        A steered trap is at most w/2 from where the particle was. If the lag alone does not take the particle out of
        its spot, a wider scatter is that of the places that are asked for.
        """
        if self.steered and replace(self, scatter_um2=0.0).lagging.holds:
            return Foreseen(name, "limited by the trap's reach", OUT_OF_REACH, True)
        return Foreseen(name, "too weak", TOO_WEAK, True)

    def wanted_pn(self, force_pn: Floats) -> Floats:
        """[...] the force that traps are put for: of trap.compensate_latency 1/(1 + z) of the law's."""
        return np.asarray(force_pn / (1.0 + self.lag_z) if self.compensates else force_pn)

    def acting_pn(self, force_pn: Floats, lag_um: Floats | float = 0.0) -> Floats:
        """[...] the force that acts where the law asks for `force_pn`.

        A steered trap is put at F/k, at most half its waist w, from where the particle was. Over the distance u that is
        left of it, and on average over the scatter s^2, it pulls with

            k u exp(-2 u^2 / (w^2 q)) / q^2,  q = 1 + 4 s^2 / w^2.

        Painted light is the potential itself.

        Args:
            lag_um: how far the particle has come towards the trap since it was seen.
        """
        if not self.steered:
            return np.asarray(force_pn)
        waist_um, stiffness = self.light.waist_um, self.light.stiffness_pn_per_um
        if self.learns:  # the mean force of a hold is that of the law, as far as a trap reaches
            return np.clip(force_pn, -self.light.largest_force_pn, self.light.largest_force_pn)
        offset_um = np.clip(self.wanted_pn(force_pn) / stiffness, -0.5 * waist_um, 0.5 * waist_um) - lag_um
        wide_um2 = waist_um**2 * self.widening
        return np.asarray(stiffness / self.widening**2 * offset_um * np.exp(-2.0 * offset_um**2 / wide_um2))

    def speed_under_um_per_s(self, force_pn: float) -> float:
        """The speed of a particle under a constant force: drag v = the force that acts at a lag of v a.

        nan where the trap does not hold the particle.
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
        """kappa of a steered trap, on average over the scatter."""
        return self.plant.rate_hz(self.light.stiffness_pn_per_um) / self.widening**2

    @property
    def lag_scatter_um2(self) -> float:
        """s^2 of a particle whose trap is put from where it was a time a ago: 2 D a / (1 + kappa a) (P7 at a)."""
        return 2.0 * self.plant.diffusion_um2_per_s * self.lag_s / (1.0 + self.trap_hz * self.lag_s)

    @property
    def late_z(self) -> float:
        """z = kappa a, on average over the scatter that a lag of a makes; nan where the trap does not hold."""
        return self.lagging.trap_hz * self.lagging.lag_s if self.lagging.holds else math.nan

    @property
    def trap_terms(self) -> tuple[tuple[float, float], ...]:
        """(rate, delay) of a trap that is put from where the particle was (control/theory/linear.py); () without."""
        return ((self.trap_hz, 0.0), (-self.trap_hz, self.lag_s)) if self.lag_s > 0.0 else ()

    def acting_hz(self, stiffness_pn_per_um: float) -> float:
        """The rate of a potential of this stiffness: with trap.compensate_latency, and as soft as its trap is.

        What is painted has its own stiffness over the scatter (`widened`).
        """
        rate_hz = self.plant.rate_hz(stiffness_pn_per_um)
        if not self.steered:
            return rate_hz
        return rate_hz / self.widening**2 / (1.0 + self.lag_z if self.compensates else 1.0)

    def acting_shape(self, shape: Any) -> Any:
        """The shape that acts: a steered trap's as it is written, light's as it is painted; None where it can't be."""
        return shape if self.steered else painted(shape, self.light.waist_um, self.light.kt_pn_um)

    def felt(self, shape: Any) -> Any:
        """An acting shape, on average over the scatter: that of painted light gets wider and less deep."""
        return shape.widened(self.widening) if isinstance(shape, Painted) else shape

    @property
    def largest_force_pn(self) -> float:
        """That a law can give: of one trap at half its waist, where it is steered."""
        return self.light.largest_force_pn if self.steered else math.inf


def span_um(shape: Any) -> float:
    """How far out a plot of it should go."""
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
    """(distance of the deepest point um, stiffness there pN/um) of a central shape; of minima alike, the innermost.

    (inf, 0) where the energy falls to the end of the plot: there is no minimum.
    """
    r_um = np.linspace(0.0, span_um(shape), 4001)
    energy = np.asarray(shape.radial_energy_pn_um(r_um, kt_pn_um=plant.kt_pn_um))
    deepest = innermost(energy)
    if deepest == len(r_um) - 1:
        return math.inf, 0.0
    at_um = float(r_um[deepest])
    step_um = 1e-4
    beyond, before = (
        float(shape.radial_force_pn(np.array([max(at_um + side, 1e-9)]), kt_pn_um=plant.kt_pn_um)[0])
        for side in (step_um, -step_um if at_um > step_um else 0.0)
    )
    return at_um, (before - beyond) / (2.0 * step_um if at_um > step_um else step_um)


def innermost(energy: NDArray[np.float64]) -> int:
    """The first row that is a minimum and, within ALIKE of what it rises to further out, as deep as the deepest."""
    deepest = int(np.nanargmin(energy))
    beyond = energy[deepest:]
    rise = float(np.nanmax(beyond)) - float(energy[deepest])
    padded = np.concatenate([[np.inf], np.where(np.isnan(energy), np.inf, energy), [np.inf]])
    valley = (energy <= padded[:-2]) & (energy <= padded[2:])
    alike = valley & (energy <= energy[deepest] + ALIKE * (rise if math.isfinite(rise) else 0.0))
    return int(np.argmax(alike))


@dataclass(frozen=True)
class Foreseen:
    """One predicted quantity: its name, its value in words, and the source of its formula."""

    name: str
    value: str
    source: str
    warning: bool = False


def of_painting(asked: Any, acting: Any, plant: Plant) -> list[Foreseen]:
    """What painted light does otherwise than it was asked for; empty where nothing, and where none is painted."""
    if not isinstance(acting, Painted):
        return []
    rows, (asked_um, _), (at_um, _) = [], minimum(asked, plant), minimum(acting, plant)
    if abs(asked_um - at_um) > 0.25 * acting.waist_um:
        source = f"asked for: {asked_um:.3g} µm; light of a waist of {acting.waist_um:g} µm has no finer rings (2.5)"
        rows.append(Foreseen("painted minimum at", f"{at_um:.3g} µm", source, True))
    if acting.depth_kt < SHALLOW_KT:
        source = f"a particle soon leaves a minimum of less than {SHALLOW_KT:g} kT"
        rows.append(Foreseen("painted depth", f"{acting.depth_kt:.2g} kT", source, True))
    return rows
