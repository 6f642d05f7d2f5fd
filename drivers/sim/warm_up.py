"""Compiles the kernels of a simulated world before it is used, so that no frame is delayed."""

from __future__ import annotations

from collections.abc import Iterable

from control.contract import Camera
from drivers.sim.stage import Visits
from drivers.sim.world import World


def warm_up(trial_world: World, camera: Camera, light: Iterable[Visits]) -> None:
    """Advance and image a trial world, first in the dark, then in each of these lights.

    Args:
        trial_world: a world with the same sample and stage as the real one; it is not used afterwards.
        camera: of the trial world.
        light: visits of each kind for which the kernels must be compiled.
    """
    camera.read()
    for visits in light:
        trial_world.put(visits)
        camera.read()
