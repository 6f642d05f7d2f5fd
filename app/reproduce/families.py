"""How the runs of a family are measured and drawn. The list page is FAMILIES, at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from app.analysis import bonds
from app.reproduce.rows.many import NEAR, pictures
from app.reproduce.rows.row import Floats, Known
from app.reproduce.seen import Seen
from app.reproduce.statistics import mean, msd, slope
from control.theory import active, delayed

Options = Mapping[str, float]


class Flight(Protocol):
    """One run: the value that was swept, what is known of it, and what was seen."""

    @property
    def value(self) -> float: ...

    @property
    def known(self) -> Known: ...

    @property
    def seen(self) -> Seen: ...


Flights = Sequence[Flight]


@dataclass(frozen=True)
class Way:
    """Numbers by name, and one picture."""

    measure: Callable[[Flights, Options], dict[str, float]]
    draw: Callable[[Any, Flights, Options], None]


def at_two_delays(flight: Flight) -> tuple[float, float]:
    """MSD per axis at t = 2 tau: (measured, predicted)."""
    known = flight.known
    lag = known.frames(2.0 * known.delay_s())
    time_s = np.array([lag * known.frame_s])
    predicted = delayed.msd_um2(known.diffusion_um2_per_s, known.trap_hz, known.delay_s(), time_s) + known.blur_um2
    return float(mean(msd(flight.seen.free_um, np.array([lag])))), float(predicted[0])


def plateau(flights: Flights, options: Options) -> dict[str, float]:
    """(a): height of the plateau over that of the closed form, for each delay."""
    found = {}
    for flight in flights:
        measured, predicted = at_two_delays(flight)
        found[f"MSD(2 tau) at tau = {flight.value:g} s / um2"] = measured
        found[f"over the closed form, tau = {flight.value:g} s"] = measured / predicted
    return found


def draw_plateau(axes: Any, flights: Flights, options: Options) -> None:
    for index, flight in enumerate(flights):
        known, seen = flight.known, flight.seen
        lags = np.unique(np.geomspace(1, min(known.frames(6 * known.delay_s()), len(seen.time_s) // 3), 60).astype(int))
        time_s = np.asarray(lags * known.frame_s, np.float64)
        curve = delayed.msd_um2(known.diffusion_um2_per_s, known.trap_hz, known.delay_s(), time_s) + known.blur_um2
        axes.loglog(time_s, mean(msd(seen.free_um, lags), axis=1), "o", ms=3, color=f"C{index}")
        axes.loglog(time_s, curve, color=f"C{index}", label=f"τ = {flight.value:g} s")
    time_s = np.geomspace(0.01, 1.0, 10)
    axes.loglog(time_s, 2.0 * flights[0].known.diffusion_um2_per_s * time_s, "k--", lw=0.8, label="free")
    axes.set(xlabel="lag / s", ylabel="MSD per axis / µm²")
    axes.legend()


def far(flight: Flight, options: Options) -> float:
    """Late D over the free one."""
    known = flight.known
    near, far_lag = known.frames(options["near_s"]), known.frames(options["far_s"])
    return float(mean(slope(flight.seen.free_um, near, far_lag, known.frame_s))) / known.diffusion_um2_per_s


def crossover(flights: Flights, options: Options) -> dict[str, float]:
    """(b): D_L / D over the ring's radius, and the radius where it is 1."""
    ratio = np.array([far(flight, options) for flight in flights])
    radius_um = np.array([flight.value for flight in flights])
    known = flights[0].known
    rise = int(np.argmax(ratio > 1.0))
    above = np.interp(0.0, np.log(ratio[rise - 1 : rise + 1]), radius_um[rise - 1 : rise + 1]) if rise else np.nan
    predicted_um = active.crossover_radius_um(known.diffusion_um2_per_s, known.shape_hz(), known.delay_s())
    return {
        **{f"D_L / D at R = {r:g} um": float(d) for r, d in zip(radius_um, ratio, strict=True)},
        "R_c / um": float(above),
        "R_c over the prediction": float(above) / predicted_um,
    }


def draw_crossover(axes: Any, flights: Flights, options: Options) -> None:
    known = flights[0].known
    radius_um = np.array([flight.value for flight in flights])
    axes.semilogy(radius_um, [far(flight, options) for flight in flights], "o", label="measured")
    fine_um = np.linspace(radius_um.min(), radius_um.max(), 100)
    diffusion, rate_hz, delay_s = known.diffusion_um2_per_s, known.shape_hz(), known.delay_s()
    speed = [active.ring_speed_um_per_s(rate_hz, r, delay_s) for r in fine_um]
    curve = [active.long_diffusion_um2_per_s(diffusion, rate_hz, v, delay_s) / diffusion for v in speed]
    axes.semilogy(fine_um, curve, label="P19")
    axes.axvline(active.crossover_radius_um(diffusion, rate_hz, delay_s), ls=":", label="R_c, P19")
    axes.axhline(1.0, color="k", lw=0.5)
    axes.set(xlabel="ring radius R / µm", ylabel="D_L / D")
    axes.legend()


def gyration_um(place_um: Floats) -> Floats:
    """[T] radius of gyration of places [T, P, 2] of those who were seen."""
    away_um = place_um - mean(place_um, axis=1)[:, None]
    return np.asarray(np.sqrt(mean((away_um**2).sum(axis=2), axis=1)))


def cluster(flights: Flights, options: Options) -> dict[str, float]:
    """(c): how far the particles draw together."""
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
    """(d): mean bond length over R, and mean |psi| of those who have `order` neighbours, over the last half."""
    order, radius_um = int(options["order"]), options["radius_um"]
    half = flights[0].seen.after(float(np.mean(flights[0].seen.time_s)))
    found = [bonds(place_um, NEAR * radius_um, order) for place_um in pictures(half, 25)]
    return {
        "bond length / R": float(mean(np.array([one.mean_length_um for one in found]))) / radius_um,
        f"mean |psi{order}|": float(mean(np.array([one.mean_order(order) for one in found]))),
        f"share with {order} neighbours": float(np.mean([(one.neighbours == order).mean() for one in found])),
    }


def draw_crystal(axes: Any, flights: Flights, options: Options) -> None:
    seen = flights[0].seen
    for place_um in pictures(seen.after(float(np.mean(seen.time_s))), 25):
        axes.plot(place_um[:, 0], place_um[:, 1], ".", color="C0", alpha=0.15)
    first, last = pictures(seen, 2)[0], pictures(seen, 2)[-1]
    axes.plot(first[:, 0], first[:, 1], "x", color="grey", label="start")
    axes.plot(last[:, 0], last[:, 1], "o", color="C1", label="end")
    axes.set(xlabel="x / µm", ylabel="y / µm", aspect="equal")
    axes.legend()


FAMILIES: dict[str, Way] = {
    "plateau": Way(plateau, draw_plateau),
    "crossover": Way(crossover, draw_crossover),
    "cluster": Way(cluster, draw_cluster),
    "crystal": Way(crystal, draw_crystal),
}
