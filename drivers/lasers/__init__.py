"""The list page of lasers: a new one is one file, and one line here."""

from __future__ import annotations

from typing import Annotated

from config.fields import Field
from drivers.lasers.cobolt import Cobolt
from drivers.sim.laser import SimulatedLaser

AnyLaser = Annotated[SimulatedLaser | Cobolt, Field(discriminator="kind")]
