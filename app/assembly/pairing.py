"""Combinations of camera, deflector and laser that can be opened together, and the effect of the light in each.

Every physically possible combination is allowed. Real light acts on a real sample, and simulated light on a simulated
sample. Light does not act on a recording, nor on the sample of a real camera with simulated light (watch only).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from config.fields import variants
from config.refused import Refused
from config.words import quoted
from drivers.deflectors import AnyDeflector
from drivers.device_settings import LightSettings
from drivers.lasers import AnyLaser

if TYPE_CHECKING:
    from app.assembly.rig import Rig

WATCH_ONLY = "watch only: the camera's frames are real, and the light is simulated and acts on nothing"


class Pairing(StrEnum):
    """How the devices of a rig are opened."""

    REAL = "real"  # a real camera, deflector and laser
    WATCH_ONLY = "watch only"  # a real camera with simulated light
    SIMULATED = "simulated"
    EMULATED = "emulated"  # a simulated camera and sample; emulators replace a real deflector and laser
    IDEAL = "ideal"  # a table of positions, and springs for light
    REPLAY = "replay"  # a recording with simulated light


NEED_REAL_TIME = {
    Pairing.REAL: "real devices need",
    Pairing.WATCH_ONLY: "a real camera needs",
    Pairing.EMULATED: "emulated devices need",
}
WITH_SIMULATED_LIGHT = {
    "real": Pairing.WATCH_ONLY,
    "simulated": Pairing.SIMULATED,
    "ideal": Pairing.IDEAL,
    "recorded": Pairing.REPLAY,
}


def pairing_of(rig: Rig) -> Pairing:
    """How the devices of a rig are opened. Raises Refused for devices that do not go together."""
    pairing = _with_simulated_light(rig) if rig.laser.simulated and rig.deflector.simulated else _with_real_light(rig)
    if pairing in NEED_REAL_TIME and rig.rate != "real time":
        raise _refused(rig, f"rate is '{rig.rate}', and {NEED_REAL_TIME[pairing]} 'real time'")
    return pairing


def _with_simulated_light(rig: Rig) -> Pairing:
    if rig.emulated is not None:
        raise _refused(rig, "'emulated' stands for a real deflector and laser, and those of this rig are simulated "
                       "(allowed: leave 'emulated' out)")  # fmt: skip
    return WITH_SIMULATED_LIGHT[rig.camera.images]


def _with_real_light(rig: Rig) -> Pairing:
    camera, deflector, laser = rig.camera, rig.deflector, rig.laser
    light = f"a {deflector.kind} deflector and a {laser.kind} laser"
    if deflector.simulated != laser.simulated:
        raise _refused(rig, f"{light} can't be opened together, since one exists and the other is simulated "
                       "(allowed: both real, or both simulated)")  # fmt: skip
    if camera.images == "recorded":
        raise _refused(rig, f"a recording can't react to the light of {light}, which exist now "
                       "(allowed for a recording: a simulated deflector and laser)")  # fmt: skip
    if camera.images == "ideal":
        raise _refused(rig, f"a {camera.kind} camera shows particles on ideal springs, and {light} make none "
                       "(allowed: a simulated deflector and laser)")  # fmt: skip
    if camera.images == "real":
        if rig.emulated is None:
            return Pairing.REAL
        raise _refused(rig, f"emulated devices light a simulated sample, which the {camera.kind} camera does not show "
                       "(allowed: a simulated camera, or no 'emulated')")  # fmt: skip
    if rig.emulated is None:
        raise _refused(rig, f"a simulated camera does not show what the light of {light} does, and needs 'emulated' "
                       "(allowed too: a real camera, or a simulated deflector and laser)")  # fmt: skip
    _require_emulator(rig, "deflector", deflector, AnyDeflector)
    _require_emulator(rig, "laser", laser, AnyLaser)
    return Pairing.EMULATED


def _require_emulator(rig: Rig, part: str, device: LightSettings, page: object) -> None:
    """Raises Refused for a kind of device that has no emulator."""
    if not device.emulator:
        emulated_kinds = (
            kind for kind, cls in variants(page).items() if issubclass(cls, LightSettings) and cls.emulator
        )
        kinds = ", ".join(emulated_kinds)
        raise _refused(rig, f"there is no emulator of a {device.kind} {part} (allowed with 'emulated': {kinds})")


def _refused(rig: Rig, reason: str) -> Refused:
    return Refused(f"{quoted(rig.title)}: {reason}")
