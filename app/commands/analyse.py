"""The verb `analyse`: measured observables of a run beside their predictions, as one HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.analysis.findings import (
    RunTables,
    alone,
    findings,
    heat_of,
    of_heat,
    order_by_frame,
    plain,
    ring_um,
    row,
)
from app.analysis.orientation import heading_memory
from app.analysis.predicted_motion import longest_delay_s, predicted_msd_um2, predicted_speed_um_per_s
from app.analysis.run_tables import longest_tables_of
from app.analysis.trajectories import each, msd, pair_correlation, speeds
from app.assembly.calibration_file import made_in
from app.assembly.plan import plan_of
from app.assembly.recording import guess_words
from app.assembly.rig import Plan
from app.console.html_page import Page
from app.console.json_file import write_json
from app.console.output_files import require_files
from app.console.terminal import say
from config.refused import Refused
from control.theory.many import random_bond_order
from drivers.journal import read_run

OTHER_RATE = 0.01  # largest relative deviation of the frame rate from the requested one that is not reported


def analyse_run(path: Path, out: Path | None, *, json: Path | None) -> int:
    """Write the page and print the findings. Raises Refused for a run without particles."""
    target = out or path.with_suffix(".html")
    kind = "HTML" if out is not None else "a report that Cybloids has made"  # a default path
    require_files({"the input 'run'": path}, {"the report": (target, kind)}, json)
    run, description, calibration = tables(path)
    results = findings(run)
    page = Page(f"{run.plan.experiment.title}: {path.name}")
    page.text(description)
    page.text(calibration)
    page.heading("Measured and predicted")
    page.table(("observable", "predicted", "measured", "unit", "from"), [row(finding) for finding in results])
    page.heading("Figures")
    draw_all(page, run)
    page.heading("Settings")
    from config.reader import write

    page.folded("experiment", write(run.plan.experiment))
    page.folded("rig", write(run.plan.rig))
    try:
        page.save(target, kind)
    finally:  # the findings are printed, even if the report can't be written
        for finding in results:
            name, predicted, measured, unit, _ = row(finding)
            say(f"{name:<32} {measured:>22} {unit:<6} predicted {predicted}")
    if guess := guess_in(run.plan):
        say(f"note: {guess}")
    if run.changes:
        say(f"the rate of the frames changed: {run.changes}")
    if run.since:
        say(f"measured {run.since}, as long as one law was in force")
    say(f"report: {target}")
    if json is not None:
        write_json(json, {"run": str(path), "guess": guess, "findings": [plain(finding) for finding in results]})
    return 0


def tables(path: Path) -> tuple[RunTables, str, str]:
    """(tables of a run, its description, its calibration in words). Raises Refused."""
    with read_run(path) as run:
        run.require_turns()
        header = run.header
        plan = plan_of(header, f"{path}: ")
        run_tables, turns = longest_tables_of(run, plan), len(run)
    if run_tables is None:
        raise Refused(f"{path}: no particle was seen in this run, so that there is nothing to analyse")
    particles = run_tables.conditions.particles
    span_s = float(np.ptp(run_tables.turns["now_s"]))
    part = (
        f"{run_tables.since}, as long as one law was in force: {len(run_tables.turns)} turns of {turns}. "
        if run_tables.since
        else ""
    )
    pace = run_tables.changes or rate(1.0 / run_tables.conditions.hold_s, header.fps)
    description = (
        f"{part}{header.kind.value}, {len(run_tables.turns)} turns in {span_s:.1f} s at {pace}, "
        f"{particles} particles, started {header.started}, code {header.git_hash[:12]}. {plan.experiment.about}"
    )
    if guess := guess_in(plan):
        description = f"{guess}. {description}"
    return run_tables, description, calibration_in_words(header.calibration, str(path))


def guess_in(plan: Plan) -> str:
    """A sentence about frame rate and scale of a recording where they are guesses; empty if none is."""
    return guess_words(plan.unknown, plan.rig.camera.fps, plan.rig.optics.um_per_px)


def rate(fps: float, requested_hz: float) -> str:
    """The frame rate in words, with the requested rate if that differs.

    >>> rate(99.998, 100.0), rate(20.0, 30.0)
    ('100 frames/s', '20 frames/s (asked for: 30)')
    """
    text = f"{fps:.4g} frames/s"
    return text if abs(fps - requested_hz) <= OTHER_RATE * requested_hz else f"{text} (asked for: {requested_hz:g})"


def calibration_in_words(calibration: Mapping[str, Any], source: str) -> str:
    """One sentence on the calibration of the rig. Raises Refused if it can't be read."""
    records = made_in(calibration, source)
    if not records:
        return f"Calibration: {calibration.get('origin', 'not known')}; the rig's numbers are estimates."
    text = ", ".join(
        f"{record.what} ({record.date[:10]}"
        + (f", residual {record.residual:.3g} {record.unit})" if record.residual is not None else ")")
        for record in records
    )
    return f"Calibration: {text}; map {calibration.get('map', 'not known')}; file {calibration.get('origin')}."


def draw_all(page: Page, run: RunTables) -> None:
    """Draw all figures that apply to this run."""
    tau_s = longest_delay_s(run.plan.experiment)
    span_s = float(np.ptp(run.tracks["time_s"]))
    page.figure(lambda axes: draw_tracks(axes, run), "Where the particles were.")
    longest_s = min(max(10.0 * tau_s, 2.0), span_s / 4.0)
    if longest_s * run.fps >= 2:
        page.figure(lambda axes: draw_msd(axes, run, longest_s), "Mean square displacement in the plane.")
    page.figure(lambda axes: draw_latency(axes, run), "From mid-exposure to effect: the achieved delay and its jitter.")
    if alone(run) is not None:
        page.figure(lambda axes: draw_memory(axes, run, tau_s), "How long a direction is kept.")
    page.figure(lambda axes: draw_speed(axes, run, tau_s), f"Speed over {tau_s:g} s, mean over the particles.")
    if run.acted:
        page.figure(lambda axes: draw_heat(axes, run), "Heat that a particle has given to the bath.")
    if run.tracks["particle"].nunique() >= 5:
        page.figure(lambda axes: draw_order(axes, run), "Bond order, with what random directions would show (dashed).")
        page.figure(lambda axes: draw_pairs(axes, run), "Pair correlation.")


def draw_tracks(axes: Any, run: RunTables) -> None:
    from matplotlib.collections import LineCollection

    paths = [track.position_um for track in each(run.tracks)]
    axes.add_collection(LineCollection(paths, colors=[f"C{index % 10}" for index in range(len(paths))], linewidths=0.6))
    axes.autoscale_view()
    axes.set(xlabel="x (µm)", ylabel="y (µm)", aspect="equal")
    axes.invert_yaxis()


def draw_msd(axes: Any, run: RunTables, longest_s: float) -> None:
    msd_um2 = msd(run.tracks, run.fps, longest_s).dropna()
    lag_s = msd_um2.index.to_numpy(np.float64)
    axes.loglog(lag_s, msd_um2.to_numpy(), "o", ms=3, label="measured")
    if not run.plan.unknown:
        axes.loglog(lag_s, 4.0 * run.plan.rig.plant.diffusion_um2_per_s * lag_s, "--", color="grey", label="free, 4Dt")
    predicted = predicted_msd_um2(run.plan.experiment, run.conditions, lag_s) if run.acted else None
    if predicted is not None:
        axes.loglog(lag_s, predicted, "-", label="predicted (P7, P10, P18)")
    axes.set(xlabel="lag (s)", ylabel="MSD (µm²)")
    axes.legend()


def draw_latency(axes: Any, run: RunTables) -> None:
    latency_ms = 1e3 * (run.turns["sent_effect_s"] - run.turns["frame_time_s"]).dropna()
    if len(latency_ms):
        median_ms = float(latency_ms.median())
        axes.hist(
            latency_ms,
            bins=np.linspace(
                median_ms - max(latency_ms.std() * 4, 0.5), median_ms + max(latency_ms.std() * 4, 0.5), 60
            ),
        )
    axes.set(xlabel="mid-exposure to effect (ms)", ylabel="turns")


def draw_speed(axes: Any, run: RunTables, tau_s: float) -> None:
    speed_table = speeds(run.tracks, tau_s, settle_s=tau_s)
    mean = speed_table.groupby("frame").agg({"time_s": "first", "speed_um_per_s": "mean"})
    axes.plot(mean["time_s"], mean["speed_um_per_s"], ".", ms=2, label="measured")
    predicted = predicted_speed_um_per_s(run.plan.experiment, run.conditions) if run.acted else math.nan
    if math.isfinite(predicted):
        axes.axhline(predicted, color="#d55e00", label="predicted (P17, P20)")
    axes.set(xlabel="time (s)", ylabel=f"|r(t) − r(t − {tau_s:g} s)| / {tau_s:g} s  (µm/s)", ylim=(0, None))
    axes.legend()


def draw_heat(axes: Any, run: RunTables) -> None:
    heat = heat_of(run)
    if heat is not None and len(heat):
        mean = heat.groupby("time_s")["heat_kt"].mean()
        axes.plot(mean.index, mean.cumsum(), label="measured")
        predicted = next((finding.predicted for finding in of_heat(run)), math.nan)
        if math.isfinite(predicted):
            time_s = mean.index.to_numpy(np.float64)
            axes.plot(time_s, predicted * (time_s - time_s[0]), "--", label="predicted (P12)")
        axes.legend()
    axes.set(xlabel="time (s)", ylabel="heat (kT)")


def draw_memory(axes: Any, run: RunTables, tau_s: float) -> None:
    memory = heading_memory(run.tracks, tau_s, run.fps, max(10.0 * tau_s, 2.0))
    axes.plot(memory.index, memory.to_numpy())
    axes.axhline(0.0, color="grey", lw=0.5)
    axes.set(xlabel="lag (s)", ylabel="⟨cos Δφ⟩")


def draw_order(axes: Any, run: RunTables) -> None:
    sampled = run.tracks[run.tracks["frame"] % max(round(run.fps / 5.0), 1) == 0]
    radius_um = ring_um(run.plan.experiment, run.conditions)
    for order, colour in ((6, "#0072b2"), (4, "#d55e00")):
        order_table = order_by_frame(sampled, order, radius_um)
        axes.plot(order_table["time_s"], order_table["order"], color=colour, label=f"|ψ{order}|")
        axes.axhline(random_bond_order(order), color=colour, ls="--", lw=0.8, label=f"random, {order} bonds")
    axes.set(xlabel="time (s)", ylim=(0, 1.02))
    axes.legend()


def draw_pairs(axes: Any, run: RunTables) -> None:
    low, high = run.tracks[["x_um", "y_um"]].min().to_numpy(), run.tracks[["x_um", "y_um"]].max().to_numpy()
    distance_um = ring_um(run.plan.experiment, run.conditions) or 2.0 * run.plan.rig.plant.diameter_um
    largest_um = min(5.0 * distance_um, 0.95 * float((high - low).min()))
    sampled = run.tracks[run.tracks["frame"] % max(round(run.fps / 5.0), 1) == 0]
    correlation = pair_correlation(sampled, (low[0], low[1]), (high[0], high[1]), largest_um)
    axes.plot(correlation.index, correlation.to_numpy())
    axes.axhline(1.0, color="grey", lw=0.5)
    axes.set(xlabel="r (µm)", ylabel="g(r)")
