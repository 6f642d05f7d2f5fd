"""All potentials. A new one is a file in this folder and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.kinds import kinds, lazy
from control.potentials.shape import Shape

if TYPE_CHECKING:
    AnyShape = Shape
else:
    __getattr__ = lazy(AnyShape=lambda: kinds(
        "potentials",
        "control.potentials.harmonic:Harmonic",
        "control.potentials.annular:Annular",
        "control.potentials.gaussian_ring:GaussianRing",
        "control.potentials.double_ring:DoubleRing",
        "control.potentials.gaussian:Gaussian",
        "control.potentials.yukawa:Yukawa",
        "control.potentials.wca:WCA",
        "control.potentials.lennard_jones:LennardJones",
        "control.potentials.constant:Constant",
        "control.potentials.formula:Formula",
        "control.potentials.drawn:Drawn",
        plug=Shape,
    ))  # fmt: skip
