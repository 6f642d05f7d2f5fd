"""The settings of a camera, a deflector and a laser: their common fields, and how a real device is opened.

A new device is a settings class (config.fields.settings) that subclasses RealCamera, RealDeflector or RealLaser.
Simulated devices, recordings and the ideal bench subclass CameraSettings, DeflectorSettings and LaserSettings;
drivers.sim and drivers.video open them.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, TypeVar, cast

from config.geometry import Affine
from config.refused import Refused
from control.contract import Clock
from drivers.camera_protocol import CameraDriver
from drivers.light_protocols import Deflector, Laser

Images = Literal["real", "simulated", "ideal", "recorded"]  # ideal: a table of positions instead of an image

D = TypeVar("D", bound="DeviceSettings")


class DeviceSettings(ABC):
    """Settings common to all devices."""

    kind: str
    address_key: ClassVar[str] = ""  # name of the field with the address (a port, a source); "": none

    @property
    def address(self) -> str:
        """The address of the device; "" if its settings have none."""
        return str(getattr(self, self.address_key)) if self.address_key else ""


class CameraSettings(DeviceSettings):
    """A camera. `kind`, `fps`, `width_px`, `height_px` and `images` have no value here: each camera class sets them."""

    images: ClassVar[Images]
    fps: float  # frame rate
    width_px: int
    height_px: int
    exposure_s: float = 0.0
    readout_s: float = 0.0  # from the end of the exposure until the computer has the frame
    left_px: int = 0  # column of the image's first pixel on the sensor, in pixels of the sensor
    top_px: int = 0
    binning: int = 1  # pixels of the sensor along each side of a pixel of the image
    bits: int = 8  # of a pixel; with more than 8 the image is uint16, else uint8
    drop: float = 0.0  # fraction of the frames that are dropped on purpose

    @property
    def image_age_s(self) -> float:
        """Age of an image when the computer has it: time since the middle of its exposure."""
        return self.exposure_s / 2.0 + self.readout_s

    @property
    def states_its_cut(self) -> bool:
        """Whether its settings state which part of the sensor an image shows."""
        return any(field.name == "left_px" for field in dataclasses.fields(self))  # type: ignore[arg-type]

    def middle_um(self, um_per_px: float) -> tuple[float, float]:
        """The middle of the image; the middle of its top left pixel is (0, 0)."""
        return (self.width_px - 1) / 2.0 * um_per_px, (self.height_px - 1) / 2.0 * um_per_px

    @property
    def pixels_follow_optics(self) -> bool:
        """Whether another `optics.um_per_px` changes the size of a pixel in the sample, as in a simulation."""
        return False


class RealCamera(CameraSettings):
    """A camera that delivers frames in real time."""

    images: ClassVar[Images] = "real"

    @abstractmethod
    def open(self, clock: Clock) -> CameraDriver:
        """The camera, open. Its frames have times of this clock. Raises Fault if it can't be opened, Refused."""


class LightSettings(DeviceSettings):
    """A deflector or a laser. `simulated` has no value here."""

    simulated: ClassVar[bool]
    emulator: ClassVar[str] = ""  # the device of drivers.emulate.kinds that can stand in for it; "": there is none

    @property
    @abstractmethod
    def dead_man(self) -> str:
        """State of the light after the program has died, or has hung together with the guard's watchdog thread."""


class DeflectorSettings(LightSettings):
    """A deflector. Without a calibrated map 0 V points to the middle of the image, by `v_per_um` on both axes."""

    range_v: float  # it reaches from -range_v to +range_v on each axis
    v_per_um: float
    settle_s: float  # dark time of a jump
    delay_s: float  # from the command to the first visit
    min_dwell_s: float  # shortest visit

    def nominal_map(self, middle_um: tuple[float, float]) -> Affine:
        """um to V without a calibration.

        Args:
            middle_um: middle of the image.
        """
        x_um, y_um = middle_um
        return Affine.scale("um", "v", self.v_per_um, (-self.v_per_um * x_um, -self.v_per_um * y_um))


class RealDeflector(DeflectorSettings):
    """A deflector that is a device."""

    simulated: ClassVar[bool] = False
    blanks: ClassVar[bool] = False  # whether it can darken its beam itself, by `put_out`

    @abstractmethod
    def open(self, clock: Clock) -> Deflector:
        """The deflector, open; its beam is dark if it can dim. Raises Fault if it can't be opened, Refused."""

    def put_out(self, clock: Clock, longest_s: float = math.inf) -> None:
        """Darken the beam over a separate connection, after the program has died. Raises Fault unless it is dark.

        Args:
            longest_s: longest wait for an answer of the device.
        """


class LaserSettings(LightSettings):
    """A laser."""

    max_power_mw: float  # largest power of a spot


class RealLaser(LaserSettings):
    """A laser that is a device."""

    simulated: ClassVar[bool] = False

    @abstractmethod
    def open(self, deflector: Deflector) -> Laser:
        """The laser, open and dark. Raises Fault if it can't be opened, Refused for a deflector that it can't use.

        Args:
            deflector: the open one of the same rig; a laser that needs it to dim the beam requires a Modulator.
        """

    @abstractmethod
    def put_out(self, longest_s: float = math.inf) -> None:
        """Switch the laser off over a separate connection, after its program has died, or if it may still be on.

        Raises Fault unless the laser confirms it; the command is sent in any case.

        Args:
            longest_s: longest wait for an answer of the device.
        """


def of_class(device: DeviceSettings, needed: Callable[..., D]) -> D:
    """The device, if it is of the class that has `open`. Raises Refused for another class."""
    assert isinstance(needed, type)  # declared otherwise, since it may be abstract
    if not isinstance(device, needed):
        raise Refused(f"the kind '{device.kind}' is no {needed.__name__}, which it would have to be to be opened here")
    return cast(D, device)
