"""The list of cameras. A new one is one file, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.kinds import kinds
from drivers.device_settings import CameraSettings

if TYPE_CHECKING:
    AnyCamera = CameraSettings
else:
    AnyCamera = kinds(
        "cameras",
        "drivers.sim.camera:SimulatedCamera",
        "drivers.sim.ideal_bench:PlantCamera",
        "drivers.video:VideoCamera",
        "drivers.cameras.opencv_capture:OpenCVCamera",
        plug=CameraSettings,
    )
