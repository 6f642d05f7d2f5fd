"""The list of deflectors. A new one is one file, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.kinds import kinds
from drivers.device_settings import DeflectorSettings

if TYPE_CHECKING:
    AnyDeflector = DeflectorSettings
else:
    AnyDeflector = kinds(
        "deflectors",
        "drivers.sim.deflector:SimulatedDeflector",
        "drivers.deflectors.serial_galvo:SerialGalvo",
        plug=DeflectorSettings,
    )
