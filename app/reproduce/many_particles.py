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
    away_um = place_um - mean(place_um, axis=1)[:, None]
    return np.asarray(np.sqrt(mean((away_um**2).sum(axis=2), axis=1)))


def cluster(flights: Flights, options: Options) -> dict[str, float]:
    """(c): contraction of the cluster: radius of gyration at start and end, and neighbours at contact."""
    flight = flights[0]
    size_um = gyration_um(flight.seen.place_um)
    tenth = max(len(size_um) // 10, 1)
    whole = flight.seen.place_um[-tenth:]
    last = [bonds(own[np.isfinite(own[:, 0])], 1.25 * flight.known.plant.diameter_um) for own in whole]
    return {
        "radius of gyration at the start / um": float(mean(size_um[:tenth])),
        "radius of gyration at the end / um": float(mean(size_um[-tenth:])),
        "neighbours at contact, at the end": float(np.mean([found.neighbours.mean() for found in last])),
    }


def draw_cluster(axes: Any, flights: Flights, options: Options) -> None:
    for flight in flights:
        seen = flight.seen
        axes.plot(seen.time_s, gyration_um(seen.place_um), label="" if np.isnan(flight.value) else f"{flight.value:g}")
    axes.set(xlabel="time / s", ylabel="radius of gyration / µm", ylim=(0, None))


def crystal(flights: Flights, options: Options) -> dict[str, float]:
    """(d), second half of the run: mean bond length over R; for n = `order`, 4 and 6, the fraction of particles with n
    neighbours and their mean |psi_n| (nan if there are none).
    """
    radius_um = options["radius_um"]
    half = flights[0].seen.after(float(np.mean(flights[0].seen.time_s)))
    pictured = pictures(half, 25)
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
    seen = flights[0].seen
    for place_um in pictures(seen.after(float(np.mean(seen.time_s))), 25):
        axes.plot(place_um[:, 0], place_um[:, 1], ".", color="C0", alpha=0.15)
    marks = (("x", "grey", "start"), ("o", "C1", "end"))
    for place_um, (mark, color, label) in zip(pictures(seen, 2), marks, strict=False):
        axes.plot(place_um[:, 0], place_um[:, 1], mark, color=color, label=label)
    axes.set(xlabel="x / µm", ylabel="y / µm", aspect="equal")
