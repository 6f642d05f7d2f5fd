"""A search for phases: particles attracted to rings about the past of all particles, including their own
(arXiv 2504.00471)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.analysis.trajectories import bonds
from app.reproduce.many_particles import gyration_um
from app.reproduce.measure_protocol import Flights, MeasuredRun, Options
from app.reproduce.rows.many import NEAR, pictures
from app.reproduce.statistics import mean

ORDERED = 0.75  # least |psi| of a crystal; random bonds have .37 (six) and .45 (four)
BOUND = 3  # least number of neighbours for the bond order of a particle
COMPACT = 1.1  # in diameters: shorter bonds are contacts
RUNS = 3.0  # least displacement of the centre of mass, relative to that by diffusion
COLOURS = {
    "gas": "#56b4e9", "worms": "#e69f00", "liquid": "#999999", "square": "#cc79a7", "hexagonal": "#009e73",
    "close-packed": "#0072b2",
}  # fmt: skip


@dataclass(frozen=True)
class OrderParameters:
    """Input of the classification, from the last quarter of a run."""

    psi4: float  # mean |psi| of particles with three or more neighbours
    psi6: float
    neighbours: float  # mean number
    bound: float  # fraction with three or more
    bond_um: float
    size: float  # radius of gyration over that of a filled disc of as many particles
    runs: float  # displacement of the centre of mass over that by diffusion


def order_of(flight: MeasuredRun) -> OrderParameters:
    """The order parameters of one run."""
    facts = flight.known
    quarter = flight.seen.after(float(np.quantile(flight.seen.time_s, 0.75)))
    length_um = max(float(facts.shape().radius_um), facts.plant.diameter_um)
    frames_um = pictures(quarter, 20)
    by_order = {order: [bonds(place_um, NEAR * length_um, order) for place_um in frames_um] for order in (4, 6)}
    psi = {
        order: float(
            mean(np.concatenate([np.abs(item.psi[item.neighbours >= BOUND]) for item in bond_sets] + [np.zeros(0)]))
        )
        for order, bond_sets in by_order.items()
    }
    neighbours = np.concatenate([item.neighbours for item in by_order[6]])
    bond_um = float(mean(np.concatenate([item.length_um for item in by_order[6]])))
    number = flight.seen.place_um.shape[1]
    disc_um = length_um * math.sqrt(number * math.sqrt(0.75) / (2.0 * math.pi))
    middle_um = mean(quarter.place_um, axis=1)
    chance_um = math.sqrt(4.0 * facts.diffusion_um2_per_s / number * float(np.ptp(quarter.time_s)))
    return OrderParameters(
        psi[4], psi[6], float(neighbours.mean()), float((neighbours >= BOUND).mean()), bond_um,
        float(mean(gyration_um(quarter.place_um))) / disc_um,
        float(np.hypot(*(middle_um[-1] - middle_um[0]))) / chance_um,
    )  # fmt: skip


def phase(parameters: OrderParameters, diameter_um: float) -> str:
    """The name of the phase: the first that fits."""
    if parameters.neighbours < 1.0:
        return "gas"
    if parameters.bound < 0.4:
        return "worms"
    if parameters.psi6 >= ORDERED and parameters.psi6 >= parameters.psi4:
        return "close-packed" if parameters.bond_um < COMPACT * diameter_um else "hexagonal"
    return "square" if parameters.psi4 >= ORDERED else "liquid"


def runs(parameters: OrderParameters, name: str) -> bool:
    """Whether a cluster moves as a whole. Always false for a gas, whose centre of mass has no meaning here."""
    return name != "gas" and parameters.runs > RUNS


def search(flights: Flights, options: Options) -> dict[str, float]:
    """The result of each point (its size, under a name with its phase), and the number of points in each phase."""
    numbers, phases = {}, []
    for flight in flights:
        parameters = order_of(flight)
        phases.append(phase(parameters, flight.known.plant.diameter_um))
        phase_text = f"{phases[-1]}{', running' if runs(parameters, phases[-1]) else ''}"
        point = f"R = {flight.known.shape().radius_um:g} um, tau = {flight.known.delay_s():g} s: {phase_text}"
        order = ", ".join(
            f"{name} {in_words(value)}" for name, value in (("|ψ4|", parameters.psi4), ("|ψ6|", parameters.psi6))
        )
        numbers[f"{point}; {order}; size / size of a full disc"] = parameters.size
    return {**{f"points: {name}": float(phases.count(name)) for name in COLOURS}, **numbers}


def in_words(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def draw_search(axes: Any, flights: Flights, options: Options) -> None:
    """The phase diagram: delay in Brownian times (x), radius in diameters (y); a circle marks a cluster that runs."""
    plant = flights[0].known.plant
    brownian_s = plant.diameter_um**2 / plant.diffusion_um2_per_s
    labelled: set[str] = set()
    for flight in flights:
        parameters = order_of(flight)
        name = phase(parameters, plant.diameter_um)
        x, y = flight.known.delay_s() / brownian_s, flight.known.shape().radius_um / plant.diameter_um
        label = "" if name in labelled else name
        axes.plot(x, y, "s", ms=13, color=COLOURS[name], label=label)
        if runs(parameters, name):
            axes.plot(x, y, "o", ms=18, mfc="none", color="k", label="" if "runs" in labelled else "runs")
            labelled.add("runs")
        labelled.add(name)
    axes.set(xscale="log", xlabel="delay / (d²/D)", ylabel="ring radius / d")
    axes.margins(0.12)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), labelspacing=1.2)
