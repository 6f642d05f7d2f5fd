"""The parts of a prediction: its value, its measurement and its figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.rig import Plan, field_um, shortest_delay_s
from app.reproduce.trajectory import Trajectory
from control.plant import Plant, spot_stiffness
from control.policies import AnyForce

Floats = NDArray[np.float64]
Options = Mapping[str, float]
Axes = Any  # matplotlib's, which has no types


@dataclass(frozen=True)
class CheckRow:
    """One prediction. `measure` returns one number for each block; blocks are independent."""

    unit: str
    predict: Callable[[ExperimentFacts, Options], float]
    measure: Callable[[ExperimentFacts, Options, Trajectory], Floats]  # [B]
    draw: Callable[[Axes, ExperimentFacts, Options, Trajectory], None]
    centres: bool = False  # whether the measurement needs the positions of the light
    demand: Callable[[ExperimentFacts, Options, Trajectory], str] | None = (
        None  # a further demand: returns the reason of a failure, or ""
    )


@dataclass(frozen=True)
class ExperimentFacts:
    """Parameters of an experiment as the instrument assumes them: the input of its prediction."""

    plan: Plan

    @property
    def plant(self) -> Plant:
        return self.plan.rig.plant

    @property
    def kt_pn_um(self) -> float:
        return self.plant.kt_pn_um

    @property
    def diffusion_um2_per_s(self) -> float:
        return self.plant.diffusion_um2_per_s

    @property
    def trap_pn_per_um(self) -> float:
        """Stiffness of the steered trap."""
        depth_pn_um = self.plan.experiment.trap.depth_kt * self.kt_pn_um
        return spot_stiffness(depth_pn_um, self.plan.rig.optics.waist_um)

    @property
    def trap_hz(self) -> float:
        """kappa of the steered trap."""
        return self.plant.rate_hz(self.trap_pn_per_um)

    def softened_hz(self, variance_um2: float) -> float:
        """Effective kappa of the steered trap for a particle with this variance per axis about its centre.

        <F x> / <x^2> of a Gaussian spot over a Gaussian density: kappa / (1 + 4 <x^2> / w^2)^2.
        """
        return self.trap_hz / (1.0 + 4.0 * variance_um2 / self.plan.rig.optics.waist_um**2) ** 2

    @property
    def frame_s(self) -> float:
        return 1.0 / float(self.plan.rig.camera.fps)

    @property
    def age_s(self) -> float:
        """Mean age of the newest position while the light acts that was computed from it."""
        return shortest_delay_s(self.plan.rig)

    @property
    def exposure_s(self) -> float:
        return float(self.plan.rig.camera.exposure_s)

    @property
    def seen_after_s(self) -> float:
        """Time from the effect of a command to the middle of the next exposure."""
        return (self.frame_s / 2.0 - self.age_s) % self.frame_s

    @property
    def middle_um(self) -> Floats:
        """[2] centre of the field."""
        low_um, high_um = field_um(self.plan.rig)
        return np.asarray((np.array(low_um) + np.array(high_um)) / 2.0)

    @property
    def blur_um2(self) -> float:
        """Contribution of exposure and localisation error to an MSD per axis: -2 D t_E / 3 + 2 sigma^2 (P2)."""
        camera = self.plan.rig.camera
        error_um = float(getattr(camera, "error_um", 0.0))  # the error in images, 1 nm here, is negligible
        return 2.0 * error_um**2 - 2.0 * self.diffusion_um2_per_s * float(camera.exposure_s) / 3.0

    def force(self, index: int = 0) -> AnyForce:
        law = self.plan.experiment.policy
        return law.forces[index]

    def shape(self, index: int = 0) -> Any:
        return self.force(index).shape

    def shape_hz(self, index: int = 0) -> float:
        """kappa of a shape with a stiffness."""
        return self.plant.rate_hz(float(self.shape(index).stiffness_pn_per_um))

    def delay_s(self, index: int = 0) -> float:
        """Delay of a force; for a force without a delay, the mean age of the newest position."""
        delay_s = self.force(index).delay_s
        return self.age_s if delay_s is None else delay_s

    def running_delay_s(self, index: int = 0) -> float:
        """Effective delay of a self force for a particle that runs straight.

        A trap of rate kappa that is moved by F / k pulls continuously, while F (of rate kappa_v) uses a position of
        some age: -kappa (x - x_seen) - kappa_v (x_seen - x_past), at a speed v -kappa_v v [tau + (kappa / kappa_v - 1)
        age].
        """
        return self.delay_s(index) + (self.trap_hz / self.shape_hz(index) - 1.0) * self.age_s

    def turning_delay_s(self, index: int = 0) -> float:
        """Effective tau in P18 and P19 if the observed position has an age a: tau + a + kappa a tau."""
        delay_s, age_s = self.delay_s(index), self.age_s
        return delay_s + age_s + self.trap_hz * age_s * delay_s

    def frames(self, time_s: float) -> int:
        """The nearest whole number of frames, at least one."""
        return max(round(time_s / self.frame_s), 1)
