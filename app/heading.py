"""How long a particle keeps its direction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis import POSITION, carried_between, seen_at

Floats = NDArray[np.float64]


def heading_memory(tracks: pd.DataFrame, tau_s: float, fps: float, longest_s: float) -> pd.Series[float]:
    """<cos(angle(t + s) - angle(t))> of the displacement over tau, by lag_s; carried stretches left out.

    For a runner it falls as exp(-D_phi s) once s is beyond tau (P18).
    """
    window = max(round(tau_s * fps), 1)
    lags = np.unique(np.linspace(0, max(round(longest_s * fps), 1), 40).astype(np.int64))
    total, count = np.zeros(len(lags)), np.zeros(len(lags))
    for _, own in tracks.groupby("particle", sort=True):
        frame, angle = _angle(own, window, fps)
        for row, lag in enumerate(lags):
            later = seen_at(frame, frame + lag)
            turned = (angle[later] - angle)[later >= 0]
            turned = turned[np.isfinite(turned)]
            total[row] += np.cos(turned).sum()
            count[row] += len(turned)
    mean = np.divide(total, count, out=np.full(len(lags), np.nan), where=count > 0)
    return pd.Series(mean, index=pd.Index(lags / fps, name="lag_s"), name="memory")


def persistence_s(memory: pd.Series[float], tau_s: float) -> float:
    """1 / D_phi from the decay between tau and where a third is left; nan where it is not seen."""
    late = memory[(memory.index.to_numpy() >= tau_s) & (memory.to_numpy() > 0.3 * memory.iloc[0])]
    if len(late) < 3:
        return float("nan")
    slope = np.polyfit(late.index.to_numpy(np.float64), np.log(late.to_numpy()), 1)[0]
    return float(-1.0 / slope) if slope < 0 else float("nan")


def _angle(own: pd.DataFrame, window: int, fps: float) -> tuple[NDArray[np.int64], Floats]:
    """(frames in which a particle was seen [T], direction of its displacement over `window` frames [T]).

    nan where it is not known.
    """
    own = own.sort_values("frame", kind="stable").drop_duplicates("frame", keep="last")
    frame, place = own["frame"].to_numpy(np.int64), own[POSITION].to_numpy(np.float64)
    free = carried_between(own, own["time_s"].to_numpy() - window / fps) == 0
    past = seen_at(frame, frame - window)
    moved = place - place[past]
    return frame, np.where(free & (past >= 0), np.arctan2(moved[:, 1], moved[:, 0]), np.nan)
