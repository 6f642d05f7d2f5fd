"""What an experiment will do to a particle, before it is put in force: the closed forms of the physics brief."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.analysis.conditions import Conditions, largest_force_pn, minimum, span_um
from app.analysis.predicted_motion import speed_um_per_s, turning_delay_s
from config.refused import Refused
from control.experiment import Experiment, Programmed
from control.potentials.painting import Rings, paint, painted_energy_pn_um, painted_force_pn
from control.potentials.shape import Central
from control.theory import active

Floats = NDArray[np.float64]

TURNS = "(vτ)²/4D, with a longer τ where a trap is aimed at a place of some age (P18)"


@dataclass(frozen=True)
class Foreseen:
    """One consequence: its name, its value in words, and where it comes from."""

    name: str
    value: str
    source: str
    warning: bool = False


@dataclass(frozen=True)
class PotentialCurve:
    """A potential as a function of the distance, as it was asked for and as it will act."""

    r_um: Floats  # [K]
    energy_kt: Floats  # [K]
    force_pn: Floats  # [K] positive is outward
    acts_kt: Floats  # [K]
    acts_pn: Floats  # [K]
    reach_pn: float  # the largest force that the light can give; inf where it is the painted light itself


def curve(shape: Any, mode: str, means: Conditions, points: int = 240) -> PotentialCurve | None:
    """Of a shape that depends on the distance alone; None for the others."""
    if not (isinstance(shape, Central) and shape.central):
        return None
    r_um = np.linspace(0.0, span_um(shape), points + 1)[1:]
    kt_pn_um = means.plant.kt_pn_um
    energy_kt = shape.radial_energy_pn_um(r_um, kt_pn_um=kt_pn_um) / kt_pn_um
    force_pn = np.asarray(shape.radial_force_pn(r_um, kt_pn_um=kt_pn_um))
    if mode == "steered":
        reach_pn = means.light.largest_force_pn
        acts_pn = np.clip(force_pn, -reach_pn, reach_pn)
        steps = 0.5 * (acts_pn[1:] + acts_pn[:-1]) * np.diff(r_um)
        acts_kt = -np.concatenate([[0.0], np.cumsum(steps)]) / kt_pn_um
        acts_kt += energy_kt.min() - acts_kt.min()
        return PotentialCurve(r_um, energy_kt, force_pn, acts_kt, acts_pn, reach_pn)
    try:
        rings = paint(shape, waist_um=means.light.waist_um, kt_pn_um=kt_pn_um)
    except Refused:
        return PotentialCurve(
            r_um, energy_kt, force_pn, np.full_like(r_um, np.nan), np.full_like(r_um, np.nan), math.inf
        )
    acts_kt = painted_energy_pn_um(rings, r_um, waist_um=means.light.waist_um, kt_pn_um=kt_pn_um) / kt_pn_um
    acts_pn = painted_force_pn(rings, r_um, waist_um=means.light.waist_um, kt_pn_um=kt_pn_um)
    return PotentialCurve(r_um, energy_kt, force_pn, acts_kt, acts_pn, math.inf)


def predict(experiment: Experiment, means: Conditions) -> tuple[Foreseen, ...]:
    """What will come of it, force by force, and what it costs."""
    if not isinstance(experiment.policy, Programmed):
        return (*power(experiment, means),)
    said: list[Foreseen] = []
    for force in experiment.policy.forces:
        about = PREDICTIONS.get(force.kind)
        said += about(force, experiment, means) if about else [Foreseen(force.kind, "no prediction", NO_PREDICTION)]
    return (*said, *power(experiment, means))


def of_self(force: Any, experiment: Experiment, means: Conditions) -> list[Foreseen]:
    shape, plant = force.shape, means.plant
    if not shape.central:
        return []
    at_um, stiffness = minimum(shape, plant)
    delay_s = force.delay_s or means.age_s
    z = plant.rate_hz(stiffness) * delay_s
    said = [Foreseen("z = κτ", f"{z:.3g}", "κ of the minimum times the delay")]
    speed = speed_um_per_s(force, experiment, means)
    d = plant.diffusion_um2_per_s
    if speed > 0:
        persistence_s = active.persistence(d, speed, turning_delay_s(force, experiment, means))[0]
        late = speed**2 * persistence_s / 2.0 + d / (2.0 * (1.0 + z) ** 2)
        said += [
            Foreseen("speed", f"{speed:.3g} µm/s", "γ v = F(v τ); of a harmonic ring κR/(1 + z) (P17, P20)"),
            Foreseen("persistence", f"{persistence_s:.3g} s", TURNS),
            Foreseen("late diffusion", f"{late:.3g} µm²/s ({late / d:.3g} D)", "v²/2 times that, + D/2(1 + z)² (P19)"),
        ]
        if speed * delay_s < 1.5 * math.sqrt(d * delay_s):
            said.append(Foreseen("activity", "hidden by diffusion", "vτ is below 1.5 √(Dτ) (P19)", True))
    elif at_um < 1e-3:
        said += [
            Foreseen("T_eff", f"{plant.temperature_k / (1.0 + z):.3g} K", "T/(1 + z), slow motion (P9)"),
            Foreseen("late diffusion", f"{d / (1.0 + z) ** 2:.3g} µm²/s", "D/(1 + z)² (P9)"),
        ]
        if z > 1:
            top = 4.0 * d * (1.0 + z) / (4.0 * plant.rate_hz(stiffness))
            said.append(Foreseen("MSD turns back at", f"{top:.3g} µm²", "D(1 + z)/κ, both axes (P8)"))
    return said


def of_pair(force: Any, experiment: Experiment, means: Conditions) -> list[Foreseen]:
    shape, plant = force.shape, means.plant
    if not shape.central:
        return []
    at_um, stiffness = minimum(shape, plant)
    if stiffness <= 0 or at_um < 1e-3:
        return []
    delay_s = force.delay_s or means.age_s
    kappa = plant.rate_hz(stiffness)
    z = kappa * delay_s
    bond_um = math.sqrt(plant.diffusion_um2_per_s / kappa * (1.0 + z))
    said = [
        Foreseen("lattice constant", f"{at_um:.3g} µm", "the potential's minimum (P23)"),
        Foreseen("z = κτ", f"{z:.3g}", "κ of the minimum times the age of what was seen"),
        Foreseen("bond, rms", f"{1e3 * bond_um:.3g} nm", "√(D(1 + z)/κ), one bond (P21)"),
    ]
    if at_um < plant.diameter_um:
        said.append(Foreseen("contact", "the ring is inside the particle", f"d = {plant.diameter_um:g} µm", True))
    return said


def of_external(force: Any, experiment: Experiment, means: Conditions) -> list[Foreseen]:
    shape, plant = force.shape, means.plant
    if not shape.central:
        push_pn = np.asarray(shape.force_pn(np.zeros((1, 2)), kt_pn_um=plant.kt_pn_um))[0]
        speed = float(np.hypot(*push_pn)) / plant.drag_pn_s_per_um
        return [Foreseen("drift", f"{speed:.3g} µm/s", "F/γ at the centre")]
    at_um, stiffness = minimum(shape, plant)
    if stiffness <= 0:
        return []
    kappa = plant.rate_hz(stiffness)
    rms_um = math.sqrt(plant.kt_pn_um / stiffness)
    said = [Foreseen("rms about the minimum", f"{1e3 * rms_um:.3g} nm", "√(kT/k) (P4)")]
    if force.delay_s is not None and at_um < 1e-3:
        z = kappa * force.delay_s
        stays = "stable" if z < math.pi / 2 else "never settles"
        said.append(Foreseen("z = κτ", f"{z:.3g}, {stays}", "stable below π/2 (P14)", z >= math.pi / 2))
    return said


def of_motile(force: Any, experiment: Experiment, means: Conditions) -> list[Foreseen]:
    drive_pn = min(force.drive_pn, largest_force_pn(experiment, means))
    speed = drive_pn / means.plant.drag_pn_s_per_um
    hidden = speed * force.delay_s < math.sqrt(4.0 * means.plant.diffusion_um2_per_s * force.delay_s)
    said = [Foreseen("speed while it moves", f"{speed:.3g} µm/s", "F/γ along its own heading")]
    if hidden:
        said.append(Foreseen("heading", "hidden by diffusion", "vτ is below √(4Dτ)", True))
    return said


PREDICTIONS = {"self": of_self, "pair": of_pair, "external": of_external, "motile": of_motile}
NO_PREDICTION = "there is no closed form for this kind of force"


def power(experiment: Experiment, means: Conditions) -> tuple[Foreseen, ...]:
    """What part of the beam it takes for all particles at once."""
    light = means.light
    if experiment.mode == "steered":
        each_kt = experiment.trap.depth_kt
    else:
        each_kt = sum(float(rings.total_kt.sum()) for rings in _painted(experiment, means))
    share = means.particles * each_kt / light.depth_kt_per_mw / light.power_mw
    said = [Foreseen("power", f"{share:.0%} of {light.power_mw:.3g} mW", f"{means.particles} particles", share > 1)]
    if experiment.mode == "steered":
        pn, drag = light.largest_force_pn, means.plant.drag_pn_s_per_um
        z = means.plant.rate_hz(light.stiffness_pn_per_um) * means.age_s
        said += [
            Foreseen("largest force", f"{1e3 * pn:.3g} fN, {pn / drag:.3g} µm/s", "of one trap, at half its waist"),
            Foreseen("1 + z of latency", f"{1.0 + z:.3g}", "a steered potential is as much slower and colder (P9)"),
        ]
    return tuple(said)


def _painted(experiment: Experiment, means: Conditions) -> list[Rings]:
    if not isinstance(experiment.policy, Programmed):
        return []
    made = []
    for force in experiment.policy.forces:
        try:
            made.append(paint(force.shape, waist_um=means.light.waist_um, kt_pn_um=means.plant.kt_pn_um))
        except Refused:
            continue
    return made
