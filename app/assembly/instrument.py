"""What the wiring diagram makes: one open instrument, a value that every way of use carries about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.assembly.rig import Plan
from control.contract import Beam, Camera, Clock
from control.loop import Machine
from drivers.closing import closed_after, of_light
from drivers.readback import Returned


@dataclass(frozen=True)
class Instrument:
    """Everything that one run needs beside a recorder. The beam is dark."""

    plan: Plan
    machine: Machine
    camera: Camera
    beam: Beam
    clock: Clock
    height_px: int
    width_px: int
    pixel_type: str
    frames: int | None  # how many there will be, where that is known
    devices: Mapping[str, str] = field(default_factory=dict)  # who the devices say they are, where they do
    firmware: Mapping[str, str] = field(default_factory=dict)  # maker, model and version of deflector and laser
    world: str = ""  # what is simulated, and how finely
    returned: Callable[[], tuple[Returned, ...]] = tuple  # settings as the devices gave them back; asks no device

    def close(self) -> None:
        """Dark first, then the camera. Raises Fault, with the light's trouble first."""
        with closed_after(self.camera.close, "the camera"):
            of_light(self.beam.close)()
