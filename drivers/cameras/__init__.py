"""The list page of cameras: a new one is one file, and one line here."""

from __future__ import annotations

from typing import Annotated

from config.fields import Field
from drivers.cameras.opencv_capture import OpenCVCamera
from drivers.sim.camera import SimulatedCamera
from drivers.sim.ideal_bench import PlantCamera
from drivers.video import VideoCamera

AnyCamera = Annotated[SimulatedCamera | PlantCamera | VideoCamera | OpenCVCamera, Field(discriminator="kind")]
