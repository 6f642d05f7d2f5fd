"""The list page of networks: the settings of each, and its construction for a task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import torch
from torch import nn

from config.fields import Doc, Gt, Le, settings
from config.kinds import kinds
from config.refused import Refused
from config.words import one_line
from models.data.task import FeatureCounts
from models.egnn import EGNN
from models.frames.average import FrameAveraged
from models.frames.harmonic import harmonic
from models.frames.message import MessagePassing
from models.frames.network import FrameAveragingNetwork
from models.frames.pca import gated, principal
from models.linear import VectorLinear
from models.network_settings import Cutoff, Degree, Layers, NetworkSettings, Radial, Width, refuse_lone_radial
from models.ponita.cloud import PonitaPoints
from models.ponita.network import Ponita

LARGEST_NETWORK = 50_000_000  # values in a network, and in its kernels between orientations
Net = TypeVar("Net", bound=nn.Module)


@settings
class LinearSettings(NetworkSettings):
    """The baseline x + sum_k a_k v_k."""

    kind: Literal["linear"] = "linear"

    def build(self, shape: FeatureCounts) -> nn.Module:
        return VectorLinear(shape.vectors)

    def symmetry(self, dimension: int) -> str:
        return f"E({dimension})"

    def why_not(self, dimension: int, reach: float | None) -> str:
        return ""  # it has no neighbours


@settings
class PlainSettings(NetworkSettings):
    """Message passing on raw components, without spatial symmetry: a network must learn it from the data."""

    kind: Literal["plain"] = "plain"
    width: Width = 32
    layers: Layers = 2
    cutoff: Cutoff = None
    radial: Radial = 0

    def __post_init__(self) -> None:
        refuse_lone_radial(self.cutoff, self.radial)

    def build(self, shape: FeatureCounts) -> nn.Module:
        return MessagePassing(
            dimension=shape.dimension, scalars=shape.scalars, vectors=shape.vectors, attributes=shape.attributes,
            width=self.width, layers=self.layers, cutoff=self.cutoff, radial=self.radial,
        )  # fmt: skip

    def symmetry(self, dimension: int) -> str:
        return "none"


@settings
class EgnnSettings(NetworkSettings):
    """E(n)-equivariant graph neural network; without a cut-off the published one."""

    kind: Literal["egnn"] = "egnn"
    width: Width = 64
    layers: Layers = 4
    cutoff: Cutoff = None
    radial: Radial = 0

    def __post_init__(self) -> None:
        refuse_lone_radial(self.cutoff, self.radial)

    def build(self, shape: FeatureCounts) -> nn.Module:
        return EGNN(scalars=shape.scalars, vectors=shape.vectors, attributes=shape.attributes, width=self.width,
                    layers=self.layers, cutoff=self.cutoff, radial=self.radial)  # fmt: skip

    def symmetry(self, dimension: int) -> str:
        return f"E({dimension})"


@settings
class FrameSettings(NetworkSettings):
    """Message passing averaged over frames; where frames are ill-defined, an EGNN (not for `principal`)."""

    kind: Literal["fa_egnn"] = "fa_egnn"
    frame: Annotated[
        Literal["gated", "harmonic", "principal"],
        Doc("principal axes, gated near symmetric clouds; weighted harmonics"),
    ] = "gated"
    group: Annotated[Literal["E", "SE"], Doc("SE: left and right may differ")] = "E"
    width: Width = 32
    layers: Layers = 2
    cutoff: Cutoff = None
    radial: Radial = 0

    def __post_init__(self) -> None:
        refuse_lone_radial(self.cutoff, self.radial)

    def build(self, shape: FeatureCounts) -> nn.Module:
        frames = {"gated": partial(gated, group=self.group), "harmonic": partial(harmonic, group=self.group),
                  "principal": partial(principal, group=self.group)}  # fmt: skip
        backbone = MessagePassing(
            dimension=shape.dimension, scalars=shape.scalars, vectors=shape.vectors, attributes=shape.attributes,
            width=self.width, layers=self.layers, cutoff=self.cutoff, radial=self.radial, places=self.cutoff is None,
        )  # fmt: skip
        fallback = EgnnSettings(width=self.width, layers=self.layers, cutoff=self.cutoff, radial=self.radial).build(
            shape
        )
        return FrameAveraged(backbone, frames[self.frame], None if self.frame == "principal" else fallback)

    def symmetry(self, dimension: int) -> str:
        return f"{self.group}({dimension})"


@settings
class FrameNetworkSettings(NetworkSettings):
    """FA-GNN: a new frame between layers, from the latent vectors. All points exchange messages."""

    kind: Literal["fa_gnn"] = "fa_gnn"
    group: Annotated[Literal["E", "SE"], Doc("SE: left and right may differ")] = "E"
    width: Annotated[int, Gt(0), Le(4096), Doc("channels; a multiple of the dimension")] = 60
    layers: Layers = 4

    def build(self, shape: FeatureCounts) -> nn.Module:
        return FrameAveragingNetwork(
            dimension=shape.dimension, scalars=shape.scalars, vectors=shape.vectors, attributes=shape.attributes,
            width=self.width, layers=self.layers, group=self.group,
        )  # fmt: skip

    def symmetry(self, dimension: int) -> str:
        return f"{self.group}({dimension})"

    def why_not(self, dimension: int, reach: float | None) -> str:
        if self.width % dimension:
            return f"'network.width' is {self.width}, and fa_gnn needs a multiple of the dimension, {dimension}"
        if reach is not None:
            return f"'network.kind' is fa_gnn, which has no cut-off, and within a reach ({reach:g}) a network needs one"
        return ""


@settings
class PonitaSettings(NetworkSettings):
    """PONITA on a grid of orientations."""

    kind: Literal["ponita"] = "ponita"
    group: Annotated[Literal["E", "SE"], Doc("SE: left and right may differ (in the plane)")] = "E"
    grid: Annotated[int, Gt(0), Le(1024), Doc("orientations")] = 8
    width: Width = 32
    basis: Annotated[
        int | None, Gt(0), Le(4096), Doc("functions that kernels are made of; left out: as many as channels")
    ] = None
    layers: Layers = 2
    degree: Degree = 3
    widening: Annotated[int, Gt(0), Le(16), Doc("of the channel mixing")] = 4
    layer_scale: Annotated[float | None, Gt(0), Doc("what a layer adds at first; left out: all of it")] = None
    cutoff: Cutoff = None
    radial: Radial = 0
    length: Annotated[float, Gt(0), Doc("unit in which a kernel sees distances")] = 1.0

    def __post_init__(self) -> None:
        refuse_lone_radial(self.cutoff, self.radial)
        kernels = self.layers * self.width * self.grid**2
        if kernels > LARGEST_NETWORK:
            raise ValueError(f"layers * width * grid^2 is {kernels} (allowed: {LARGEST_NETWORK})")

    def build(self, shape: FeatureCounts) -> nn.Module:
        return Ponita(
            dimension=shape.dimension, group=self.group, grid=self.grid, scalars=shape.scalars, vectors=shape.vectors,
            attributes=shape.attributes, width=self.width, basis=self.basis, layers=self.layers, degree=self.degree,
            widening=self.widening, layer_scale=self.layer_scale, cutoff=self.cutoff, radial=self.radial,
            length=self.length,
        )  # fmt: skip

    def symmetry(self, dimension: int) -> str:
        return f"{self.group}({dimension})"


@settings
class PonitaPointsSettings(NetworkSettings):
    """PONITA with one orientation per neighbour: exact for every rotation, but slow."""

    kind: Literal["ponita_points"] = "ponita_points"
    group: Annotated[Literal["E", "SE"], Doc("SE: left and right may differ (in the plane)")] = "E"
    width: Width = 32
    layers: Layers = 2
    degree: Degree = 3
    cutoff: Cutoff = None
    length: Annotated[float, Gt(0), Doc("unit in which a kernel sees distances")] = 1.0

    def build(self, shape: FeatureCounts) -> nn.Module:
        return PonitaPoints(
            dimension=shape.dimension, group=self.group, scalars=shape.scalars, vectors=shape.vectors, width=self.width,
            layers=self.layers, degree=self.degree, cutoff=self.cutoff, length=self.length,
        )  # fmt: skip

    def symmetry(self, dimension: int) -> str:
        return f"{self.group}({dimension})"


if TYPE_CHECKING:
    AnyNetwork = NetworkSettings
else:
    AnyNetwork = kinds(
        "networks",
        LinearSettings,
        PlainSettings,
        EgnnSettings,
        FrameSettings,
        FrameNetworkSettings,
        PonitaSettings,
        PonitaPointsSettings,
        plug=NetworkSettings,
    )


def build_checked(build: Callable[[], Net], source: str) -> Net:
    """The network that `build` makes, if it is not too large. Raises Refused."""
    try:
        with torch.device("meta"):  # shapes without memory
            numbers = sum(value.numel() for value in build().state_dict().values())
        if numbers > LARGEST_NETWORK:
            raise Refused(f"{source}: this network would have {numbers} numbers (allowed: {LARGEST_NETWORK})")
        return build()
    except (ValueError, RuntimeError, OverflowError, MemoryError) as error:
        raise Refused(f"{source}: this network can't be made ({one_line(error)})") from None
