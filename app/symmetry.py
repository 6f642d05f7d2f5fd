"""The verb `symmetry`: which symmetries the motion in a run keeps, and by how much it breaks the others."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.answer import write_json
from app.tidy import tidy
from config.refused import Refused
from drivers.journal import read_run

if TYPE_CHECKING:
    from models.soft.motion import Verdict

FEWEST = 400  # displacements


def show_symmetry(path: Path, *, lag_s: float | None, json: Path | None, figure: Path | None) -> int:
    """Say it as text, and as JSON and as a figure where that is wanted. Raises Refused."""
    if lag_s is None:
        with read_run(path) as run:
            lag_s = 1.0 / run.header.fps
    found = symmetry(path, lag_s)
    print(f"{path}: symmetries of the mean motion over {lag_s:g} s")
    for one in found:
        print(f"  {one.group:28} {'kept' if one.kept else 'BROKEN':7} {one.sigmas:7.1f} sigma"
              f"   {one.broken_um_per_s:.4f} um/s ({one.relative:.0%} of the mean motion)")  # fmt: skip
    if json is not None:
        said = {"run": str(path), "lag_s": lag_s, "groups": [asdict(one) for one in found]}
        write_json(json, said)
    if figure is not None:
        draw(found, figure)
    return 0


def symmetry(path: Path, lag_s: float) -> list[Verdict]:
    """The verdicts on one run. Raises Refused where there is too little motion to judge by."""
    from models.soft.motion import displacements, verdicts  # nobody waits for torch who does not use it

    with read_run(path) as run:
        tables = tidy(run, run.batches())
    tracks, forces = tables["tracks"], tables["forces"]
    position_um = np.stack([tracks["x_um"], tracks["y_um"]], axis=1)
    asked = {key: row for row, key in enumerate(zip(forces["frame"], forces["particle"], strict=True))}
    pull = np.zeros((len(position_um), 2))
    rows = np.array([asked.get(key, -1) for key in zip(tracks["frame"], tracks["particle"], strict=True)], np.int64)
    known = rows >= 0
    pull[known] = np.stack([forces["fx_pn"], forces["fy_pn"]], axis=1)[rows[known]]
    usable = ~np.asarray(tracks["carried"], np.bool_)
    motion = displacements(tracks["time_s"], tracks["particle"], position_um, pull, usable, lag_s)
    if len(motion.position_um) < FEWEST:
        raise Refused(f"{path}: {len(motion.position_um)} displacements of {lag_s:g} s are too few to judge by "
                      f"(at least {FEWEST} are needed; a shorter --lag gives more)")  # fmt: skip
    return verdicts(motion)


def draw(found: list[Verdict], path: Path) -> None:
    """A bar for every group: how sure it is that it is broken."""
    from matplotlib.figure import Figure

    from models.soft.motion import SURE

    figure = Figure(figsize=(7, 0.5 * len(found) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    axes.barh([one.group for one in found], [max(one.sigmas, 0.0) for one in found],
              color=["tab:green" if one.kept else "tab:red" for one in found])  # fmt: skip
    axes.axvline(SURE, color="black", linestyle=":")
    axes.set_xlabel("evidence that it is broken, standard errors")
    axes.invert_yaxis()
    figure.savefig(path)
