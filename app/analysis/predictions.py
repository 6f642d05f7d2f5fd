"""Predicted effects of an experiment on a particle, before it is applied: the closed forms of docs/predictions.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.analysis.predicted_motion import under
from config.refused import Refused
from control.experiment import Experiment
from control.potentials.painting import paint, painted_energy_pn_um, painted_force_pn
from control.potentials.shape import is_central
from control.theory.conditions import Conditions, PredictedQuantity, span_um

Floats = NDArray[np.float64]

NO_PREDICTION = "there is no closed form for this kind of force"


@dataclass(frozen=True)
class PotentialCurve:
    """A potential as a function of the distance: as requested, and as it will act."""

    r_um: Floats  # [K]
    energy_kt: Floats  # [K]
    force_pn: Floats  # [K] positive is outward
    acts_kt: Floats  # [K]
    acts_pn: Floats  # [K]
    reach_pn: float  # largest force of a trap; inf for painted light


def curve(shape: Any, mode: str, conditions: Conditions, points: int = 240) -> PotentialCurve | None:
    """The curve of a central shape (it depends only on the distance); None for other shapes."""
    if not is_central(shape):
        return None
    r_um = np.linspace(0.0, span_um(shape), points + 1)[1:]
    kt_pn_um = conditions.plant.kt_pn_um
    energy_kt = shape.radial_energy_pn_um(r_um, kt_pn_um=kt_pn_um) / kt_pn_um
    force_pn = np.asarray(shape.radial_force_pn(r_um, kt_pn_um=kt_pn_um))
    if mode == "steered":
        reach_pn = conditions.light.largest_force_pn
        acts_pn = conditions.acting_pn(force_pn)
        steps = 0.5 * (acts_pn[1:] + acts_pn[:-1]) * np.diff(r_um)
        acts_kt = -np.concatenate([[0.0], np.cumsum(steps)]) / kt_pn_um
        acts_kt += energy_kt.min() - acts_kt.min()
        return PotentialCurve(r_um, energy_kt, force_pn, acts_kt, acts_pn, reach_pn)
    try:
        rings = paint(shape, waist_um=conditions.light.waist_um, kt_pn_um=kt_pn_um)
    except Refused:
        return PotentialCurve(
            r_um, energy_kt, force_pn, np.full_like(r_um, np.nan), np.full_like(r_um, np.nan), math.inf
        )
    acts_kt = painted_energy_pn_um(rings, r_um, waist_um=conditions.light.waist_um, kt_pn_um=kt_pn_um) / kt_pn_um
    acts_pn = painted_force_pn(rings, r_um, waist_um=conditions.light.waist_um, kt_pn_um=kt_pn_um)
    return PotentialCurve(r_um, energy_kt, force_pn, acts_kt, acts_pn, math.inf)


def predict(experiment: Experiment, conditions: Conditions) -> tuple[PredictedQuantity, ...]:
    """The predictions for an experiment, force by force, and its power."""
    conditions = under(conditions, experiment)
    rows: list[PredictedQuantity] = []
    for force in experiment.policy.forces:
        predicted = force.predict(conditions)
        rows += [PredictedQuantity(force.kind, "no prediction", NO_PREDICTION)] if predicted is None else predicted
    return (*rows, *power(experiment, conditions))


def power(experiment: Experiment, conditions: Conditions) -> tuple[PredictedQuantity, ...]:
    """The fraction of the laser power for all particles together; in mode steered also largest force and latency."""
    light = conditions.light
    if experiment.mode == "steered":
        total_kt = conditions.particles * experiment.trap.depth_kt
    else:
        total_kt = _painted_kt(experiment, conditions)
    share = total_kt / light.depth_kt_per_mw / light.power_mw
    predictions = [
        PredictedQuantity(
            "power", f"{share:.0%} of {light.power_mw:.3g} mW", f"{conditions.particles} particles", share > 1
        )
    ]
    if experiment.mode == "steered":
        pn, drag = light.largest_force_pn, conditions.plant.drag_pn_s_per_um
        predictions.append(
            PredictedQuantity(
                "largest force", f"{1e3 * pn:.3g} fN, {pn / drag:.3g} µm/s", "of one trap, at half its waist"
            )
        )
        if conditions.lag_s > 0.0:
            z, source = conditions.late_z, f"a steered potential is as much slower and colder (P9){conditions.mean}"
            row = PredictedQuantity("1 + z of latency", f"{1.0 + z:.3g}", source)
            predictions.append(conditions.not_held(row.name) if math.isnan(z) else row)
    return tuple(predictions)


def _painted_kt(experiment: Experiment, conditions: Conditions) -> float:
    """Total depth of the spots about all centres, of all forces that light can paint."""
    total_kt = 0.0
    for force in experiment.policy.forces:
        try:
            rings = paint(force.shape, waist_um=conditions.light.waist_um, kt_pn_um=conditions.plant.kt_pn_um)
        except Refused:
            continue
        total_kt += force.number_of_centres(conditions.particles) * float(rings.total_kt.sum())
    return total_kt
