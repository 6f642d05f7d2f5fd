"""Arguments of the motion kernels from a sample and its stage: beads, medium and timing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from drivers.sim import parts
from drivers.sim.sample import MixtureSpecies, Sample
from drivers.sim.stage import Stage

Ints = NDArray[np.int64]


def beads_of(
    sample: Sample, kinds: Sequence[MixtureSpecies], species: Ints, cell: Ints, kt_pn_um: float
) -> parts.Beads:
    """The particles [N] of all cells.

    Args:
        kinds: the species of the mixture.
        species, cell: [N] species (index in `kinds`) and cell of each particle.
    """
    drag = sample.drag_pn_s_per_um * np.array([kinds[s].drag_ratio for s in species])
    response = np.array([kinds[s].response for s in species])
    diameter_um = sample.diameter_um * np.array([kinds[s].diameter_ratio for s in species])
    index = np.tile(np.arange(sample.number), sample.cells)
    return parts.Beads(drag, np.sqrt(2.0 * kt_pn_um / drag), response, diameter_um, cell, index)


def medium_of(sample: Sample, stage: Stage, kt_pn_um: float, seed: int, replica: int) -> parts.Medium:
    """Properties common to all particles: contacts, flow, forces, walls, and fluctuations of the light."""
    box_um = np.array(sample.box_um if min(sample.box_um) > 0 else stage.extent_um)
    middle = np.array(stage.middle_um)
    return parts.Medium(
        seed, replica, sample.wca_kt * kt_pn_um, stage.waist_um, np.array(sample.drift_um_per_s, np.float64),
        np.array(sample.force_pn, np.float64), np.array(sample.force_gradient_pn_per_um, np.float64), middle,
        sample.walls, middle - box_um / 2.0, middle + box_um / 2.0, stage.warm_up_s * 1e9, stage.laser_noise,
        stage.jitter_um,
    )  # fmt: skip


def timing_of(stage: Stage) -> parts.Timing:
    """Exposure times of the camera. Raises Refused for an exposure that does not fit between two frames."""
    if not 0 < stage.exposure_s <= stage.period_s or math.floor(stage.exposure_s * 1e9) < 2 * stage.sub_exposures:
        raise Refused(
            f"camera.exposure_s: {stage.exposure_s:.6g} s does not fit between two frames, {stage.period_s:.6g} s"
        )
    share = (2 * np.arange(stage.sub_exposures) + 1) / (2 * stage.sub_exposures)
    return parts.Timing(round(stage.period_s * 1e9), np.rint(share * stage.exposure_s * 1e9).astype(np.int64))
