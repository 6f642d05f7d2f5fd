"""Predicted velocity of particles in a flow: mean drift, newest move of the nearest particle, or channel profile.

Like trackpy's DriftPredict, NearestVelocityPredict and ChannelPredict. Here the mean drift is also a running mean over
frames, and it replaces the other two where they have no data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracking.settings import Tracking

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEWEST_SHARE = 0.25  # least weight of the newest frame in the running mean
FEWEST = 3  # moves needed for a median


@dataclass(frozen=True, slots=True)
class Flow:
    """The measured flow in px per frame."""

    drift_px: tuple[float, float]
    position_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [K, 2] x, y of the measurements
    velocity_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [K, 2]


def velocity_of(flow: Flow, position_px: Floats, s: Tracking) -> Floats:
    """[M, 2] velocity in px per frame at positions [M, 2], by the model `s.predict`."""
    velocity_px = np.tile(np.asarray(flow.drift_px, np.float64), (len(position_px), 1))
    if len(flow.position_px) == 0 or len(position_px) == 0:
        return velocity_px
    if s.predict == "nearest_velocity":
        nearest: Floats = flow.velocity_px[cKDTree(flow.position_px).query(position_px)[1]]
        return nearest
    if s.predict == "channel":
        along = 0 if s.channel_axis == "x" else 1
        profile = _profile(flow, position_px[:, 1 - along], along, s)
        if profile is not None:
            velocity_px[:, along], velocity_px[:, 1 - along] = profile, 0.0
    return velocity_px


def _profile(flow: Flow, across_px: Floats, along: int, s: Tracking) -> Floats | None:
    """[M] mean velocity along the channel in the nearest bin of `channel_fewest` or more particles; else None."""
    bin_number = np.floor(flow.position_px[:, 1 - along] / s.channel_bin_px).astype(np.int64)
    bins, bin_index, count = np.unique(bin_number, return_inverse=True, return_counts=True)
    enough = count >= s.channel_fewest
    if not enough.any():
        return None
    mean = (np.bincount(bin_index, flow.velocity_px[:, along]) / count)[enough]
    middle_px = (bins[enough] + 0.5) * s.channel_bin_px
    nearest: Ints = np.abs(across_px[:, None] - middle_px).argmin(axis=1)
    profile: Floats = mean[nearest]
    return profile


def velocities_px(previous_px: Floats, now_px: Floats, frames: Ints) -> Floats:
    """[K, 2] moves in px per frame, over `frames` [K] frames."""
    velocity_px: Floats = (now_px - previous_px) / frames[:, None]
    return velocity_px


def mean_after(drift_px: tuple[float, float], moves: int, moves_px: Floats) -> tuple[tuple[float, float], int]:
    """(running mean of the frames' median moves x, y; number of frames in it). Brownian moves have a median of 0."""
    if len(moves_px) < FEWEST:
        return drift_px, moves
    x, y = np.median(moves_px, axis=0).tolist()
    share = max(1.0 / (moves + 1), NEWEST_SHARE)
    return (drift_px[0] + share * (x - drift_px[0]), drift_px[1] + share * (y - drift_px[1])), moves + 1
