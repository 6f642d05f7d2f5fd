"""Families c and d: many particles that attract each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.analysis.trajectories import bonds
from app.reproduce.measure_protocol import Flights, Options
from app.reproduce.rows.many import NEAR, snapshots
from app.reproduce.rows.row import Floats
from app.reproduce.statistics import mean


def gyration_um(place_um: Floats) -> Floats:
    """[T] radius of gyration of places [T, P, 2]; particles that were not tracked are left out."""
    away_um = place_um - mean(place_um, axis=1)[:, None]
    return np.asarray(np.sqrt(mean((away_um**2).sum(axis=2), axis=1)))


def cluster(flights: Flights, options: Options) -> dict[str, float]:
    """(c): size of the cluster at the start and at the end, and its neighbours at contact."""
    flight = flights[0]
    size_um = gyration_um(flight.trajectory.place_um)
    tenth = max(len(size_um) // 10, 1)
    end_um = flight.trajectory.place_um[-tenth:]
    last = [bonds(place_um[np.isfinite(place_um[:, 0])], 1.25 * flight.facts.plant.diameter_um) for place_um in end_um]
    return {
        "radius of gyration at the start / um": float(mean(size_um[:tenth])),
        "radius of gyration at the end / um": float(mean(size_um[-tenth:])),
        "neighbours at contact, at the end": float(np.mean([frame.neighbours.mean() for frame in last])),
    }


def draw_cluster(axes: Any, flights: Flights, options: Options) -> None:
    for flight in flights:
        trajectory = flight.trajectory
        label = "" if np.isnan(flight.value) else f"{flight.value:g}"
        axes.plot(trajectory.time_s, gyration_um(trajectory.place_um), label=label)
    axes.set(xlabel="time / s", ylabel="radius of gyration / µm", ylim=(0, None))


def crystal(flights: Flights, options: Options) -> dict[str, float]:
    """(d), the last half: mean bond length over R; for n = `order`, 4 and 6 mean |psi_n| of those with n neighbours.

    nan if no particle has n.
    """
    radius_um = options["radius_um"]
    half = flights[0].trajectory.after(float(np.mean(flights[0].trajectory.time_s)))
    frames_um = snapshots(half, 25)
    numbers = {}
    for order in (int(options["order"]), *sorted({4, 6} - {int(options["order"])})):
        found = [bonds(place_um, NEAR * radius_um, order) for place_um in pictured]
        numbers["bond length / R"] = float(mean(np.array([one.mean_length_um for one in found]))) / radius_um
        numbers[f"fraction with {order} neighbours"] = float(
            mean(np.array([(one.neighbours == order).mean() for one in found]))
        )
        order_of_frame = np.array([one.mean_order(order) for one in found])
        numbers[f"mean |psi{order}| with {order} neighbours"] = float(mean(order_of_frame))
    return numbers


def draw_crystal(axes: Any, flights: Flights, options: Options) -> None:
    trajectory = flights[0].trajectory
    for place_um in snapshots(trajectory.after(float(np.mean(trajectory.time_s))), 25):
        axes.plot(place_um[:, 0], place_um[:, 1], ".", color="C0", alpha=0.15)
    marks = (("x", "grey", "start"), ("o", "C1", "end"))
    for place_um, (mark, color, label) in zip(snapshots(trajectory, 2), marks, strict=False):
        axes.plot(place_um[:, 0], place_um[:, 1], mark, color=color, label=label)
    axes.set(xlabel="x / µm", ylabel="y / µm", aspect="equal")
