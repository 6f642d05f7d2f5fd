"""The interface of camera drivers: the Camera of control/contract.py, with the camera's identity and settings."""

from __future__ import annotations

from typing import Protocol

from control.contract import Camera
from drivers.readback import Returned


class CameraDriver(Camera, Protocol):
    """An open camera."""

    @property
    def identity(self) -> str:
        """Model and serial number; "" if the camera does not report them."""
        ...

    @property
    def returned(self) -> tuple[Returned, ...]:
        """Its settings as read back when they were last set; this does not query the camera."""
        ...
