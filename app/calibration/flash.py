"""Latency of the laser's own light where some of it reaches the camera, switched on and off in a pattern."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.rig import Rig
from app.calibration.job import CalibrationJob
from control.calibrate.flash import SEEN, Flashed, Pattern, by_flash, find, weights
from control.policies.calibrating import Flash
from drivers.journal import Run, read_run

Floats = NDArray[np.float64]

BLOCK_PX = 8  # side of the squares over which the image is averaged
ROUND_BLOCKS = 2  # squares within this distance of the most significant one are evaluated pixel by pixel
LONGEST_S = 20.0  # longest recording; its images need much space


def flash(job: CalibrationJob) -> Flashed:
    """Switch a spot on and off away from all particles, at probe power. Raises Refused, Fault; ValueError as below.

    The exposure lasts the whole frame, so that no moment of the light falls between two exposures.
    """
    rig = job.rig()
    power_mw = min(rig.power_mw, rig.loop.probe_power_mw)
    motion = Flash(depth_kt=power_mw * rig.optics.depth_kt_per_mw, seed=job.seed)
    most = {"camera.exposure_s": 1.0 / rig.camera.fps, "loop.power_cap_mw": power_mw}
    plan, path = job.record("flash", motion, min(job.lasting(8.0), LONGEST_S), rig=most, frames=True)
    return latencies_in(path, plan.rig)


def latencies_in(path: Path, rig: Rig) -> Flashed:
    """Latencies of the flash in a run's images. Raises ValueError if none is recorded or if it saturates the camera."""
    with read_run(path) as run:
        turns = run.rows("turns")
        lit = np.diff(turns["sent_end"].astype(np.int64), prepend=0) > 0  # [turns] whether a spot was sent
        pattern = Pattern.of(turns["now_s"].astype(np.float64), lit)
        image_row = turns["image"][turns["image"] >= 0]
        middle_s = turns["frame_time_s"][turns["image"] >= 0].astype(np.float64)
        blocks = np.array([in_blocks(run.image(int(row))) for row in image_row])  # [T, by, bx]
        across = blocks.shape[2]
        exposure_s = rig.camera.exposure_s
        best, late_s, significance = find(middle_s, blocks.reshape(len(image_row), -1), pattern, exposure_s=exposure_s)
        if not significance > SEEN:
            raise ValueError(
                f"the laser's light does not reach this camera (best match with the pattern: {significance:.2g} "
                f"standard deviations of chance, and more than {SEEN:g} are needed)"
            )
        window = cut(run, image_row, best // across, best % across)
    share = np.diff(pattern.share(middle_s, exposure_s, late_s, late_s))
    full = 2 ** getattr(rig.camera, "bits", 8 * window.dtype.itemsize) - 1
    bright = np.where(window.max(axis=0) < full, weights(share, window), 0.0)
    if not bright.any():
        raise ValueError(f"the laser's light saturates the camera (grey level {full})")
    return by_flash(middle_s, window @ bright, pattern, exposure_s=exposure_s)


def in_blocks(image: NDArray[np.generic]) -> Floats:
    """[H // BLOCK_PX, W // BLOCK_PX] means of whole squares; the rest at right and bottom is left out."""
    down, across = (size // BLOCK_PX for size in image.shape)
    whole = np.asarray(image[: down * BLOCK_PX, : across * BLOCK_PX], np.float32)
    return np.asarray(whole.reshape(down, BLOCK_PX, across, BLOCK_PX).mean(axis=(1, 3)), np.float64)


def cut(run: Run, image_row: NDArray[np.integer], down: int, across: int) -> NDArray[Any]:
    """[T, P] pixels of the squares within ROUND_BLOCKS of one, in the images of these rows."""
    first, last = (np.array([down, across]) + ends for ends in (-ROUND_BLOCKS, ROUND_BLOCKS + 1))
    (top, left), (bottom, right) = np.maximum(first, 0) * BLOCK_PX, last * BLOCK_PX
    return np.array([run.image(int(row))[top:bottom, left:right].ravel() for row in image_row])
