"""The verb `symmetry`: which symmetries a motion keeps, and by how much it breaks the others.

The motion comes from a run or a table of tracks: an exported run, or the output of another tracking program.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.analysis.frame_times import counting_hz
from app.analysis.track_files import TABLES, read_tracks
from app.analysis.trajectories import not_counted
from app.console.json_file import write_json
from app.console.terminal import say
from config.atomic import fresh_file
from config.files import kind_of
from config.refused import Refused
from drivers.journal import read_run
from drivers.journal.tidy import Columns, tidy

if TYPE_CHECKING:
    from models.soft.motion import GroupVerdict, Motion

FEWEST = 400  # least number of displacements


def show_symmetry(path: Path, *, lag_s: float | None, json: Path | None, figure: Path | None) -> int:
    """Print the results; also write JSON and a figure if requested. Raises Refused."""
    from models.soft.motion import held_out, verdicts  # here, since torch takes seconds to import

    motion, lag_s = motion_of(path, lag_s)
    try:
        group_verdicts = verdicts(motion)
    except ValueError as error:
        raise Refused(f"{path}: {error}") from None
    blocks = {item.of: len(item.blocks) for item in held_out(motion)}
    say(text(group_verdicts, path, lag_s, len(motion.position_um), blocks))
    if json is not None:
        answer = {"run": str(path), "lag_s": lag_s, "displacements": len(motion.position_um), "held_out": blocks,
                "groups": [asdict(item) for item in group_verdicts]}  # fmt: skip
        write_json(json, answer)
    if figure is not None:
        draw(group_verdicts, figure)
    return 0


def text(group_verdicts: list[GroupVerdict], path: Path, lag_s: float, count: int, held_out: dict[str, int]) -> str:
    """One line per group. `least`: a breaking of this size is detected in nine of ten cases; -: none can be."""
    blocks = " and ".join(f"{number} blocks of {group}" for group, number in held_out.items())
    lines = [f"{path}: symmetries of the mean motion over {lag_s:g} s, from {count} displacements",
             f"  evidence is what holds for {blocks} that were held out",
             f"  {'group':28}{'':8}{'evidence':>11}{'breaking':>10}{'least':>8} um/s   equivariance error"
             "   penalty"]  # fmt: skip
    for result in group_verdicts:
        state = "untold" if math.isnan(result.least_um_per_s) else "kept" if result.kept else "BROKEN"
        least, error = ("-" if math.isnan(value) else f"{value:.{digits}f}"
                        for value, digits in ((result.least_um_per_s, 4), (result.equivariance_error, 3)))  # fmt: skip
        lines.append(f"  {result.group:28}{state:8}{result.sigmas:5.1f} sigma{result.broken_um_per_s:10.4f}{least:>8}"
                     f"        {error:>18}   {result.penalty:.1e}")  # fmt: skip
    if any(math.isnan(result.equivariance_error) for result in group_verdicts):
        lines.append(
            "  there is no mean motion beyond chance, so that the equivariance error would be chance over chance"
        )
    return "\n".join(lines)


def motion_of(path: Path, lag_s: float | None) -> tuple[Motion, float]:
    """(displacements, lag) of a run, of a table of tracks (.csv, .parquet) or of a folder with one.

    A table has the columns time_s, particle, x_um, y_um. Optional columns are `carried` (rows not to be used) and
    fx_pn, fy_pn, the wanted forces; these may also be in a table `forces` beside a table `tracks`, as `export` writes
    them. The default lag is one frame. Raises Refused, also if there is too little motion for a result.
    """
    from models.soft.motion import displacements

    if lag_s is not None and not (lag_s > 0 and math.isfinite(lag_s)):
        raise Refused(f"--lag {lag_s:g}: the duration of a displacement must be a positive number of seconds")
    if kind_of(path) == "a folder" or path.suffix.lower() in TABLES:
        tracks, forces = read_tracks(path)
    else:
        with read_run(path) as run:
            if lag_s is None and run.header.fps <= 0:
                raise Refused(f"{path}: the run does not state its frame rate; give --lag")
            requested_hz = run.header.fps
            run.require_turns()
            tables = tidy(run, run.batches())
        tracks, forces = tables["tracks"], tables["forces"]
        tracks["carried"] = not_counted(tracks["carried"], tracks["state"])
        lag_s = lag_s or 1.0 / counting_hz(tracks["frame"], tracks["time_s"], requested_hz)
    _, particle = np.unique(tracks["particle"], return_inverse=True)
    lag_s = lag_s or _usual_step_s(tracks["time_s"], particle)
    position_um = np.stack([tracks["x_um"], tracks["y_um"]], axis=1)
    usable = ~np.asarray(tracks["carried"], np.bool_)
    pull_pn = _pulls(tracks, forces)
    motion = displacements(tracks["time_s"], particle, position_um, pull_pn, usable, lag_s)
    refuse_unfit(motion, path, lag_s)
    return motion, lag_s


def _usual_step_s(time_s: NDArray[np.float64], particle: NDArray[np.int64]) -> float:
    """Median time between two detections of a particle."""
    order = np.lexsort((time_s, particle))
    steps = np.diff(time_s[order])[np.diff(particle[order]) == 0]
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0


def refuse_unfit(motion: Motion, path: Path, lag_s: float) -> None:
    """Raises Refused if the displacements are too few, or all zero."""
    if len(motion.position_um) < FEWEST:
        raise Refused(f"{path}: {len(motion.position_um)} displacements of {lag_s:g} s are too few to judge by "
                      f"(at least {FEWEST} are needed; --lag can be one or a few frame intervals)")  # fmt: skip
    if not motion.velocity_um_per_s.any():
        raise Refused(f"{path}: no particle moves, so the symmetries are not known")


def _pulls(tracks: Columns, forces: Columns | None) -> NDArray[np.float64]:
    """[N, 2] wanted force (pN) on each tracked particle in its frame; 0 if there was none."""
    if forces is None:
        return np.stack([tracks["fx_pn"], tracks["fy_pn"]], axis=1)
    row_of = {key: row for row, key in enumerate(zip(forces["frame"], forces["particle"], strict=True))}
    pull_pn = np.zeros((len(tracks["frame"]), 2))
    rows = np.array([row_of.get(key, -1) for key in zip(tracks["frame"], tracks["particle"], strict=True)], np.int64)
    has_force = rows >= 0
    pull_pn[has_force] = np.stack([forces["fx_pn"], forces["fy_pn"]], axis=1)[rows[has_force]]
    return pull_pn


def draw(group_verdicts: list[GroupVerdict], path: Path) -> None:
    """Bars for every group: evidence, breaking with the least one that is detected, held-out error, penalty."""
    from matplotlib.figure import Figure

    from models.soft.motion import SURE

    figure = Figure(figsize=(16, 0.5 * len(group_verdicts) + 1.2), layout="constrained")
    evidence, breaking, error, penalty = figure.subplots(1, 4, sharey=True)
    names, colour = (
        [verdict.group for verdict in group_verdicts],
        ["tab:green" if verdict.kept else "tab:red" for verdict in group_verdicts],
    )
    evidence.barh(names, [max(verdict.sigmas, 0.0) for verdict in group_verdicts], color=colour)
    evidence.axvline(SURE, color="black", linestyle=":")
    evidence.set_xlabel("evidence that it is broken, standard errors")
    breaking.barh(names, [verdict.broken_um_per_s for verdict in group_verdicts], color=colour)
    breaking.plot(
        [verdict.least_um_per_s for verdict in group_verdicts], names, "k|", markersize=18, label="least that is found"
    )
    breaking.set_xlabel("breaking (line: the least that is found), um/s")
    error.barh(names, [verdict.equivariance_error for verdict in group_verdicts], color=colour)
    error.set_xlabel("equivariance error on data held out")
    penalty.barh(names, [verdict.penalty for verdict in group_verdicts], color=colour)
    penalty.set_xlabel("penalty of a direction")
    for axes in (breaking, error, penalty):
        axes.set_xlim(left=0)
    evidence.invert_yaxis()
    try:
        with fresh_file(path, make_folder=False) as temporary_path:
            figure.savefig(temporary_path, format=path.suffix.removeprefix(".") or "png")
    except (OSError, ValueError) as fault:  # ValueError: a file format that matplotlib does not support
        raise Refused(f"{path}: the figure can't be written ({fault})") from None
