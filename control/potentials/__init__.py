"""All potentials. A new one is a file here and a line on this page."""

from __future__ import annotations

from typing import Annotated

from config.fields import Field
from control.potentials.annular import Annular as Annular
from control.potentials.constant import Constant as Constant
from control.potentials.double_ring import DoubleRing as DoubleRing
from control.potentials.drawn import Drawn as Drawn
from control.potentials.formula import Formula as Formula
from control.potentials.gaussian import Gaussian as Gaussian
from control.potentials.gaussian_ring import GaussianRing as GaussianRing
from control.potentials.harmonic import Harmonic as Harmonic
from control.potentials.lennard_jones import LennardJones as LennardJones
from control.potentials.wca import WCA as WCA
from control.potentials.yukawa import Yukawa as Yukawa

AnyShape = Annotated[
    Harmonic
    | Annular
    | GaussianRing
    | DoubleRing
    | Gaussian
    | Yukawa
    | WCA
    | LennardJones
    | Constant
    | Formula
    | Drawn,
    Field(discriminator="kind"),
]  # fmt: skip
