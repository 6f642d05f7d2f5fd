"""How long a particle keeps its direction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis import POSITION, carried_between

Floats = NDArray[np.float64]


def heading_memory(tracks: pd.DataFrame, tau_s: float, fps: float, longest_s: float) -> pd.Series[float]:
    """<cos(angle(t + s) - angle(t))> of the displacement over tau, by lag_s; carried stretches left out.

    For a runner it falls as exp(-D_phi s) once s is beyond tau (P18).
    """
    window = max(round(tau_s * fps), 1)
    lags = np.unique(np.linspace(0, max(round(longest_s * fps), 1), 40).astype(np.int64))
    total, count = np.zeros(len(lags)), np.zeros(len(lags))
    for _, own in tracks.groupby("particle", sort=True):
        angle = _angle(own.sort_values("frame"), window, fps)
        for row, lag in enumerate(lags):
            if lag < len(angle):
                turned = angle[lag:] - angle[: len(angle) - lag]
                known = np.isfinite(turned)
                total[row] += np.cos(turned[known]).sum()
                count[row] += known.sum()
    mean = np.divide(total, count, out=np.full(len(lags), np.nan), where=count > 0)
    return pd.Series(mean, index=pd.Index(lags / fps, name="lag_s"), name="memory")


def persistence_s(memory: pd.Series[float], tau_s: float) -> float:
    """1 / D_phi from the decay between tau and where a third is left; nan where it is not seen."""
    late = memory[(memory.index.to_numpy() >= tau_s) & (memory.to_numpy() > 0.3 * memory.iloc[0])]
    if len(late) < 3:
        return float("nan")
    slope = np.polyfit(late.index.to_numpy(np.float64), np.log(late.to_numpy()), 1)[0]
    return float(-1.0 / slope) if slope < 0 else float("nan")


def _angle(own: pd.DataFrame, window: int, fps: float) -> Floats:
    """[T] direction of the displacement over `window` frames, on every frame; nan where it is not known."""
    frame = own["frame"].to_numpy() - own["frame"].iloc[0]
    place = np.full((int(frame[-1]) + 1, 2), np.nan)
    place[frame] = own[POSITION].to_numpy(np.float64)
    free = np.zeros(len(place), np.bool_)
    free[frame] = carried_between(own, own["time_s"].to_numpy() - window / fps) == 0
    angle = np.full(len(place), np.nan)
    if len(place) > window:
        moved = place[window:] - place[:-window]
        angle[window:] = np.where(free[window:], np.arctan2(moved[:, 1], moved[:, 0]), np.nan)
    return angle
