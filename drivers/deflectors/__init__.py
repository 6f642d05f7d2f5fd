"""The list page of deflectors: a new one is one file, and one line here."""

from __future__ import annotations

from typing import Annotated

from config.fields import Field
from drivers.deflectors.serial_galvo import SerialGalvo
from drivers.sim.deflector import SimulatedDeflector

AnyDeflector = Annotated[SimulatedDeflector | SerialGalvo, Field(discriminator="kind")]
