"""Drift common to all particles: of the stage, the optics or the fluid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]


def drift_um_per_s(trace_um: Floats, *, frame_s: float) -> tuple[Estimate, Estimate]:
    """(x, y) mean velocity of the particles in traces [T, N, 2].

    It is the mean over all steps, the best estimate for free particles. The standard error is from the variance of
    the steps along each axis.
    """
    step = np.diff(trace_um, axis=0)  # [T - 1, N, 2]
    finite = np.isfinite(step)
    total, count = np.where(finite, step, 0.0).sum(axis=0), finite.sum(axis=0)  # [N, 2]
    velocity = []
    for axis in (0, 1):
        mean = total[:, axis].sum() / (count[:, axis].sum() * frame_s)
        scatter_um2 = np.nanvar(step[..., axis])
        velocity.append(Estimate(float(mean), float(np.sqrt(scatter_um2 / count[:, axis].sum()) / frame_s)))
    return velocity[0], velocity[1]
