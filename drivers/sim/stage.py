"""Properties of the devices of a simulated rig that its world depends on, and the visits of its beam."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FOREVER_NS = 2**62


@dataclass(frozen=True)
class Stage:
    """Properties of the devices that the motion depends on."""

    middle_um: tuple[float, float] = (0.0, 0.0)  # centre of the camera's field
    extent_um: tuple[float, float] = (25.6, 25.6)
    waist_um: float = 0.6
    period_s: float = 0.01  # of the frames
    exposure_s: float = 0.005
    sub_exposures: int = 4
    warm_up_s: float = 0.0
    laser_noise: float = 0.0  # relative rms, new in each tick
    jitter_um: float = 0.0  # rms pointing noise of the beam, new in each tick
    frames_kept: int = 4


@dataclass(frozen=True)
class Visits:
    """Spots that the beam visits in turn from `due_ns` on, each with `settle_ns` dark, then `dwell_ns` lit."""

    spot_um: Floats  # [M, 2] true positions
    depth_kt: Floats  # [M] for the particle of the sample, while lit
    dwell_ns: Ints  # [M]
    settle_ns: int = 0
    due_ns: int = 0
    until_ns: int = FOREVER_NS  # the light ends then, without a new command
    particle: Ints | None = None  # [M] ideal springs: the only particle of each spot; None: Gaussian spots
    together: bool = False  # all spots are lit at all times, as with one beam each
    power_mw: Floats | None = None  # [M] while lit, at the sample, for light leaking to the camera; None: none


def no_light(due_ns: int = 0) -> Visits:
    """Darkness from `due_ns` on."""
    return Visits(np.empty((0, 2)), np.empty(0), np.empty(0, np.int64), due_ns=due_ns)


def lit_until_ns(visits: Visits, time_ns: Ints) -> Floats:
    """[T, M] time for which each spot was lit from the start of the visits to these times [T]."""
    since_ns = (time_ns - visits.due_ns)[:, None]
    if len(visits.dwell_ns) == 1 or visits.together:
        return np.repeat(since_ns, len(visits.dwell_ns), axis=1).astype(np.float64)
    step_ns = visits.dwell_ns + visits.settle_ns
    begin_ns = np.cumsum(step_ns) - visits.dwell_ns  # [M] in the cycle
    cycles, phase_ns = np.divmod(since_ns, step_ns.sum())
    lit_ns = cycles * visits.dwell_ns + np.clip(phase_ns - begin_ns, 0, visits.dwell_ns)
    return np.asarray(lit_ns, np.float64)
