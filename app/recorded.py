"""A recorded run, or a stretch of it, as the tables that its findings are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.analysis import sure
from app.findings import RunTables, means_of
from app.rig_file import Plan
from drivers.journal import Kind, Run
from drivers.journal.tidy import tidy


def tables_of(run: Run, made: Plan, start: int = 0, stop: int | None = None) -> RunTables | None:
    """The turns from `start` to `stop`; None where nobody was seen. Raises Refused where the file is damaged."""
    found = {name: pd.DataFrame(columns) for name, columns in tidy(run, run.batches(start, stop)).items()}
    tracks, sent = found["tracks"], found["commands"]["command"] == "sent"
    tracks = tracks[np.isfinite(tracks["time_s"])].reset_index(drop=True)  # without a frame there is no time
    if not len(tracks):
        return None
    acted = run.header.kind != Kind.REPLAY and bool(np.any(sent))
    return RunTables(
        made, means_of(made, int(tracks["particle"].nunique())), run.header.fps, sure(tracks), found["commands"],
        found["forces"], found["rings"], found["turns"], acted,
    )  # fmt: skip
