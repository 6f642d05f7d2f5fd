"""Phases of particles with rings of light about the past positions of all, their own included (arXiv 2504.00471)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.analysis.trajectories import bonds
from app.reproduce.many_particles import gyration_um
from app.reproduce.measure_protocol import Flights, MeasuredRun, Options
from app.reproduce.rows.many import NEAR, snapshots
from app.reproduce.statistics import mean

ORDERED = 0.75  # |psi| of a crystal; random bonds show .37 (six) and .45 (four)
BOUND = 3  # least neighbours of a particle that counts in the bond order
COMPACT = 1.1  # bonds shorter than this, in diameters, are contacts
RUNS = 3.0  # least displacement of a running cluster's middle, over that by diffusion
COLOURS = {
    "gas": "#56b4e9", "worms": "#e69f00", "liquid": "#999999", "square": "#cc79a7", "hexagonal": "#009e73",
    "close-packed": "#0072b2",
}  # fmt: skip


@dataclass(frozen=True)
class OrderParameters:
    """The input of the classifier: means over the last quarter of a run."""

    psi4: float  # mean |psi4| of particles with BOUND or more neighbours
    psi6: float  # the same of psi6
    neighbours: float  # mean number per particle
    bound: float  # share of particles with BOUND or more neighbours
    bond_um: float  # mean length
    size: float  # radius of gyration over that of a close-packed disc of as many particles
    runs: float  # displacement of the middle over its rms by diffusion


def order_of(flight: MeasuredRun) -> OrderParameters:
    """The order parameters of one run."""
    facts = flight.facts
    quarter = flight.trajectory.after(float(np.quantile(flight.trajectory.time_s, 0.75)))
    length_um = max(float(facts.shape().radius_um), facts.plant.diameter_um)
    frames_um = snapshots(quarter, 20)
    by_order = {order: [bonds(place_um, NEAR * length_um, order) for place_um in frames_um] for order in (4, 6)}
    psi = {
        order: float(
            mean(np.concatenate([np.abs(frame.psi[frame.neighbours >= BOUND]) for frame in frames] + [np.zeros(0)]))
        )
        for order, frames in by_order.items()
    }
    neighbours = np.concatenate([frame.neighbours for frame in by_order[6]])
    bond_um = float(mean(np.concatenate([frame.length_um for frame in by_order[6]])))
    number = flight.trajectory.place_um.shape[1]
    disc_um = length_um * math.sqrt(number * math.sqrt(0.75) / (2.0 * math.pi))
    middle_um = mean(quarter.place_um, axis=1)
    chance_um = math.sqrt(4.0 * facts.diffusion_um2_per_s / number * float(np.ptp(quarter.time_s)))
    return OrderParameters(
        psi[4], psi[6], float(neighbours.mean()), float((neighbours >= BOUND).mean()), bond_um,
        float(mean(gyration_um(quarter.place_um))) / disc_um,
        float(np.hypot(*(middle_um[-1] - middle_um[0]))) / chance_um,
    )  # fmt: skip


def phase(order: OrderParameters, diameter_um: float) -> str:
    """The name of the phase: the first that fits."""
    if order.neighbours < 1.0:
        return "gas"
    if order.bound < 0.4:
        return "worms"
    if order.psi6 >= ORDERED and order.psi6 >= order.psi4:
        return "close-packed" if order.bond_um < COMPACT * diameter_um else "hexagonal"
    return "square" if order.psi4 >= ORDERED else "liquid"


def runs(order: OrderParameters, name: str) -> bool:
    """Whether a cluster moves as a whole; always false for a gas, whose middle is not that of a cluster."""
    return name != "gas" and order.runs > RUNS


def search(flights: Flights, options: Options) -> dict[str, float]:
    """The number of points in each phase, and the size at each point, named by place, phase and bond order."""
    numbers, phases = {}, []
    for flight in flights:
        found = order_of(flight)
        phases.append(phase(found, flight.known.plant.diameter_um))
        said = f"{phases[-1]}{', running' if runs(found, phases[-1]) else ''}"
        place = f"R = {flight.known.shape().radius_um:g} um, tau = {flight.known.delay_s():g} s: {said}"
        order = ", ".join(f"{name} {in_words(value)}" for name, value in (("|ψ4|", found.psi4), ("|ψ6|", found.psi6)))
        numbers[f"{place}; {order}; size / size of a full disc"] = found.size
    return {**{f"points: {name}": float(phases.count(name)) for name in COLOURS}, **numbers}


def in_words(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def draw_search(axes: Any, flights: Flights, options: Options) -> None:
    """Draw the phases over delay in Brownian times and ring radius in diameters; circles mark running clusters."""
    plant = flights[0].facts.plant
    brownian_s = plant.diameter_um**2 / plant.diffusion_um2_per_s
    labelled: set[str] = set()
    for flight in flights:
        order = order_of(flight)
        name = phase(order, plant.diameter_um)
        x, y = flight.facts.delay_s() / brownian_s, flight.facts.shape().radius_um / plant.diameter_um
        label = "" if name in labelled else name
        axes.plot(x, y, "s", ms=13, color=COLOURS[name], label=label)
        if runs(order, name):
            axes.plot(x, y, "o", ms=18, mfc="none", color="k", label="" if "runs" in labelled else "runs")
            labelled.add("runs")
        labelled.add(name)
    axes.set(xscale="log", xlabel="delay / (d²/D)", ylabel="ring radius / d")
    axes.margins(0.12)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), labelspacing=1.2)
