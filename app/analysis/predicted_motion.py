"""Predicted motion of a particle with a force about its own past: speed, persistence, mean square displacement."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from control.experiment import Experiment
from control.potentials.shape import is_central
from control.theory import delayed
from control.theory.conditions import Conditions
from control.theory.own_past import OwnPast

Floats = NDArray[np.float64]


def under(conditions: Conditions, experiment: Experiment) -> Conditions:
    """The conditions with the settings of an experiment: steered or painted, aimed ahead, latency compensated."""
    trap, steered = experiment.trap, experiment.mode == "steered"
    return replace(
        conditions,
        steered=steered,
        aims_ahead=steered and trap.predict,
        compensates=steered and trap.compensate_latency,
    )


def own_past(experiment: Experiment, conditions: Conditions) -> OwnPast | None:
    """The motion under a law of one central force about the particle's own past; None for another law."""
    forces = experiment.policy.forces
    if len(forces) == 1 and forces[0].about_own_past and is_central(forces[0].shape):
        return OwnPast.of(forces[0], under(conditions, experiment))
    return None


def predicted_persistence_s(experiment: Experiment, conditions: Conditions) -> float:
    """Persistence time of a particle that runs from its own past (P18); nan if it does not run."""
    motion = own_past(experiment, conditions)
    return motion.persistence_s if motion is not None and motion.speed_um_per_s > 0.0 else math.nan


def longest_delay_s(experiment: Experiment) -> float:
    """Longest delay of the programmed forces; 0.5 s if there is none."""
    return max((force.delay_s or 0.0 for force in experiment.policy.forces), default=0.0) or 0.5


def predicted_speed_um_per_s(experiment: Experiment, conditions: Conditions) -> float:
    """Predicted speed of a particle that runs from its own past; nan if it does not run."""
    motion = own_past(experiment, conditions)
    return math.nan if motion is None else motion.speed_um_per_s or math.nan


def predicted_msd_um2(experiment: Experiment, conditions: Conditions, lag_s: Floats) -> Floats | None:
    """[L] predicted MSD in um^2, both axes, under one force about the own past; None if no closed form is known.

    For a runner it is the sum of a persistent random walk (P18), the fluctuations along the motion (P7, P19), and those
    across it: 2 D t for lags below the delay; for longer lags they are part of the turning of the direction.
    """
    motion = own_past(experiment, conditions)
    if motion is None:
        return None
    d, delay_s = conditions.plant.diffusion_um2_per_s, motion.delay_s
    runs = motion.speed_um_per_s > 0.0
    if not motion.holds or (not runs and (motion.pushed_um_per_s > 0.0 or not (motion.is_trap and motion.ideal))):
        return None
    z = motion.slow_z(motion.running_rate_hz) if runs else motion.rate_hz * delay_s
    if not 0.0 < z < delayed.LARGEST_KAPPA_TAU:
        return None
    along_um2 = delayed.msd_um2(d, z / delay_s, delay_s, lag_s)
    if not runs:
        return np.asarray(2.0 * along_um2)
    scaled_lag = lag_s / motion.persistence_s
    walk_um2 = 2.0 * (motion.speed_um_per_s * motion.persistence_s) ** 2 * (scaled_lag + np.expm1(-scaled_lag))
    across_um2 = -2.0 * d * delay_s * np.expm1(-lag_s / delay_s)
    return np.asarray(walk_um2 + along_um2 + across_um2)
