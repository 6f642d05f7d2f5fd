"""What the motion kernels are handed: the beads, what they swim in, the light, and when to look."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Beads(NamedTuple):
    drag_pn_s_per_um: Floats  # [N]
    spread: Floats  # [N] sqrt(2 kT / drag), um/sqrt(s)
    response: Floats  # [N] how deep the light is for it
    diameter_um: Floats  # [N]
    cell: Ints  # [N] rising; particles of different cells never interact
    who: Ints  # [N] who it is in its cell


class Medium(NamedTuple):
    seed: int
    replica: int
    wca_pn_um: float
    waist_um: float
    drift_um_per_s: Floats  # [2]
    force_pn: Floats  # [2]
    gradient_pn_per_um: Floats  # [2]
    middle_um: Floats  # [2]
    walls: bool
    low_um: Floats  # [2]
    high_um: Floats  # [2]
    warm_up_ns: float
    laser_noise: float
    jitter_um: float


class SpotLight(NamedTuple):
    spot_um: Floats  # [M, 2]
    depth_pn_um: Floats  # [M] while the beam is on it
    duty: Floats  # [M] part of the cycle that the beam is on it
    dwell_ns: Ints  # [M]
    settle_ns: int  # dark time of a jump
    cycle_ns: int
    due_ns: int  # when the first visit begins
    jumped: bool  # whether a lone spot was reached by a jump
    resolved: bool  # whether visits are simulated one by one
    spring: Ints  # [N] the spot that holds each particle and nobody else, or -1; empty: every spot acts on everyone
    step_ns: int


class Timing(NamedTuple):
    period_ns: int
    offset_ns: Ints  # [S] the sub-exposures' middles, from the beginning of the exposure


class NeighbourPairs(NamedTuple):
    pair: NDArray[np.int32]  # [P, 2]
    listed: Ints  # [1] how many rows of `pair` hold, or -1: none were listed yet
    where_um: Floats  # [N, 2] positions when they were listed
