"""The list page of potentials: a new shape is one file, and one line here."""

from __future__ import annotations

from typing import Annotated

from config.fields import Field
from control.potentials.annular import Annular
from control.potentials.constant import Constant
from control.potentials.double_ring import DoubleRing
from control.potentials.gaussian_ring import GaussianRing
from control.potentials.harmonic import Harmonic

__all__ = ["Annular", "AnyShape", "Constant", "DoubleRing", "GaussianRing", "Harmonic"]

AnyShape = Annotated[
    Harmonic
    | Annular
    | GaussianRing
    | DoubleRing
    | Constant,
    Field(discriminator="kind"),
]  # fmt: skip
