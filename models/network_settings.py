"""Base class of the settings of all networks on the list page (models/networks.py)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any

from torch import nn

from config.fields import Doc, Ge, Gt, Le, set_absent
from models.data.task import FeatureCounts

Width = Annotated[int, Gt(0), Le(4096), Doc("channels of a layer")]
Layers = Annotated[int, Gt(0), Le(64), Doc("rounds of messages")]
Cutoff = Annotated[float | None, Gt(0), Doc("distance beyond which points do not interact; left out: all do")]
Radial = Annotated[int, Ge(0), Le(1024), Doc("Gaussians through which distances are also seen; needs a cut-off")]
Degree = Annotated[int, Gt(0), Le(8), Doc("of the monomials of the invariants")]


def refuse_lone_radial(cutoff: float | None, radial: int) -> None:
    """Raises ValueError for Gaussians of the distance without a cut-off."""
    if radial and cutoff is None:
        raise ValueError(f"'radial' is {radial}, and it needs a 'cutoff'")


class NetworkSettings(ABC):
    """The settings of a network. A subclass is a settings class with a `kind`, `build` and `symmetry`."""

    kind: str
    cutoff: float | None  # distance beyond which points do not interact; None: all do

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        set_absent(cls, cutoff=None)

    @abstractmethod
    def build(self, shape: FeatureCounts) -> nn.Module:
        """The network for data of this shape. Raises ValueError for settings that don't fit it."""

    @abstractmethod
    def symmetry(self, dimension: int) -> str:
        """Name of the group to which the network is equivariant."""

    def why_not(self, dimension: int, reach: float | None) -> str:
        """Reason why the network does not fit graphs of this `reach` in `dimension` dimensions; empty if it fits.

        Without a cut-off within the reach, forces jump when a neighbour crosses the reach.
        """
        if reach is None:
            return ""
        if self.cutoff is None:
            return f"'network.cutoff' is left out, and within a reach a network needs one ({reach:g} or less)"
        if self.cutoff > reach:
            return f"'network.cutoff' is {self.cutoff:g}, which is beyond the reach of {reach:g}"
        return ""
