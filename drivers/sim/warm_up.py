"""The kernels of a simulated world are compiled before it is used, so that no frame waits for them."""

from __future__ import annotations

from collections.abc import Iterable

from control.contract import Camera
from drivers.sim.stage import Visits
from drivers.sim.world import World


def warm_up(trial_world: World, camera: Camera, light: Iterable[Visits]) -> None:
    """Advance and image a world that is thrown away afterwards: first in the dark, then in each of these lights.

    Args:
        trial_world: a world with the sample and the stage of the one that will be used.
        camera: of that world.
        light: visits of each kind that the kernels have to be compiled for.
    """
    camera.read()
    for visits in light:
        trial_world.put(visits)
        camera.read()
