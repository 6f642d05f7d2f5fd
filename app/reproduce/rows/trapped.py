"""A particle in a trap that does not depend on its past (P4, P26, P28 to P30, P32)."""

from __future__ import annotations

import math

import numpy as np

from app.reproduce.rows.row import Axes, CheckRow, ExperimentFacts, Floats, Options
from app.reproduce.statistics import by_cell, mean
from app.reproduce.trajectory import Trajectory
from control.theory import trapped


def square_about_middle(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] <x^2> per axis about the centre of the field, or about the sites of a grid."""
    return by_cell(mean(from_sites(facts, options, trajectory) ** 2, axis=(0, 2)), trajectory.cell)


def from_sites(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[T, P, 2] from the centre of the field, or from the nearest site of a grid of `period_um` about `shift_um`."""
    offset_um = trajectory.free_um - facts.middle_um
    if "period_um" not in options:
        return np.asarray(offset_um)
    period_um, shift_um = options["period_um"], options["shift_um"]
    return np.asarray(offset_um - shift_um - period_um * np.round((offset_um - shift_um) / period_um))


def draw_density(
    axes: Axes, variance_um2: float, facts: ExperimentFacts, options: Options, trajectory: Trajectory
) -> None:
    """P(x) of both axes, with the Gaussian of a variance."""
    draw_gaussian(axes, from_sites(facts, options, trajectory), variance_um2)
    axes.set(xlabel="x / µm", ylabel="P(x) / µm⁻¹")


def draw_gaussian(axes: Axes, values_um: Floats, variance_um2: float) -> None:
    """A histogram of the values [...] without nan, and the Gaussian about 0 with the predicted variance."""
    axes.hist(values_um[np.isfinite(values_um)], bins=80, density=True, alpha=0.5, label="measured")
    x = np.linspace(-4, 4, 200) * math.sqrt(variance_um2)
    axes.plot(x, np.exp(-(x**2) / (2 * variance_um2)) / math.sqrt(2 * math.pi * variance_um2), label="predicted")
    axes.legend()


def equipartition(facts: ExperimentFacts, options: Options) -> float:
    return trapped.variance_um2(facts.kt_pn_um, facts.trap_pn_per_um)


def shared(facts: ExperimentFacts, options: Options) -> float:
    """P26: `sharers` particles share one beam with a cycle of `cycle_s`."""
    return trapped.shared_variance_um2(
        facts.diffusion_um2_per_s, facts.trap_hz * options["sharers"], share=1.0 / options["sharers"],
        cycle_s=options["cycle_s"],
    )  # fmt: skip


def shaken(facts: ExperimentFacts, axis_um: Floats, time_s: Floats) -> complex:
    """Amplitude and phase of positions [T, P] along x at the frequency of the shaken trap."""
    wave = np.exp(-1j * facts.shape().parameters["w"] * time_s)[:, None]
    return complex(np.nanmean((axis_um - facts.middle_um[0]) * wave))


def latency(facts: ExperimentFacts, options: Options) -> float:
    """P32: time from the middle of an exposure to the middle of the hold of the resulting command."""
    return facts.age_s


def seen_latency(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[1] latency from the phase lag of the particle behind its command, both at the frame times."""
    command, answer = (
        shaken(facts, place[..., 0], trajectory.time_s) for place in (trajectory.centre_um, trajectory.place_um)
    )
    frequency_hz = facts.shape().parameters["w"] / (2.0 * math.pi)
    return np.array([trapped.dither_latency_s(float(np.angle(answer / command)), frequency_hz, facts.trap_hz)])


def shared_square(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[stretches] <x^2>: stretches of time are the blocks, as the particles are at all phases of the beam's cycle."""
    parts = trajectory.stretches(int(options["blocks"]))
    return np.array([float(mean(square_about_middle(facts, options, part))) for part in parts])


def harvest(facts: ExperimentFacts, options: Options) -> float:
    return trapped.harvest_kt(facts.trap_hz, facts.frame_s)


def harvested(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] energy per axis and re-centring, kT: the trap energy just before the trap is moved onto the particle."""
    offset_um = trajectory.place_um[1:] - trajectory.centre_um[:-1]
    return by_cell(mean(0.5 * facts.trap_pn_per_um / facts.kt_pn_um * offset_um**2, axis=(0, 2)), trajectory.cell)


def draw_harvest(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    held_kt = 0.5 * facts.trap_pn_per_um / facts.kt_pn_um * (trajectory.place_um[1:] - trajectory.centre_um[:-1]) ** 2
    axes.plot(np.cumsum(mean(held_kt, axis=(1, 2))), label="measured")
    axes.plot(harvest(facts, options) * np.arange(len(held_kt)), "--", label="predicted")
    axes.set(xlabel="updates", ylabel="energy from the bath / kT per axis")
    axes.legend()


def ramp(facts: ExperimentFacts, time_s: Floats) -> Floats:
    """[T] the stiffness of the trap at these times, by its formula."""
    number = facts.shape().parameters
    fraction_done = np.clip((time_s - number["start"]) / number["length"], 0.0, 1.0)
    return np.asarray(number["soft"] + (number["stiff"] - number["soft"]) * fraction_done)


def jarzynski(facts: ExperimentFacts, options: Options) -> float:
    number = facts.shape().parameters
    return trapped.jarzynski_mean(number["soft"], number["stiff"])


def work_kt(facts: ExperimentFacts, trajectory: Trajectory) -> Floats:
    """[P, 2] work of the ramp per axis: the stiffness changes at each frame, with the particle at its seen position."""
    stiffness = ramp(facts, trajectory.time_s)
    step = np.diff(stiffness)[:, None, None]
    offset_um = trajectory.place_um[1:] - facts.middle_um
    return np.asarray((0.5 * step * offset_um**2).sum(axis=0) / facts.kt_pn_um)


def exponential_work(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[groups] mean of exp(-W / kT) per axis."""
    value = np.exp(-work_kt(facts, trajectory)).mean(axis=1)
    return np.array([float(part.mean()) for part in np.array_split(value, int(options["blocks"]))])


def draw_work(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    number = facts.shape().parameters
    work = work_kt(facts, trajectory).ravel()
    axes.hist(work, bins=80, density=True, alpha=0.5, label="work")
    axes.axvline(work.mean(), color="k", label="mean work")
    axes.axvline(trapped.free_energy_kt(number["soft"], number["stiff"]), color="r", ls="--", label="ΔF")
    axes.set(xlabel="W / kT per axis", ylabel="P(W)")
    axes.legend()


def drag_lag(facts: ExperimentFacts, options: Options) -> float:
    return trapped.drag_lag_um(facts.plant.drag_pn_s_per_um, facts.shape().parameters["u"], facts.trap_pn_per_um)


def lagged(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] lag of a particle behind its moving trap; at a frame the trap is between two of its steps."""
    trap_um = 0.5 * (trajectory.centre_um[1:, :, 0] + trajectory.centre_um[:-1, :, 0])
    return by_cell(mean(trap_um - trajectory.place_um[1:, :, 0], axis=0), trajectory.cell)


def draw_lag(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    shown_frames = slice(0, min(len(trajectory.time_s), 400))
    axes.plot(
        trajectory.time_s[shown_frames], trajectory.centre_um[shown_frames, 0, 0] - facts.middle_um[0], label="trap"
    )
    axes.plot(
        trajectory.time_s[shown_frames], trajectory.place_um[shown_frames, 0, 0] - facts.middle_um[0], label="particle"
    )
    axes.set(xlabel="time / s", ylabel="x / µm")
    axes.legend()


P4 = CheckRow(
    "µm²", equipartition, square_about_middle,
    lambda axes, facts, options, trajectory: draw_density(
        axes, equipartition(facts, options), facts, options, trajectory
    ),
)  # fmt: skip
P26 = CheckRow(
    "µm²", shared, shared_square,
    lambda axes, facts, options, trajectory: draw_density(axes, shared(facts, options), facts, options, trajectory),
)  # fmt: skip
P28 = CheckRow("kT", harvest, harvested, draw_harvest, centres=True)
P29 = CheckRow("", jarzynski, exponential_work, draw_work)
P32 = CheckRow("s", latency, seen_latency, draw_lag, centres=True)
P30 = CheckRow("µm", drag_lag, lagged, draw_lag, centres=True)
