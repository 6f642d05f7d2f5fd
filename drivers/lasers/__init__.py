"""The list of lasers. A new one is one file, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.kinds import kinds
from drivers.device_settings import LaserSettings

if TYPE_CHECKING:
    AnyLaser = LaserSettings
else:
    AnyLaser = kinds(
        "lasers",
        "drivers.sim.laser:SimulatedLaser",
        "drivers.lasers.cobolt:Cobolt",
        plug=LaserSettings,
    )
