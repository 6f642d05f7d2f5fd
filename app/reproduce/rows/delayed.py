"""A trap centred at the past position of the particle (P7 to P13)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from app.reproduce.rows.row import Axes, CheckRow, ExperimentFacts, Floats, Options
from app.reproduce.statistics import by_cell, mean, msd, slope
from app.reproduce.trajectory import Trajectory
from control.theory import delayed


def lag_in_frames(facts: ExperimentFacts, options: Options) -> int:
    """The option `lag`, which is given in delays, in frames."""
    return facts.frames(options["lag"] * facts.delay_s())


def delayed_hz(facts: ExperimentFacts) -> float:
    """kappa of a Gaussian spot at the past position; <x^2> about its centre is 2 D tau / (1 + z) (P7 at tau)."""
    spread_um2 = delayed.msd_um2(facts.diffusion_um2_per_s, facts.trap_hz, facts.delay_s(), np.array([facts.delay_s()]))
    return facts.softened_hz(float(spread_um2[0]))


def at_lag(facts: ExperimentFacts, options: Options) -> float:
    """P7: MSD per axis at a lag, with motion blur."""
    lag_s = np.array([lag_in_frames(facts, options) * facts.frame_s])
    sharp_um2 = delayed.msd_um2(facts.diffusion_um2_per_s, delayed_hz(facts), facts.delay_s(), lag_s)
    return float(sharp_um2[0]) + facts.blur_um2


def at_late_lag(facts: ExperimentFacts, options: Options) -> float:
    """P10: the late line 2 D_eff t + B at a lag, with motion blur."""
    lag_s = np.array([lag_in_frames(facts, options) * facts.frame_s])
    sharp_um2 = delayed.late_msd_um2(facts.diffusion_um2_per_s, facts.trap_hz, facts.delay_s(), lag_s)
    return float(sharp_um2[0]) + facts.blur_um2


def seen_at_lag(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    return by_cell(msd(trajectory.free_um, np.array([lag_in_frames(facts, options)]))[0], trajectory.cell)


def draw_msd(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    delay_s = facts.delay_s()
    longest = min(facts.frames(max(4.0, options.get("lag", 0.0)) * delay_s), len(trajectory.time_s) // 2)
    lags = np.unique(np.linspace(1, longest, 120).astype(np.int64))
    time_s = np.concatenate([[0.0], lags * facts.frame_s])
    axes.plot(time_s[1:], mean(msd(trajectory.free_um, lags), axis=1), "o", ms=3, label="measured")
    curve = delayed.msd_um2(facts.diffusion_um2_per_s, facts.trap_hz, delay_s, time_s)
    axes.plot(time_s, curve, "-", label="predicted")
    axes.axvline(delay_s, color="grey", lw=0.5)
    axes.set(xlabel="lag / s", ylabel="MSD per axis / µm²", ylim=(0, None))
    axes.legend()


def draw_late(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    draw_msd(axes, facts, options, trajectory)
    time_s = np.array([0.0, lag_in_frames(facts, options) * facts.frame_s])
    line = delayed.late_msd_um2(facts.diffusion_um2_per_s, facts.trap_hz, facts.delay_s(), time_s)
    axes.plot(time_s, line, "--", label="2 D_eff t + B")
    axes.legend()


def highest(facts: ExperimentFacts, options: Options) -> float:
    """P8: the maximum of the MSD, from which the particle returns."""
    peak = delayed.peak(facts.diffusion_um2_per_s, facts.trap_hz, facts.delay_s())
    assert peak is not None, "kappa tau is not above 1"
    return peak[1]


def seen_highest(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[groups] vertex of a parabola fitted to M about its maximum, where M is a parabola (P7)."""
    delay_s = facts.delay_s()
    lags = np.arange(facts.frames(0.3 * delay_s), facts.frames(0.9 * delay_s) + 1)
    heights = []
    for part in trajectory.groups(int(options["blocks"])):
        a, b, c = np.polyfit(lags, mean(msd(part.free_um, lags), axis=1), 2)
        heights.append(c - b**2 / (4.0 * a))
    return np.array(heights)


def late(facts: ExperimentFacts, options: Options) -> float:
    """P9 with hold and sighting times, times the slope of the exact MSD (P7) between the two lags over 2 D_eff.

    The second factor is 1 for late lags; for the chosen lags it differs from 1 by less than 1 %.
    """
    rate_hz, delay_s = delayed_hz(facts), facts.delay_s()
    held_um2_per_s = delayed.held_long_diffusion_um2_per_s(
        facts.diffusion_um2_per_s, rate_hz, delay_s, hold_s=facts.frame_s, after_s=facts.seen_after_s
    )
    lag_s = np.array([facts.frames(options[end] * delay_s) * facts.frame_s for end in ("near", "far")])
    early_um2, late_um2 = delayed.msd_um2(1.0, rate_hz, delay_s, lag_s)
    rise = float(late_um2 - early_um2) / (2.0 * float(lag_s[1] - lag_s[0]))
    return held_um2_per_s * rise / delayed.long_diffusion_um2_per_s(1.0, rate_hz, delay_s)


def seen_late(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] half the slope of M between two late lags, given in delays."""
    near, far = (facts.frames(options[end] * facts.delay_s()) for end in ("near", "far"))
    return by_cell(slope(trajectory.free_um, near, far, facts.frame_s), trajectory.cell)


def echo_period(facts: ExperimentFacts, options: Options) -> float:
    """P11: period of one wave fitted to the exact MSD. That of the first mode is shorter: other modes contribute."""
    time_s: Floats = np.asarray(echo_lags(facts, options) * facts.frame_s, np.float64)
    exact_um2 = delayed.msd_um2(facts.diffusion_um2_per_s, facts.trap_hz, facts.delay_s(), time_s)
    return _fit_wave(time_s, exact_um2, facts.delay_s())[2]


def seen_echo(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[groups] period of a decaying wave plus a line, fitted to M from one delay on."""
    parts = trajectory.groups(int(options["blocks"]))
    return np.array([_fit_echo(facts, options, part)[2] for part in parts])


def _wave(t: Floats, height: float, decay_s: float, period_s: float, phase: float, line: float, rise: float) -> Floats:
    return np.asarray(height * np.exp(-t / decay_s) * np.cos(2 * np.pi * t / period_s + phase) + line + rise * t)


def echo_lags(facts: ExperimentFacts, options: Options) -> NDArray[np.int64]:
    """[L] lags in frames, from one delay on."""
    delay_s = facts.delay_s()
    return np.arange(facts.frames(delay_s), facts.frames(options["far"] * delay_s))


def _fit_echo(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> tuple[float, ...]:
    lags = echo_lags(facts, options)
    time_s: Floats = np.asarray(lags * facts.frame_s, np.float64)
    return _fit_wave(time_s, mean(msd(trajectory.free_um, lags), axis=1), facts.delay_s())


def _fit_wave(time_s: Floats, spread: Floats, delay_s: float) -> tuple[float, ...]:
    level, swing = float(spread.mean()), float(np.ptp(spread)) / 2
    begin = (swing, 5 * delay_s, 1.2 * delay_s, np.pi, level, 0.0)
    fitted, _ = curve_fit(_wave, time_s, spread, begin, maxfev=20000)
    return tuple(float(value) for value in fitted)


def heat(facts: ExperimentFacts, options: Options) -> float:
    """P12, in kT/s per axis."""
    return delayed.heat_kt_per_s(facts.trap_hz, facts.delay_s())


def trap_work_kt(facts: ExperimentFacts, trajectory: Trajectory) -> Floats:
    """[T - 1, P, 2] work of moving the trap, kT per axis: in the steady state all of it becomes heat.

    The energy in the new trap minus that in the old one, at the position of the particle at that time.
    """
    new = (trajectory.place_um[1:] - trajectory.centre_um[1:]) ** 2
    old = (trajectory.place_um[1:] - trajectory.centre_um[:-1]) ** 2
    return np.asarray(0.5 * facts.trap_pn_per_um / facts.kt_pn_um * (new - old))


def seen_heat(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] heat, kT/s per axis."""
    return by_cell(mean(trap_work_kt(facts, trajectory), axis=(0, 2)) / facts.frame_s, trajectory.cell)


def draw_heat(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    time_s = trajectory.time_s[1:] - trajectory.time_s[0]
    axes.plot(time_s, np.cumsum(mean(trap_work_kt(facts, trajectory), axis=(1, 2))), label="measured")
    axes.plot(time_s, heat(facts, options) * time_s, "--", label="predicted")
    axes.set(xlabel="time / s", ylabel="heat / kT per axis")
    axes.legend()


def sampled(facts: ExperimentFacts, options: Options) -> float:
    """P13: the trap is moved once a frame to the position of the particle a whole number of frames before."""
    late_frames = round(facts.plan.rig.loop.latency_s / facts.frame_s)
    return delayed.sampled_diffusion_um2_per_s(
        facts.diffusion_um2_per_s, facts.trap_hz, frame_s=facts.frame_s, frames_late=late_frames,
        error_um=float(getattr(facts.plan.rig.camera, "error_um", 0.0)),
    )  # fmt: skip


def seen_sampled(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    return by_cell(slope(trajectory.free_um, int(options["near"]), int(options["far"]), facts.frame_s), trajectory.cell)


def draw_sampled(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    lags = np.arange(1, int(options["far"]) + 1)
    spread = mean(msd(trajectory.free_um, lags), axis=1)
    axes.plot(lags * facts.frame_s, spread, "o", ms=3, label="measured")
    line = 2.0 * sampled(facts, options) * (lags - options["far"]) * facts.frame_s + spread[-1]
    axes.plot(lags * facts.frame_s, line, label="predicted slope")
    axes.set(xlabel="lag / s", ylabel="MSD per axis / µm²")
    axes.legend()


P7 = CheckRow("µm²", at_lag, seen_at_lag, draw_msd)
P8 = CheckRow("µm²", highest, seen_highest, draw_msd)
P9 = CheckRow("µm²/s", late, seen_late, draw_msd)
P10 = CheckRow("µm²", at_late_lag, seen_at_lag, draw_late)
P11 = CheckRow("s", echo_period, seen_echo, draw_msd)
P12 = CheckRow("kT/s", heat, seen_heat, draw_heat, centres=True)
P13 = CheckRow("µm²/s", sampled, seen_sampled, draw_sampled)
