"""Diffusion, localisation error and drift of free particles, in the dark."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.assembly.calibration_file import CalibrationRecord
from app.calibration.job import CalibrationJob, dark
from app.calibration.seen import CalibrationRun
from config.refused import Refused
from control.calibrate.diffusion import by_covariance, by_msd
from control.calibrate.drift import drift_um_per_s
from control.calibrate.estimate import disagreement

Floats = NDArray[np.float64]

LEAST_FRAMES = 20  # enough lags for a fit of the MSD


def diffusion(job: CalibrationJob) -> CalibrationRecord:
    """Measure D by covariance, and by MSD with optimal lags. Sets the drag."""
    plan, run_data = job.fly("diffusion", dark(), job.lasting(60.0), armed=False)
    rig = plan.rig
    place_um = free(run_data)
    trace = place_um.reshape(len(place_um), -1)
    frame_s, exposure_s = 1.0 / run_data.fps, rig.camera.exposure_s
    covariance = by_covariance(trace, frame_s=frame_s, exposure_s=exposure_s)
    msd = by_msd(trace, frame_s=frame_s, exposure_s=exposure_s)
    d = covariance.diffusion_um2_per_s
    if not d.value > 0:
        raise Refused(f"calibrate diffusion: D is {d.value:.3g} um^2/s, and free particles have more than 0: these may "
                      "stick, or be a slide; nothing was kept")  # fmt: skip
    flag = disagreement({"covariance": d, "msd": msd.diffusion_um2_per_s})
    results = {
        "covariance_um2_per_s": d, "msd_um2_per_s": msd.diffusion_um2_per_s, "disagreement": flag,
        "error_um": covariance.error_um, "msd_error_um": msd.error_um, "particles": place_um.shape[1],
        "over_believed": d.value / rig.plant.diffusion_um2_per_s,
    }  # fmt: skip
    sets = {"plant.drag_pn_s_per_um": rig.plant.kt_pn_um / d.value}
    return job.keep("diffusion", d.error / d.value, "relative", sets, results)


def drift(job: CalibrationJob) -> CalibrationRecord:
    """Measure the common drift velocity of all particles, which shows whether stage and fluid rest. Sets nothing."""
    _, run_data = job.fly("drift", dark(), job.lasting(60.0), armed=False)
    place_um = free(run_data)
    x, y = drift_um_per_s(place_um, frame_s=1.0 / run_data.fps)
    results = {"x_um_per_s": x, "y_um_per_s": y, "particles": place_um.shape[1]}
    return job.keep("drift", math.hypot(x.error, y.error), "um/s", {}, results)


def free(run_data: CalibrationRun) -> Floats:
    """[T, N, 2] positions in um of particles with long tracks.

    Raises Refused for fewer than two particles, or fewer than LEAST_FRAMES frames.
    """
    if len(run_data.place_um) < LEAST_FRAMES:
        raise Refused(f"{len(run_data.place_um)} frames are too few to measure diffusion or drift; measure longer")
    chosen = run_data.long(0.2)
    if chosen.sum() < 2:
        raise Refused("less than two particles were seen long enough; look at the tracking")
    return np.asarray(run_data.place_um[:, chosen])
