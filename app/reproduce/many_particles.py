"""Many particles that attract each other (families c and d)."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.analysis.trajectories import bonds
from app.reproduce.measure_protocol import Flights, Options
from app.reproduce.rows.many import NEAR, pictures
from app.reproduce.rows.row import Floats
from app.reproduce.statistics import mean


def gyration_um(place_um: Floats) -> Floats:
    """[T] radius of gyration of positions [T, P, 2], without unseen particles."""
    offset_um = place_um - mean(place_um, axis=1)[:, None]
    return np.asarray(np.sqrt(mean((offset_um**2).sum(axis=2), axis=1)))


def cluster(flights: Flights, options: Options) -> dict[str, float]:
    """(c): contraction of the cluster: radius of gyration at start and end, and neighbours at contact."""
    flight = flights[0]
    size_um = gyration_um(flight.seen.place_um)
    tenth = max(len(size_um) // 10, 1)
    last_frames_um = flight.seen.place_um[-tenth:]
    bonds_at_end = [
        bonds(positions_um[np.isfinite(positions_um[:, 0])], 1.25 * flight.known.plant.diameter_um)
        for positions_um in last_frames_um
    ]
    return {
        "radius of gyration at the start / um": float(mean(size_um[:tenth])),
        "radius of gyration at the end / um": float(mean(size_um[-tenth:])),
        "neighbours at contact, at the end": float(
            np.mean([frame_bonds.neighbours.mean() for frame_bonds in bonds_at_end])
        ),
    }


def draw_cluster(axes: Any, flights: Flights, options: Options) -> None:
    for flight in flights:
        trajectory = flight.seen
        axes.plot(
            trajectory.time_s,
            gyration_um(trajectory.place_um),
            label="" if np.isnan(flight.value) else f"{flight.value:g}",
        )
    axes.set(xlabel="time / s", ylabel="radius of gyration / µm", ylim=(0, None))


def crystal(flights: Flights, options: Options) -> dict[str, float]:
    """(d), second half of the run: mean bond length over R; for n = `order`, 4 and 6, the fraction of particles with n
    neighbours and their mean |psi_n| (nan if there are none).
    """
    radius_um = options["radius_um"]
    second_half = flights[0].seen.after(float(np.mean(flights[0].seen.time_s)))
    frames_um = pictures(second_half, 25)
    numbers = {}
    for order in (int(options["order"]), *sorted({4, 6} - {int(options["order"])})):
        frame_bonds = [bonds(place_um, NEAR * radius_um, order) for place_um in frames_um]
        numbers["bond length / R"] = float(mean(np.array([item.mean_length_um for item in frame_bonds]))) / radius_um
        numbers[f"fraction with {order} neighbours"] = float(
            mean(np.array([(item.neighbours == order).mean() for item in frame_bonds]))
        )
        order_of_frame = np.array([item.mean_order(order) for item in frame_bonds])
        numbers[f"mean |psi{order}| with {order} neighbours"] = float(mean(order_of_frame))
    return numbers


def draw_crystal(axes: Any, flights: Flights, options: Options) -> None:
    trajectory = flights[0].seen
    for place_um in pictures(trajectory.after(float(np.mean(trajectory.time_s))), 25):
        axes.plot(place_um[:, 0], place_um[:, 1], ".", color="C0", alpha=0.15)
    marks = (("x", "grey", "start"), ("o", "C1", "end"))
    for place_um, (mark, color, label) in zip(pictures(trajectory, 2), marks, strict=False):
        axes.plot(place_um[:, 0], place_um[:, 1], mark, color=color, label=label)
    axes.set(xlabel="x / µm", ylabel="y / µm", aspect="equal")
