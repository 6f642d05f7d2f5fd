"""Where a flow takes particles: its mean, the move of the nearest particle, or its profile across a channel.

As trackpy's DriftPredict, NearestVelocityPredict and ChannelPredict; here the mean is one over frames, too, and where
nothing nearer is known it stands for the other two.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracking.settings import Tracking

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEWEST_SHARE = 0.25  # of the newest frame in the mean, at least: it is the mean of the first frames at first
FEWEST = 3  # particles whose moves make a mean


@dataclass(frozen=True, slots=True)
class Flow:
    """What is known of it, in px a frame."""

    drift_px: tuple[float, float]
    position_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [K, 2] where it was measured
    velocity_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [K, 2]


def velocity_of(flow: Flow, position_px: Floats, s: Tracking) -> Floats:
    """[M, 2] px a frame, of particles at [M, 2]."""
    there = np.tile(np.asarray(flow.drift_px, np.float64), (len(position_px), 1))
    if len(flow.position_px) == 0 or len(position_px) == 0:
        return there
    if s.predict == "nearest_velocity":
        nearest: Floats = flow.velocity_px[cKDTree(flow.position_px).query(position_px)[1]]
        return nearest
    if s.predict == "channel":
        along = 0 if s.channel_axis == "x" else 1
        profile = _profile(flow, position_px[:, 1 - along], along, s)
        if profile is not None:
            there[:, along], there[:, 1 - along] = profile, 0.0
    return there


def _profile(flow: Flow, across_px: Floats, along: int, s: Tracking) -> Floats | None:
    """[M] mean velocity along the channel in the nearest bin that has enough particles; None if no bin has."""
    which = np.floor(flow.position_px[:, 1 - along] / s.channel_bin_px).astype(np.int64)
    bins, own, count = np.unique(which, return_inverse=True, return_counts=True)
    enough = count >= s.channel_fewest
    if not enough.any():
        return None
    mean = (np.bincount(own, flow.velocity_px[:, along]) / count)[enough]
    middle_px = (bins[enough] + 0.5) * s.channel_bin_px
    nearest: Ints = np.abs(across_px[:, None] - middle_px).argmin(axis=1)
    found: Floats = mean[nearest]
    return found


def velocities_px(before_px: Floats, now_px: Floats, frames: Ints) -> Floats:
    """[K, 2] moves a frame."""
    made: Floats = (now_px - before_px) / frames[:, None]
    return made


def mean_after(drift_px: tuple[float, float], moves: int, moves_px: Floats) -> tuple[tuple[float, float], int]:
    """(the running mean of the frames' median moves after this frame, of how many frames); Brownian moves have none."""
    if len(moves_px) < FEWEST:
        return drift_px, moves
    x, y = np.median(moves_px, axis=0).tolist()
    share = max(1.0 / (moves + 1), NEWEST_SHARE)
    return (drift_px[0] + share * (x - drift_px[0]), drift_px[1] + share * (y - drift_px[1])), moves + 1
