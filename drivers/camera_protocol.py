"""The plug that every camera driver fills: the Camera of control/contract.py, and what it says of itself."""

from __future__ import annotations

from typing import Protocol

from control.contract import Camera
from drivers.readback import Returned


class CameraDriver(Camera, Protocol):
    """A camera that is open."""

    @property
    def identity(self) -> str:
        """Model and serial number; "" where the camera does not say."""
        ...

    @property
    def returned(self) -> tuple[Returned, ...]:
        """Its settings as it gave them back when they last were set; the camera is not asked now."""
        ...
