"""Particles that are driven by their law (families e)."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.reproduce.many_particles import gyration_um
from app.reproduce.measure_protocol import Flights, MeasuredRun, Options
from app.reproduce.rows.many import dimer_speed, seen_dimer_speed
from app.reproduce.statistics import mean
from control.theory import active


def speeds(flight: MeasuredRun, options: Options) -> tuple[float, float, float]:
    """(mean ratio of the radius of gyration at the end to that at the start, median speed at the end um/s, standard
    deviation of the ratio), over the cells."""
    ratio, moving = [], []
    for group in flight.seen.groups(10**6):
        size_um = gyration_um(group.place_um)
        tenth = max(len(size_um) // 10, 1)
        ratio.append(float(mean(size_um[-tenth:]) / mean(size_um[:tenth])))
        lag = flight.known.frames(1.0)
        moving.append(float(np.median(np.linalg.norm(group.place_um[-1] - group.place_um[-1 - lag], axis=1))))
    return float(np.mean(ratio)), float(np.median(moving)), float(np.std(ratio))


def swarm(flights: Flights, options: Options) -> dict[str, float]:
    """(e): whether a group stays together, and the median displacement in the last second."""
    numbers = {}
    for flight in flights:
        ratio, speed, spread = speeds(flight, options)
        numbers[f"final size / initial size, at {flight.value:g}"] = ratio
        numbers[f"... standard deviation over replicas, at {flight.value:g}"] = spread
        numbers[f"median displacement in the last 1 s, at {flight.value:g} / um"] = speed
    return numbers


def drift(flights: Flights, options: Options) -> dict[str, float]:
    """(e): mean velocity along x and y, relative to that of the programmed force."""
    trajectory, facts = flights[0].seen, flights[0].known
    covered_um = mean(trajectory.place_um[-1] - trajectory.place_um[0], axis=0)
    expected = options["force_pn"] / facts.plant.drag_pn_s_per_um * (trajectory.time_s[-1] - trajectory.time_s[0])
    along, across = (covered_um / expected).tolist()
    return {"speed / (F / gamma)": float(along), "transverse speed / (F / gamma)": float(across)}


def draw_drift(axes: Any, flights: Flights, options: Options) -> None:
    for particle in range(min(flights[0].seen.place_um.shape[1], 20)):
        path_um = flights[0].seen.place_um[:, particle] - flights[0].seen.place_um[0, particle]
        axes.plot(path_um[:, 0], path_um[:, 1], lw=0.6)
    axes.set(xlabel="x / µm", ylabel="y / µm", aspect="equal")


def dimer(flights: Flights, options: Options) -> dict[str, float]:
    """(e): speed of a pair with two different preferred distances, and its ratio to P22."""
    numbers, pairs = {}, []
    for flight in flights:
        separation_um = flight.known.shape(1).radius_um - flight.known.shape(0).radius_um
        pairs.append(
            (dimer_speed(flight.known, options), float(mean(seen_dimer_speed(flight.known, options, flight.seen))))
        )
        numbers[f"V at R_b - R_a = {separation_um:+.2g} um / (um/s)"] = pairs[-1][1]
    predicted, measured = np.array(pairs).T
    numbers["V / prediction, least squares"] = float((predicted * measured).sum() / (predicted**2).sum())
    return numbers


def draw_dimer(axes: Any, flights: Flights, options: Options) -> None:
    separation_um = [flight.known.shape(1).radius_um - flight.known.shape(0).radius_um for flight in flights]
    axes.plot(separation_um, [dimer_speed(flight.known, options) for flight in flights], label="P22")
    measured = [float(mean(seen_dimer_speed(flight.known, options, flight.seen))) for flight in flights]
    axes.plot(separation_um, measured, "o", label="measured")
    axes.set(xlabel="R_b - R_a / µm", ylabel="velocity along the bond / (µm/s)")
    axes.legend()


def onward(flight: MeasuredRun) -> float:
    """um/s: root of <(r(t) - r(t - tau)) . (r(t + tau) - r(t))> / tau^2, to which noise adds nothing; 0 if negative."""
    lag = flight.known.frames(flight.known.delay_s())
    step_um = flight.seen.free_um[lag:] - flight.seen.free_um[:-lag]
    along_um2 = float(mean((step_um[lag:] * step_um[:-lag]).sum(axis=2)))
    return float(np.sqrt(max(along_um2, 0.0))) / (lag * flight.known.frame_s)


def hill_drive(flight: MeasuredRun) -> tuple[float, float]:
    """(A tau / (gamma b^2), predicted speed) of P20, with the delay of a force that is held for a frame."""
    facts, hill = flight.known, flight.known.shape()
    height_pn_um, delay_s = -hill.depth_kt * facts.kt_pn_um, facts.delay_s() - facts.age_s
    drag = facts.plant.drag_pn_s_per_um
    speed = active.hill_speed_um_per_s(height_pn_um, hill.width_um, delay_s, drag)
    return height_pn_um * delay_s / (drag * hill.width_um**2), speed


def hill(flights: Flights, options: Options) -> dict[str, float]:
    """(e): speed of a particle that is repelled by its own past, and its ratio to P20."""
    numbers = {}
    for flight in flights:
        drive, predicted = hill_drive(flight)
        speed = onward(flight)
        numbers[f"v at A tau / (gamma b^2) = {drive:.2f} / (um/s)"] = speed
        if predicted > 0:
            numbers[f"v / P20 at {drive:.2f}"] = speed / predicted
    return numbers


def draw_hill(axes: Any, flights: Flights, options: Options) -> None:
    drive = np.array([hill_drive(flight)[0] for flight in flights])
    fine, facts = np.linspace(0.3, drive.max(), 300), flights[-1].known
    unit_um_per_s = facts.shape().width_um / (facts.delay_s() - facts.age_s)
    axes.plot(fine, unit_um_per_s * np.sqrt(2.0 * np.log(np.maximum(fine, 1.0))), label="P20")
    axes.plot(drive, [onward(flight) for flight in flights], "o", label="measured")
    axes.set(xlabel="A τ / (γ b²)", ylabel="speed / (µm/s)")
    axes.legend()
