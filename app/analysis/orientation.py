"""Persistence of the direction of motion."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis.trajectories import carried_between, each, seen_at

Floats = NDArray[np.float64]


def heading_memory(tracks: pd.DataFrame, tau_s: float, fps: float, longest_s: float) -> pd.Series[float]:
    """<cos(angle(t + s) - angle(t))> of the displacement over tau, by lag_s, without carried stretches.

    For a runner it decays as exp(-D_phi s) for s > tau (P18).
    """
    window = max(round(tau_s * fps), 1)
    lags = np.unique(np.linspace(0, max(round(longest_s * fps), 1), 40).astype(np.int64))
    total, count = np.zeros(len(lags)), np.zeros(len(lags))
    particle, frame, angle = _angles(tracks, window, fps)
    frames, rank = np.unique(frame, return_inverse=True)
    sighting = particle * len(frames) + rank  # [S] increasing: by particle, then by frame
    for row, lag in enumerate(lags if len(sighting) else ()):
        later_rank = seen_at(frames, frames + lag)[rank]
        later_row = seen_at(sighting, np.where(later_rank >= 0, particle * len(frames) + later_rank, -1))
        angle_change = (angle[later_row] - angle)[later_row >= 0]
        total[row], count[row] = np.cos(angle_change).sum(), len(angle_change)
    mean = np.divide(total, count, out=np.full(len(lags), np.nan), where=count > 0)
    return pd.Series(mean, index=pd.Index(lags / fps, name="lag_s"), name="memory")


def persistence_s(memory: pd.Series[float], tau_s: float) -> float:
    """1 / D_phi from the decay between tau and 0.3 of the initial value; nan if no decay is found."""
    decay = memory[(memory.index.to_numpy() >= tau_s) & (memory.to_numpy() > 0.3 * memory.iloc[0])]
    if len(decay) < 3:
        return float("nan")
    slope = np.polyfit(decay.index.to_numpy(np.float64), np.log(decay.to_numpy()), 1)[0]
    return float(-1.0 / slope) if slope < 0 else float("nan")


def _angles(tracks: pd.DataFrame, window: int, fps: float) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """(particle as 0, 1, ... [S], frame [S], direction [S]) of every known displacement over `window` frames."""
    particles, frames, angles = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    for number, track in enumerate(each(tracks)):
        past = seen_at(track.frame, track.frame - window)
        valid = (past >= 0) & (carried_between(track, track.time_s - window / fps) == 0)
        displacement_um = track.position_um[valid] - track.position_um[past[valid]]
        angle = np.arctan2(displacement_um[:, 1], displacement_um[:, 0])
        is_finite = np.isfinite(angle)
        particles.append(np.full(np.count_nonzero(is_finite), number))
        frames.append(track.frame[valid][is_finite])
        angles.append(angle[is_finite])
    return np.concatenate(particles), np.concatenate(frames), np.concatenate(angles)
