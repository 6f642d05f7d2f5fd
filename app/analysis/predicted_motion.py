"""How a particle that feels its own past will move: its speed, and its mean square displacement."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from control.experiment import Experiment
from control.policies.force_context import Force
from control.potentials.shape import is_central
from control.theory import active, delayed
from control.theory.conditions import Conditions, minimum
from control.theory.own_past import speed_um_per_s, turning_delay_s

Floats = NDArray[np.float64]


def under(conditions: Conditions, experiment: Experiment) -> Conditions:
    """The conditions as an experiment uses them: steered or painted, aimed ahead or not."""
    trap = experiment.trap
    return replace(
        conditions, steered=experiment.mode == "steered", aims_ahead=trap.predict, compensates=trap.compensate_latency
    )


def foreseen_persistence_s(experiment: Experiment, conditions: Conditions) -> float:
    """How long a particle that runs from its own past keeps its direction (P18); nan under another law."""
    speed = foreseen_speed_um_per_s(experiment, conditions)
    if not math.isfinite(speed):
        return math.nan
    tau_s = turning_delay_s(alone_about_own_past(experiment), under(conditions, experiment))
    return active.persistence(conditions.plant.diffusion_um2_per_s, speed, tau_s)[0]


def longest_delay_s(experiment: Experiment) -> float:
    """Of its programmed forces; 0.5 s where there is none."""
    forces = experiment.policy.forces
    return max((force.delay_s or 0.0 for force in forces), default=0.0) or 0.5


def foreseen_speed_um_per_s(experiment: Experiment, conditions: Conditions) -> float:
    """Of a particle that runs from its own past; nan where the law is not of that kind."""
    alone = alone_about_own_past(experiment)
    return math.nan if alone is None else speed_um_per_s(alone, under(conditions, experiment)) or math.nan


def foreseen_msd_um2(experiment: Experiment, conditions: Conditions, lag_s: Floats) -> Floats | None:
    """[L] um^2, both axes, of a particle that feels its own past alone; None where no closed form is known."""
    alone = alone_about_own_past(experiment)
    if alone is None:
        return None
    delay_s = alone.delay_s or conditions.age_s
    d = conditions.plant.diffusion_um2_per_s
    at_um, stiffness = minimum(alone.shape, conditions.plant)
    rate_hz = conditions.plant.rate_hz(stiffness)
    if not 0.0 < rate_hz * delay_s < delayed.LARGEST_KAPPA_TAU:
        return None
    held_um2 = 2.0 * delayed.msd_um2(d, rate_hz, delay_s, lag_s)
    speed = foreseen_speed_um_per_s(experiment, conditions)
    if math.isfinite(speed):
        turns_hz = 1.0 / foreseen_persistence_s(experiment, conditions)
        turned = turns_hz * lag_s
        return np.asarray(2.0 * (speed / turns_hz) ** 2 * (turned + np.expm1(-turned)) + held_um2)
    return held_um2 if at_um < 1e-3 else None


def alone_about_own_past(experiment: Experiment) -> Force | None:
    """The one force about the particle's own past, of a central shape, that is the whole law; else None."""
    forces = experiment.policy.forces
    if len(forces) == 1 and forces[0].about_own_past and is_central(forces[0].shape):
        return forces[0]
    return None
