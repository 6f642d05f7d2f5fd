"""Latency by a flash: the laser is switched on and off in a pattern, if some of its light reaches the camera."""

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

BLOCK_PX = 8  # the image is searched in squares of this size
ROUND_BLOCKS = 2  # blocks on each side of the best one that are evaluated
MOST_S = 20.0  # long enough; a recording with images is large


def flash(job: CalibrationJob) -> Flashed:
    """Switch the light on and off at a place without particles, at probe power. Raises ValueError if it is not seen.

    The exposure is as long as a frame, so that the onset of the light can't fall between two exposures.
    """
    rig = job.rig()
    power_mw = min(rig.power_mw, rig.loop.probe_power_mw)
    motion = Flash(depth_kt=power_mw * rig.optics.depth_kt_per_mw, seed=job.seed)
    rig_values = {"camera.exposure_s": 1.0 / rig.camera.fps, "loop.power_cap_mw": power_mw}
    plan, path = job.record("flash", motion, min(job.lasting(8.0), MOST_S), rig=rig_values, frames=True)
    return seen_in(path, plan.rig)


def seen_in(path: Path, rig: Rig) -> Flashed:
    """The flash found in the images of a run. Raises ValueError, with a sentence, if there is none."""
    with read_run(path) as run:
        turns = run.rows("turns")
        lit = np.diff(turns["sent_end"].astype(np.int64), prepend=0) > 0  # spots that were sent in a turn
        pattern = Pattern.of(turns["now_s"].astype(np.float64), lit)
        row = turns["image"][turns["image"] >= 0]
        middle_s = turns["frame_time_s"][turns["image"] >= 0].astype(np.float64)
        blocks = np.array([in_blocks(run.image(int(index))) for index in row])  # [T, by, bx]
        columns = blocks.shape[2]
        exposure_s = rig.camera.exposure_s
        best_block, delay_s, sigmas = find(middle_s, blocks.reshape(len(row), -1), pattern, exposure_s=exposure_s)
        if not sigmas > SEEN:
            raise ValueError(
                f"the laser's light does not reach this camera ({sigmas:.2g} standard deviations of chance where it is "
                f"most like the pattern, and {SEEN:g} are needed)"
            )
        window = cut(run, row, best_block // columns, best_block % columns)
    share = np.diff(pattern.share(middle_s, exposure_s, delay_s, delay_s))
    full = 2 ** getattr(rig.camera, "bits", 8 * window.dtype.itemsize) - 1
    pixel_weights = np.where(window.max(axis=0) < full, weights(share, window), 0.0)
    if not pixel_weights.any():
        raise ValueError("the laser's light saturates the camera where it is seen")
    return by_flash(middle_s, window @ pixel_weights, pattern, exposure_s=exposure_s)


def in_blocks(image: NDArray[np.generic]) -> Floats:
    """[H / BLOCK_PX, W / BLOCK_PX] means over squares; the remaining pixels at the right and bottom are ignored."""
    rows, columns = (size // BLOCK_PX for size in image.shape)
    cropped = np.asarray(image[: rows * BLOCK_PX, : columns * BLOCK_PX], np.float32)
    return np.asarray(cropped.reshape(rows, BLOCK_PX, columns, BLOCK_PX).mean(axis=(1, 3)), np.float64)


def cut(run: Run, row: NDArray[np.integer], block_row: int, block_column: int) -> NDArray[Any]:
    """[T, P] the pixels around one block."""
    first, last = (np.array([block_row, block_column]) + ends for ends in (-ROUND_BLOCKS, ROUND_BLOCKS + 1))
    (top, left), (bottom, right) = np.maximum(first, 0) * BLOCK_PX, last * BLOCK_PX
    return np.array([run.image(int(index))[top:bottom, left:right].ravel() for index in row])
