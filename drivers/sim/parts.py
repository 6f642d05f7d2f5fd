"""Arguments of the motion kernels: beads, medium, light, exposure times and neighbour pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Beads(NamedTuple):
    drag_pn_s_per_um: Floats  # [N]
    spread: Floats  # [N] sqrt(2 kT / drag), um/sqrt(s)
    response: Floats  # [N] relative depth of the light
    diameter_um: Floats  # [N]
    cell: Ints  # [N] rising; particles of different cells never interact
    who: Ints  # [N] index within its cell


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
    depth_pn_um: Floats  # [M] while lit
    duty: Floats  # [M] share of the cycle during which it is lit
    dwell_ns: Ints  # [M]
    settle_ns: int  # dark time of a jump
    cycle_ns: int
    due_ns: int  # start of the first visit
    jumped: bool  # whether a single spot was reached by a jump
    resolved: bool  # whether visits are simulated one by one
    spring: Ints  # [N] the only spot that acts on a particle, or -1; empty: all spots act on all
    step_ns: int


class Timing(NamedTuple):
    period_ns: int
    offset_ns: Ints  # [S] middles of the sub-exposures, from the start of the exposure


class NeighbourPairs(NamedTuple):
    pair: NDArray[np.int32]  # [P, 2]
    listed: Ints  # [1] number of valid rows of `pair`; -1: not yet listed
    where_um: Floats  # [N, 2] positions at the time of listing
