"""The open instrument: the devices and the machine of one run, as one value."""

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
    """Everything that one run needs except a recorder. The beam is dark."""

    plan: Plan
    machine: Machine
    camera: Camera
    beam: Beam
    clock: Clock
    height_px: int
    width_px: int
    pixel_type: str
    frames: int | None  # number of frames, if known in advance
    devices: Mapping[str, str] = field(default_factory=dict)  # identities that the devices report
    firmware: Mapping[str, str] = field(default_factory=dict)  # maker, model and version of deflector and laser
    world: str = ""  # description of the simulated world and its resolution
    returned: Callable[[], tuple[Returned, ...]] = tuple  # settings read back from the devices; sends no query

    def close(self) -> None:
        """Darken the beam first, then close the camera. Raises Fault; an error of the light comes first."""
        with closed_after(self.camera.close, "the camera"):
            of_light(self.beam.close)()
