"""The settings of a camera, a deflector and a laser: what others read of them, and how a real device is opened.

A device of one's own is a settings class (config.fields.settings) that subclasses RealCamera, RealDeflector or
RealLaser. Simulated devices, recordings and the ideal bench subclass CameraSettings, DeflectorSettings and
LaserSettings; drivers.sim and drivers.video open them.
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

Images = Literal["real", "simulated", "ideal", "recorded"]  # ideal: a table of positions in the place of an image

D = TypeVar("D", bound="DeviceSettings")


class DeviceSettings(ABC):
    """What every device has."""

    kind: str
    address_key: ClassVar[str] = ""  # the field that says where the device is: a port, a source; "": there is none

    @property
    def address(self) -> str:
        """Where the device is; "" where its settings do not say."""
        return str(getattr(self, self.address_key)) if self.address_key else ""


class CameraSettings(DeviceSettings):
    """A camera. `kind`, `fps`, `width_px`, `height_px` and `images` have no value here: each camera has its own."""

    images: ClassVar[Images]
    fps: float  # frame rate
    width_px: int
    height_px: int
    exposure_s: float = 0.0
    readout_s: float = 0.0  # from the end of the exposure until the computer has the frame
    left_px: int = 0  # of the image's first pixel on the sensor, in pixels of the sensor
    top_px: int = 0
    binning: int = 1  # pixels of the sensor along each side of a pixel of the image
    bits: int = 8  # of a pixel; with more than 8 the image is uint16, else uint8
    drop: float = 0.0  # part of the frames that is meant never to arrive

    @property
    def states_its_cut(self) -> bool:
        """Whether its settings say which part of the sensor an image shows."""
        return any(field.name == "left_px" for field in dataclasses.fields(self))  # type: ignore[arg-type]

    def middle_um(self, um_per_px: float) -> tuple[float, float]:
        """The middle of the image; the middle of its top left pixel is (0, 0)."""
        return (self.width_px - 1) / 2.0 * um_per_px, (self.height_px - 1) / 2.0 * um_per_px

    @property
    def pixels_follow_optics(self) -> bool:
        """Whether another `optics.um_per_px` changes the size of a pixel in the sample, as in a simulation."""
        return False


class RealCamera(CameraSettings):
    """A camera whose frames come by themselves, in real time."""

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
        """What becomes of the light when the program dies, or hangs and the guard's watchdog, a thread, with it."""


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
    blanks: ClassVar[bool] = False  # whether it can make its beam dark by itself, which `put_out` does then

    @abstractmethod
    def open(self, clock: Clock) -> Deflector:
        """The deflector, open; its beam is dark where it can dim. Raises Fault if it can't be opened, Refused."""

    def put_out(self, clock: Clock, longest_s: float = math.inf) -> None:
        """Dark, over a connection of its own: for a deflector whose program has died. Raises Fault unless it is dark.

        Args:
            longest_s: no answer of the device is waited for longer.
        """


class LaserSettings(LightSettings):
    """A laser."""

    max_power_mw: float  # the most that it gives to a spot


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
        """No light, over a connection of its own: for a laser whose program has died, or that may be lit from before.

        Raises Fault unless the laser confirms it; it is sent the command all the same.

        Args:
            longest_s: no answer of the device is waited for longer.
        """


def of_class(device: DeviceSettings, needed: Callable[..., D]) -> D:
    """The device, if it is of the class that opens it. Raises Refused for a kind that only claims to be."""
    assert isinstance(needed, type)  # declared otherwise, since it may be abstract
    if not isinstance(device, needed):
        raise Refused(f"the kind '{device.kind}' is no {needed.__name__}, which it would have to be to be opened here")
    return cast(D, device)
