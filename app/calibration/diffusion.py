"""Diffusion, localisation error and drift of free particles, without light."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.assembly.calibration_file import CalibrationRecord
from app.calibration.job import CalibrationJob, dark
from app.calibration.run_arrays import RunArrays
from config.refused import Refused
from control.calibrate.diffusion import by_covariance, by_msd
from control.calibrate.drift import drift_um_per_s
from control.calibrate.estimate import disagreement

Floats = NDArray[np.float64]

LEAST_FRAMES = 20  # fewest with enough lags for a fit of the MSD


def diffusion(job: CalibrationJob) -> CalibrationRecord:
    """Diffusion by covariance and by MSD with optimal lags; sets the drag. Raises Refused, Fault, ValueError."""
    plan, run = job.fly("diffusion", dark(), job.lasting(60.0), armed=False)
    rig = plan.rig
    place_um = free(run)
    trace = place_um.reshape(len(place_um), -1)
    frame_s, exposure_s = 1.0 / run.fps, rig.camera.exposure_s
    covariance = by_covariance(trace, frame_s=frame_s, exposure_s=exposure_s)
    msd = by_msd(trace, frame_s=frame_s, exposure_s=exposure_s)
    d = covariance.diffusion_um2_per_s
    if not d.value > 0:
        raise Refused(f"calibrate diffusion: D is {d.value:.3g} um^2/s, and free particles have more than 0: these may "
                      "stick, or be a slide; nothing was kept")  # fmt: skip
    flag = disagreement({"covariance": d, "msd": msd.diffusion_um2_per_s})
    found = {
        "covariance_um2_per_s": d, "msd_um2_per_s": msd.diffusion_um2_per_s, "disagreement": flag,
        "error_um": covariance.error_um, "msd_error_um": msd.error_um, "particles": place_um.shape[1],
        "over_believed": d.value / rig.plant.diffusion_um2_per_s,
    }  # fmt: skip
    sets = {"plant.drag_pn_s_per_um": rig.plant.kt_pn_um / d.value}
    return job.keep("diffusion", d.error / d.value, "relative", sets, found)


def drift(job: CalibrationJob) -> CalibrationRecord:
    """Mean drift of the particles; sets nothing, but shows whether stage and fluid are at rest. Raises as above."""
    _, run = job.fly("drift", dark(), job.lasting(60.0), armed=False)
    place_um = free(run)
    x, y = drift_um_per_s(place_um, frame_s=1.0 / run.fps)
    found = {"x_um_per_s": x, "y_um_per_s": y, "particles": place_um.shape[1]}
    return job.keep("drift", math.hypot(x.error, y.error), "um/s", {}, found)


def free(run: RunArrays) -> Floats:
    """[T, N, 2] positions of the particles tracked long enough, um. Raises Refused for few frames or particles."""
    if len(run.place_um) < LEAST_FRAMES:
        raise Refused(
            f"{len(run.place_um)} frames are too few to measure diffusion or drift (allowed: {LEAST_FRAMES} or more); "
            "measure longer"
        )
    chosen = run.long(0.2)
    if chosen.sum() < 2:
        raise Refused(f"{chosen.sum()} particles were tracked long enough (allowed: two or more); check the tracking")
    return np.asarray(run.place_um[:, chosen])
