"""Particles bound to each other, or to each other's past positions (P21 to P25)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.analysis.trajectories import bonds
from app.reproduce.rows.row import Axes, CheckRow, ExperimentFacts, Floats, Options
from app.reproduce.rows.trapped import draw_gaussian
from app.reproduce.statistics import mean
from app.reproduce.trajectory import Trajectory
from control.policies.external import External
from control.theory import feedback, many

NEAR = 1.25  # pairs closer than this many ring radii are bonded


def pairs_um(trajectory: Trajectory) -> Floats:
    """[T, C, 2] vector from the first to the second of each cell's two particles."""
    return np.asarray(trajectory.free_um[:, 1::2] - trajectory.free_um[:, ::2])


def bond_variance(facts: ExperimentFacts, options: Options) -> float:
    """P21."""
    return many.bond_variance_um2(facts.diffusion_um2_per_s, facts.shape_hz(), facts.delay_s())


def seen_bond_variance(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    length_um = np.linalg.norm(pairs_um(trajectory), axis=2)
    return np.asarray(mean((length_um - facts.shape().radius_um) ** 2, axis=0))


def draw_bond(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    stretch_um = np.linalg.norm(pairs_um(trajectory), axis=2) - facts.shape().radius_um
    draw_gaussian(axes, stretch_um, bond_variance(facts, options))
    axes.set(xlabel="bond length - R / µm", ylabel="P / µm⁻¹")


def dimer_speed(facts: ExperimentFacts, options: Options) -> float:
    """P22. The delay is shorter by a lead: sightings, once in a hold, are a little ahead of the mean motion."""
    first_um, second_um = facts.shape(0).radius_um, facts.shape(1).radius_um
    lead_s = feedback.stepped_lead_s(facts.trap_hz, facts.frame_s, facts.seen_after_s, facts.exposure_s)
    return many.dimer_speed_um_per_s(facts.shape_hz(), first_um, second_um, facts.delay_s() - lead_s)


def seen_dimer_speed(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[C] velocity of the middle of each pair along its bond, from the first to the second."""
    along = pairs_um(trajectory)
    middle_um = 0.5 * (trajectory.free_um[:, ::2] + trajectory.free_um[:, 1::2])
    along = along / np.linalg.norm(along, axis=2, keepdims=True)
    covered_um = (np.diff(middle_um, axis=0) * 0.5 * (along[1:] + along[:-1])).sum(axis=2)
    return np.asarray(mean(covered_um, axis=0) / facts.frame_s)


def draw_dimer(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    pair_um = trajectory.free_um[:, :2] - trajectory.free_um[0, 0]  # [frames, 2, 2], from where the first began
    axes.plot(pair_um[:, 0, 0], pair_um[:, 0, 1], label="first")
    axes.plot(pair_um[:, 1, 0], pair_um[:, 1, 1], label="second")
    axes.set(xlabel="x / µm", ylabel="y / µm", aspect="equal")
    axes.legend()


def ring_radius(facts: ExperimentFacts, options: Options) -> float:
    """P23, P24: the lattice constant is the radius of the ring."""
    return float(facts.shape().radius_um)


def pictures(trajectory: Trajectory, number: int) -> list[Floats]:
    """Up to `number` frames [P, 2] of one cell, evenly over the run, from those in which all particles were seen."""
    complete = np.flatnonzero(np.isfinite(trajectory.free_um).all(axis=(1, 2)))
    rows = (
        complete[np.linspace(0, len(complete) - 1, min(number, len(complete))).astype(int)]
        if len(complete)
        else complete
    )
    return [trajectory.free_um[row] for row in rows]


def lattice_constant(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] mean bond length."""
    cutoff_um = NEAR * facts.shape().radius_um
    lengths_um = [
        [bonds(place_um, cutoff_um).mean_length_um for place_um in pictures(part, 25)]
        for part in trajectory.groups(10**6)
    ]
    return np.array([float(mean(np.array(lengths))) for lengths in lengths_um])


def bond_order(facts: ExperimentFacts, order: int, trajectory: Trajectory) -> float:
    """Mean |psi| of the particles with `order` neighbours, over all cells."""
    cutoff_um = NEAR * facts.shape().radius_um
    orders = [
        bonds(place_um, cutoff_um, order).mean_order(order)
        for part in trajectory.groups(50)
        for place_um in pictures(part, 25)
    ]
    return float(mean(np.array(orders)))


def order_of(order: int) -> Callable[[ExperimentFacts, Options, Trajectory], str]:
    """A function that checks the further demand on a crystal, besides its lattice constant: its bond order."""

    def demand(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> str:
        value = bond_order(facts, order, trajectory)
        return (
            "" if value >= options["order"] else f"mean |psi{order}| is {value:.3f}, not {options['order']:g} or more"
        )

    return demand


def draw_crystal(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    first = trajectory.of(np.flatnonzero(trajectory.cell == trajectory.cell[0]))
    frames_um = pictures(first, 25)
    frames_um = [place_um - frames_um[-1].mean(axis=0) for place_um in frames_um]  # cells lie far from the origin
    for place_um in frames_um:
        axes.plot(place_um[:, 0], place_um[:, 1], ".", color="C0", alpha=0.15)
    if frames_um:
        axes.plot(frames_um[-1][:, 0], frames_um[-1][:, 1], "o", color="C1")
    axes.set(xlabel="x / µm", ylabel="y / µm", aspect="equal")


def wobble(facts: ExperimentFacts) -> float:
    """Per-axis rms displacement u in an ideal spring, over the distance of neighbouring springs."""
    forces = facts.plan.experiment.policy.forces
    centres = np.array([force.centre_um for force in forces if isinstance(force, External)])
    distance_um = float(np.linalg.norm(centres[1] - centres[0]))
    return float(np.sqrt(facts.kt_pn_um / facts.trap_pn_per_um)) / distance_um


def hexagon_order(facts: ExperimentFacts, options: Options) -> float:
    """P25 for six neighbours, exact."""
    return many.bond_order(6, wobble(facts))


def psi_six(trajectory: Trajectory) -> Floats:
    """[T, C] real part of psi6 of each cell's first particle, with the six others as its neighbours."""
    place = trajectory.free_um.reshape(len(trajectory.time_s), -1, 7, 2)
    bond = place[:, :, 1:] - place[:, :, :1]
    return np.asarray(np.cos(6.0 * np.arctan2(bond[..., 1], bond[..., 0])).mean(axis=2))


def seen_hexagon_order(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] <psi6>: the bonds of the ideal hexagon point along x and every 60 degrees, where psi6 is 1."""
    return np.asarray(mean(psi_six(trajectory), axis=0))


P21 = CheckRow("µm²", bond_variance, seen_bond_variance, draw_bond)
P22 = CheckRow("µm/s", dimer_speed, seen_dimer_speed, draw_dimer)
P23 = CheckRow("µm", ring_radius, lattice_constant, draw_crystal, demand=order_of(6))
P24 = CheckRow("µm", ring_radius, lattice_constant, draw_crystal, demand=order_of(4))
P25 = CheckRow("", hexagon_order, seen_hexagon_order, draw_crystal)
