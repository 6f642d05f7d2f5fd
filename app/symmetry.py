"""The verb `symmetry`: which symmetries a motion keeps, and by how much it breaks the others.

The motion is a run's, or a table of tracks from anywhere: an exported run, or what another program tracked.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.answer import write_json
from app.tidy import Columns, tidy
from config.refused import Refused
from drivers.journal import read_run

if TYPE_CHECKING:
    from models.soft.motion import Motion, Verdict

FEWEST = 400  # displacements
TABLES = (".csv", ".parquet")
NEEDED = ("time_s", "particle", "x_um", "y_um")


def show_symmetry(path: Path, *, lag_s: float | None, json: Path | None, figure: Path | None) -> int:
    """Say it as text, and as JSON and as a figure where that is wanted. Raises Refused."""
    from models.soft.motion import verdicts  # nobody waits for torch who does not use it

    motion, lag_s = motion_of(path, lag_s)
    found = verdicts(motion)
    print(text(found, path, lag_s, len(motion.position_um)))
    if json is not None:
        said = {"run": str(path), "lag_s": lag_s, "displacements": len(motion.position_um),
                "groups": [asdict(one) for one in found]}  # fmt: skip
        write_json(json, said)
    if figure is not None:
        draw(found, figure)
    return 0


def text(found: list[Verdict], path: Path, lag_s: float, count: int) -> str:
    """A line a group. `least`: the smallest breaking that these data would have shown."""
    lines = [f"{path}: symmetries of the mean motion over {lag_s:g} s, from {count} displacements",
             f"  {'group':28}{'':8}{'evidence':>11}{'breaking':>10}{'least':>8} um/s   equivariance error"
             "   penalty"]  # fmt: skip
    for one in found:
        lines.append(f"  {one.group:28}{'kept' if one.kept else 'BROKEN':8}{one.sigmas:5.1f} sigma"
                     f"{one.broken_um_per_s:10.4f}{one.least_um_per_s:8.4f}        {one.equivariance_error:18.3f}"
                     f"   {one.penalty:.1e}")  # fmt: skip
    return "\n".join(lines)


def motion_of(path: Path, lag_s: float | None) -> tuple[Motion, float]:
    """The displacements of a run, of a table of tracks (.csv, .parquet) or of a folder with one, and their lag.

    A table has columns time_s, particle, x_um, y_um, and perhaps `carried` (rows not to be used) and fx_pn, fy_pn, the
    forces that were asked for; these may also be in a table `forces` beside a table `tracks`, as `export` writes them.
    Without a lag it is one frame. Raises Refused, also where there is too little motion to judge by.
    """
    from models.soft.motion import displacements

    if lag_s is not None and not (lag_s > 0 and math.isfinite(lag_s)):
        raise Refused(f"--lag {lag_s:g}: the duration of a displacement must be a positive number of seconds")
    if path.is_dir() or path.suffix.lower() in TABLES:
        tracks, forces = _tables(path)
    else:
        with read_run(path) as run:
            lag_s = lag_s or 1.0 / run.header.fps
            tables = tidy(run, run.batches())
        tracks, forces = tables["tracks"], tables["forces"]
    if lag_s is None:
        steps = np.diff(np.unique(tracks["time_s"]))
        lag_s = float(np.median(steps)) if len(steps) else 1.0
    position_um = np.stack([tracks["x_um"], tracks["y_um"]], axis=1)
    usable = ~np.asarray(tracks["carried"], np.bool_)
    pull_pn = _pulls(tracks, forces)
    motion = displacements(tracks["time_s"], tracks["particle"], position_um, pull_pn, usable, lag_s)
    if len(motion.position_um) < FEWEST:
        raise Refused(f"{path}: {len(motion.position_um)} displacements of {lag_s:g} s are too few to judge by "
                      f"(at least {FEWEST} are needed; a shorter --lag gives more)")  # fmt: skip
    return motion, lag_s


def _pulls(tracks: Columns, forces: Columns | None) -> NDArray[np.float64]:
    """[N, 2] pN on each tracked particle in its frame, 0 where nothing was asked for."""
    if forces is None:
        return np.stack([tracks["fx_pn"], tracks["fy_pn"]], axis=1)
    asked = {key: row for row, key in enumerate(zip(forces["frame"], forces["particle"], strict=True))}
    pull_pn = np.zeros((len(tracks["frame"]), 2))
    rows = np.array([asked.get(key, -1) for key in zip(tracks["frame"], tracks["particle"], strict=True)], np.int64)
    known = rows >= 0
    pull_pn[known] = np.stack([forces["fx_pn"], forces["fy_pn"]], axis=1)[rows[known]]
    return pull_pn


def _tables(path: Path) -> tuple[Columns, Columns | None]:
    """Tracks, and forces where they stand in a table of their own."""
    if path.is_dir():
        there = [path / f"tracks{suffix}" for suffix in TABLES if (path / f"tracks{suffix}").exists()]
        if not there:
            raise Refused(f"{path}: this folder has no table tracks.csv or tracks.parquet")
        path = there[0]
    tracks = _table(path, NEEDED)
    tracks.setdefault("carried", np.zeros(len(tracks["time_s"]), np.bool_))
    if "fx_pn" in tracks and "fy_pn" in tracks:
        return tracks, None
    beside = path.with_name(f"forces{path.suffix}")
    if path.stem == "tracks" and beside.exists() and "frame" in tracks:
        return tracks, _table(beside, ("frame", "particle", "fx_pn", "fy_pn"))
    return tracks | {name: np.zeros(len(tracks["time_s"])) for name in ("fx_pn", "fy_pn")}, None


def _table(path: Path, needed: tuple[str, ...]) -> Columns:
    import pandas as pd

    try:
        table: Any = pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except FileNotFoundError:
        raise Refused(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:  # pandas' and pyarrow's faults of reading are ValueErrors
        raise Refused(f"{path}: this table can't be read ({str(error).splitlines()[0]})") from None
    for name in needed:
        if name not in table:
            raise Refused(f"{path}: there is no column '{name}' (needed: {', '.join(needed)})")
        if not pd.api.types.is_numeric_dtype(table[name]) or not np.isfinite(table[name]).all():
            raise Refused(f"{path}: the column '{name}' holds something that is not a finite number")
    return {str(name): table[name].to_numpy() for name in table}


def draw(found: list[Verdict], path: Path) -> None:
    """Two bars for every group: how sure it is that it is broken, and the error under it on data held out."""
    from matplotlib.figure import Figure

    from models.soft.motion import SURE

    figure = Figure(figsize=(10, 0.5 * len(found) + 1.2), layout="constrained")
    sure, error = figure.subplots(1, 2, sharey=True)
    names, colour = [one.group for one in found], ["tab:green" if one.kept else "tab:red" for one in found]
    sure.barh(names, [max(one.sigmas, 0.0) for one in found], color=colour)
    sure.axvline(SURE, color="black", linestyle=":")
    sure.set_xlabel("evidence that it is broken, standard errors")
    error.barh(names, [one.equivariance_error for one in found], color=colour)
    error.set_xlabel("equivariance error on data held out")
    error.set_xlim(left=0)
    sure.invert_yaxis()
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:  # ValueError: a kind of picture that matplotlib does not know
        raise Refused(f"{path}: the figure can't be written ({error})") from None
