"""One particle with a force about its own past (families a and b)."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.analysis.live_observables import lags
from app.reproduce.measure_protocol import Flights, MeasuredRun, Options
from app.reproduce.statistics import mean, msd, slope
from control.theory import active, delayed


def at_two_delays(flight: MeasuredRun) -> tuple[float, float]:
    """MSD per axis at t = 2 tau: (measured, predicted)."""
    facts = flight.known
    lag = facts.frames(2.0 * facts.delay_s())
    time_s = np.array([lag * facts.frame_s])
    predicted = delayed.msd_um2(facts.diffusion_um2_per_s, facts.trap_hz, facts.delay_s(), time_s) + facts.blur_um2
    return float(mean(msd(flight.seen.free_um, np.array([lag])))), float(predicted[0])


def plateau(flights: Flights, options: Options) -> dict[str, float]:
    """(a): height of the plateau, and its ratio to the closed form, for each delay."""
    numbers = {}
    for flight in flights:
        measured, predicted = at_two_delays(flight)
        numbers[f"MSD(2 tau) at tau = {flight.value:g} s / um2"] = measured
        numbers[f"MSD(2 tau) / closed form, tau = {flight.value:g} s"] = measured / predicted
    return numbers


def draw_plateau(axes: Any, flights: Flights, options: Options) -> None:
    for index, flight in enumerate(flights):
        facts, trajectory = flight.known, flight.seen
        lag = lags(min(facts.frames(6 * facts.delay_s()), len(trajectory.time_s) // 3), number=60)
        time_s = np.asarray(lag * facts.frame_s, np.float64)
        curve = delayed.msd_um2(facts.diffusion_um2_per_s, facts.trap_hz, facts.delay_s(), time_s) + facts.blur_um2
        axes.loglog(time_s, mean(msd(trajectory.free_um, lag), axis=1), "o", ms=3, color=f"C{index}")
        axes.loglog(time_s, curve, color=f"C{index}", label=f"τ = {flight.value:g} s")
    time_s = np.geomspace(0.01, 1.0, 10)
    axes.loglog(time_s, 2.0 * flights[0].known.diffusion_um2_per_s * time_s, "k--", lw=0.8, label="free")
    axes.set(xlabel="lag / s", ylabel="MSD per axis / µm²")
    axes.legend()


def far(flight: MeasuredRun, options: Options) -> float:
    """Late D over the D of a free particle."""
    facts = flight.known
    near, far_lag = facts.frames(options["near_s"]), facts.frames(options["far_s"])
    return float(mean(slope(flight.seen.free_um, near, far_lag, facts.frame_s))) / facts.diffusion_um2_per_s


def crossover(flights: Flights, options: Options) -> dict[str, float]:
    """(b): D_L / D against the ring's radius, and the radius where it is 1."""
    ratio = np.array([far(flight, options) for flight in flights])
    radius_um = np.array([flight.value for flight in flights])
    facts = flights[0].known
    rise = int(np.argmax(ratio > 1.0))
    above = np.interp(0.0, np.log(ratio[rise - 1 : rise + 1]), radius_um[rise - 1 : rise + 1]) if rise else np.nan
    predicted_um = active.crossover_radius_um(facts.diffusion_um2_per_s, facts.shape_hz(), facts.delay_s())
    return {
        **{f"D_L / D at R = {r:g} um": float(d) for r, d in zip(radius_um, ratio, strict=True)},
        "R_c / um": float(above),
        "R_c / prediction": float(above) / predicted_um,
    }


def draw_crossover(axes: Any, flights: Flights, options: Options) -> None:
    facts = flights[0].known
    radius_um = np.array([flight.value for flight in flights])
    axes.semilogy(radius_um, [far(flight, options) for flight in flights], "o", label="measured")
    fine_um = np.linspace(radius_um.min(), radius_um.max(), 100)
    diffusion, rate_hz, delay_s = facts.diffusion_um2_per_s, facts.shape_hz(), facts.delay_s()
    speed = [active.ring_speed_um_per_s(rate_hz, r, delay_s) for r in fine_um]
    curve = [active.long_diffusion_um2_per_s(diffusion, rate_hz, v, delay_s) / diffusion for v in speed]
    axes.semilogy(fine_um, curve, label="P19")
    axes.axvline(active.crossover_radius_um(diffusion, rate_hz, delay_s), ls=":", label="R_c, P19")
    axes.axhline(1.0, color="k", lw=0.5)
    axes.set(xlabel="ring radius R / µm", ylabel="D_L / D")
    axes.legend()
