"""um per px, from a slide with a square grid of known pitch."""

from __future__ import annotations

import numpy as np

from app.assembly.calibration_file import CalibrationRecord
from app.calibration.job import CalibrationJob, dark
from control.calibrate.lattice import fit_grid

SLIDE = {"number": 81, "arrangement": "square", "disturbance_um": 0.0, "drag_pn_s_per_um": 1e9, "wca_kt": 0.0}


def um_per_px(job: CalibrationJob) -> CalibrationRecord:
    """Measure the scale, without laser light. A simulated rig gets a slide; at a real rig the operator inserts it."""
    sample = {**SLIDE, "spacing_um": job.pitch_um}
    rig = {f"sample.{key}": value for key, value in sample.items()} if job.rig().camera.images == "simulated" else {}
    _, run_data = job.fly("um per px", dark(), 0.5, armed=False, rig=rig)
    point_px = np.nanmean(run_data.place_px[:, run_data.long(0.8)], axis=0)
    grid = fit_grid(point_px)
    scale = job.pitch_um / grid.pitch_px.value
    error = scale * grid.pitch_px.error / grid.pitch_px.value
    results = {
        "um_per_px": {"value": scale, "error": error}, "anisotropy": grid.anisotropy, "skew_rad": grid.skew_rad,
        "marks": len(point_px), "left_px": grid.left_px, "pitch_um": job.pitch_um,
    }  # fmt: skip
    return job.keep("um per px", grid.left_px * scale, "um", {"optics.um_per_px": scale}, results, point_px=point_px)
