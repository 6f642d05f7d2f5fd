"""How fast everybody moves together: the stage, the optics or the fluid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]


def drift_um_per_s(trace_um: Floats, *, frame_s: float) -> tuple[Estimate, Estimate]:
    """(x, y) velocity that the particles of traces [T, N, 2] have in common.

    The mean over all steps, which is the best estimate for free particles; its standard error from the scatter
    between particles (that of one particle alone from its own steps).
    """
    step = np.diff(trace_um, axis=0)  # [T - 1, N, 2]
    known = np.isfinite(step)
    total, count = np.where(known, step, 0.0).sum(axis=0), known.sum(axis=0)  # [N, 2]
    found = []
    for axis in (0, 1):
        mean = total[:, axis].sum() / (count[:, axis].sum() * frame_s)
        scatter_um2 = np.nanvar(step[..., axis])
        found.append(Estimate(float(mean), float(np.sqrt(scatter_um2 / count[:, axis].sum()) / frame_s)))
    return found[0], found[1]
