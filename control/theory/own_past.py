"""How a particle moves that feels a potential about its own past position: its speed and its turning."""

from __future__ import annotations

from typing import Any

import numpy as np

from control.theory.conditions import Conditions, span_um

TURNS = "(vτ)²/4D, with a longer τ where a trap is aimed at a place of some age (P18)"


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

    A steered trap pulls back to a position of some age, and its force is evaluated from there. Painted light has no age.

    Args:
        most_pn: no force is larger.
        drag_growth: 1 + kappa age, with kappa of the trap.
    """
    span_s = delay_s - age_s
    v = np.linspace(span_um(shape) / span_s, 0.0, 20001)[:-1]  # from above
    push_pn = np.clip(shape.radial_force_pn(v * span_s, kt_pn_um=kt_pn_um), -most_pn, most_pn)
    runs = np.flatnonzero(push_pn >= drag_growth * drag_pn_s_per_um * v)
    return float(v[runs[0]]) if len(runs) else 0.0


def speed_um_per_s(force: Any, conditions: Conditions) -> float:
    """Of a particle that runs from its own past by this force; 0 where it does not."""
    delay_s = force.delay_s or conditions.age_s
    age_s = age_seen_s(conditions, delay_s)
    growth = 1.0 + conditions.plant.rate_hz(conditions.light.stiffness_pn_per_um) * age_s
    if age_s > 0.0 and conditions.compensates:
        growth *= growth  # the force is divided by as much
    return swimming_speed_um_per_s(
        force.shape, delay_s, conditions.plant.drag_pn_s_per_um, conditions.largest_force_pn,
        kt_pn_um=conditions.plant.kt_pn_um, drag_growth=growth, age_s=age_s,
    )  # fmt: skip


def age_seen_s(conditions: Conditions, delay_s: float) -> float:
    """Age of the place that a trap pulls back to while it acts; 0 where light is painted, or aimed at what will be."""
    late = conditions.steered and not conditions.aims_ahead
    return min(conditions.age_s, 0.99 * delay_s) if late else 0.0


def turning_delay_s(force: Any, conditions: Conditions) -> float:
    """What stands for tau in P18 and P19: tau + a + kappa a tau, since a trap that pulls back to a place of age a
    also holds the particle across its way (app/reproduce/rows/active.py has the derivation); tau where a is 0."""
    delay_s = force.delay_s or conditions.age_s
    age_s = age_seen_s(conditions, delay_s)
    return float(delay_s + age_s + conditions.plant.rate_hz(conditions.light.stiffness_pn_per_um) * age_s * delay_s)
