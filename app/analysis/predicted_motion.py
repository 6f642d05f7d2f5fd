"""How a particle that feels its own past will move: its speed, and its mean square displacement."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.analysis.conditions import Conditions, largest_force_pn, minimum, span_um
from control.experiment import Experiment, Programmed
from control.theory import active, delayed

Floats = NDArray[np.float64]


def swimming_speed_um_per_s(
    shape: Any,
    delay_s: float,
    drag_pn_s_per_um: float,
    most_pn: float,
    *,
    kt_pn_um: float,
    drag_growth: float = 1.0,
    age_s: float = 0.0,
) -> float:
    """The largest v with (1 + kappa age) drag v = F(v (delay - age)) (physics brief P17, P20).

    A steered trap knows a place of some age, pulls back to it, and has its force evaluated from it; light that is
    painted does not, and has no age.

    Args:
        most_pn: no force is larger.
        drag_growth: 1 + kappa age, with kappa of the trap.
    """
    span_s = delay_s - age_s
    v = np.linspace(span_um(shape) / span_s, 0.0, 20001)[:-1]  # from above
    push_pn = np.clip(shape.radial_force_pn(v * span_s, kt_pn_um=kt_pn_um), -most_pn, most_pn)
    runs = np.flatnonzero(push_pn >= drag_growth * drag_pn_s_per_um * v)
    return float(v[runs[0]]) if len(runs) else 0.0


def speed_um_per_s(force: Any, experiment: Experiment, means: Conditions) -> float:
    """Of a particle that runs from its own past by this force; 0 where it does not."""
    delay_s = force.delay_s or means.age_s
    age_s = age_seen_s(experiment, means, delay_s)
    growth = 1.0 + means.plant.rate_hz(means.light.stiffness_pn_per_um) * age_s
    if age_s > 0.0 and experiment.trap.compensate_latency:
        growth *= growth  # the force is divided by as much
    return swimming_speed_um_per_s(
        force.shape, delay_s, means.plant.drag_pn_s_per_um, largest_force_pn(experiment, means),
        kt_pn_um=means.plant.kt_pn_um, drag_growth=growth, age_s=age_s,
    )  # fmt: skip


def age_seen_s(experiment: Experiment, means: Conditions, delay_s: float) -> float:
    """Age of the place that a trap pulls back to while it acts; 0 where light is painted, or aimed at what will be."""
    steered = experiment.mode == "steered" and not experiment.trap.predict
    return min(means.age_s, 0.99 * delay_s) if steered else 0.0


def turning_delay_s(force: Any, experiment: Experiment, means: Conditions) -> float:
    """What stands for tau in P18 and P19: tau + a + kappa a tau, since a trap that pulls back to a place of age a
    also holds the particle across its way (app/reproduce/rows/active.py has the derivation); tau where a is 0."""
    delay_s = force.delay_s or means.age_s
    age_s = age_seen_s(experiment, means, delay_s)
    return float(delay_s + age_s + means.plant.rate_hz(means.light.stiffness_pn_per_um) * age_s * delay_s)


def foreseen_persistence_s(experiment: Experiment, means: Conditions) -> float:
    """How long a particle that runs from its own past keeps its direction (P18); nan under another law."""
    speed = foreseen_speed_um_per_s(experiment, means)
    if not math.isfinite(speed):
        return math.nan
    tau_s = turning_delay_s(_alone(experiment), experiment, means)
    return active.persistence(means.plant.diffusion_um2_per_s, speed, tau_s)[0]


def longest_delay_s(experiment: Experiment) -> float:
    """Of its programmed forces; 0.5 s where there is none."""
    forces = experiment.policy.forces if isinstance(experiment.policy, Programmed) else ()
    return max((force.delay_s or 0.0 for force in forces), default=0.0) or 0.5


def foreseen_speed_um_per_s(experiment: Experiment, means: Conditions) -> float:
    """Of a particle that runs from its own past; nan where the law is not of that kind."""
    alone = _alone(experiment)
    return math.nan if alone is None else speed_um_per_s(alone, experiment, means) or math.nan


def foreseen_msd_um2(experiment: Experiment, means: Conditions, lag_s: Floats) -> Floats | None:
    """[L] um^2, both axes, of a particle that feels its own past alone; None where no closed form is known."""
    alone = _alone(experiment)
    if alone is None:
        return None
    delay_s = alone.delay_s or means.age_s
    d = means.plant.diffusion_um2_per_s
    at_um, stiffness = minimum(alone.shape, means.plant)
    rate_hz = means.plant.rate_hz(stiffness)
    if not 0.0 < rate_hz * delay_s < delayed.LARGEST_KAPPA_TAU:
        return None
    held_um2 = 2.0 * delayed.msd_um2(d, rate_hz, delay_s, lag_s)
    speed = foreseen_speed_um_per_s(experiment, means)
    if math.isfinite(speed):
        turns_hz = 1.0 / foreseen_persistence_s(experiment, means)
        turned = turns_hz * lag_s
        return np.asarray(2.0 * (speed / turns_hz) ** 2 * (turned + np.expm1(-turned)) + held_um2)
    return held_um2 if at_um < 1e-3 else None


def _alone(experiment: Experiment) -> Any:
    """The one self force of a central shape that is the whole law; else None."""
    forces = experiment.policy.forces if isinstance(experiment.policy, Programmed) else ()
    if len(forces) == 1 and forces[0].kind == "self" and forces[0].shape.central:
        return forces[0]
    return None
