"""Data sets with symmetries kept or broken on purpose (PER, section 5, and two of colloids in the plane)."""

from __future__ import annotations

import torch
from torch import Tensor

from models.soft.groups import Group, orthogonal, plane_orthogonal, reflection, rotations, scale
from models.soft.representation import Representation

Data = tuple[Tensor, Tensor]
PLANES = ((0, 1), (1, 2), (0, 2))


def inertia(axis: int, eps: float, count: int, seed: int) -> Data:
    """Five masses and positions -> tensor of inertia + eps (I e_a) e_a^T: a along z leaves O(2) of the x y plane.

    The tensor is divided by 10.
    """
    draw = torch.Generator().manual_seed(seed)
    mass = torch.nn.functional.softplus(torch.randn(count, 5, generator=draw))
    place = torch.randn(count, 5, 3, generator=draw)
    square = place.square().sum(2)
    tensor = torch.einsum("bn,bn,ij->bij", mass, square, torch.eye(3))
    tensor = tensor - torch.einsum("bn,bni,bnj->bij", mass, place, place)
    axis_vector = torch.eye(3)[axis]
    tensor = tensor + eps * torch.einsum("bij,j,k->bik", tensor, axis_vector, axis_vector)
    return torch.cat([mass, place.flatten(1)], 1), tensor.flatten(1) / 10


def inertia_shapes() -> tuple[Representation, Representation, tuple[Group, ...]]:
    """(input, output, groups): O(3) first, only evaluated and not penalised, then O(2) of xy, yz, xz."""
    groups = (orthogonal(3), *(plane_orthogonal(*plane) for plane in PLANES))
    return Representation(3, scalars=5, vectors=5), Representation(3, tensors=1), groups


def similarity(radius: float, lopsided: float, count: int, seed: int) -> Data:
    """Three vectors -> their mean cosine, minus radius x mean length (breaks scale), plus lopsided x mean |x| / length
    (breaks rotations)."""
    draw = torch.Generator().manual_seed(seed)
    place = torch.randn(count, 3, 3, generator=draw)
    length = place.norm(dim=2)
    unit = place / length[:, :, None]
    cosine = (unit @ unit.transpose(1, 2))[:, [0, 0, 1], [1, 2, 2]].mean(1)
    target = cosine - radius * length.mean(1) + lopsided * unit[:, :, 0].abs().mean(1)
    return place.flatten(1), target[:, None]


def similarity_shapes() -> tuple[Representation, Representation, tuple[Group, ...]]:
    """(input, output, groups): SO(3) and scale."""
    return Representation(3, vectors=3), Representation(3, scalars=1), (rotations(3), scale(3))


def field(eps: float, delta: float, count: int, seed: int, neighbours: int = 4) -> Data:
    """The force on a colloid from charged neighbours in the plane, F + eps J F + delta e_x.

    F is that of a Gaussian core (Stillinger 1976). Scalars are charges, vectors point to the neighbours. eps breaks
    reflections, delta rotations.
    """
    draw = torch.Generator().manual_seed(seed)
    charge = 0.5 + torch.rand(count, neighbours, generator=draw)
    offset = torch.randn(count, neighbours, 2, generator=draw)
    push = charge * torch.exp(-offset.square().sum(2) / 2)
    force = -(push[:, :, None] * offset).sum(1)
    turned = torch.stack([-force[:, 1], force[:, 0]], 1)
    target = force + eps * turned + delta * torch.tensor([1.0, 0.0])
    return torch.cat([charge, offset.flatten(1)], 1), target


def forecast(drift: float, count: int, seed: int, neighbours: int = 4, steps: int = 5, noise: float = 0.02) -> Data:
    """Displacement of a colloid among charged neighbours, in a flow that is not part of the input.

    Overdamped motion of all colloids (mobility 1, steps of 0.1, Brownian steps of rms `noise`), in a flow along x. The
    input has charges, offsets to the neighbours, and last displacements relative to the first colloid's. The input
    has no information on the flow; so the flow breaks rotations and keeps the reflection across it.
    """
    draw = torch.Generator().manual_seed(seed)
    charge = 0.5 + torch.rand(count, neighbours + 1, generator=draw)
    place = torch.cat([torch.zeros(count, 1, 2), torch.randn(count, neighbours, 2, generator=draw)], 1)

    def moved(at: Tensor) -> Tensor:
        offset = at[:, :, None] - at[:, None]  # [B, N, N, 2]
        push = charge[:, :, None] * charge[:, None] * torch.exp(-offset.square().sum(3) / 2)
        kick = noise * torch.randn(at.shape, generator=draw)
        return at + 0.1 * ((push[..., None] * offset).sum(2) + drift * torch.tensor([1.0, 0.0])) + kick

    before, now = place, moved(place)
    then = now
    for _ in range(steps):
        then = moved(then)
    last = now - before
    inputs = [charge, (now[:, 1:] - now[:, :1]).flatten(1), (last[:, 1:] - last[:, :1]).flatten(1)]
    return torch.cat(inputs, 1), (then - now)[:, 0]


def forecast_shapes(neighbours: int = 4) -> tuple[Representation, Representation, tuple[Group, ...]]:
    """(input, output, groups): O(2) first, only evaluated and not penalised, then SO(2) and the reflection of y."""
    groups = (orthogonal(2), rotations(2), reflection(2, 1))
    return Representation(2, scalars=neighbours + 1, vectors=2 * neighbours), Representation(2, vectors=1), groups


def field_shapes(neighbours: int = 4) -> tuple[Representation, Representation, tuple[Group, ...]]:
    """(input, output, groups): O(2) first, only evaluated and not penalised, then SO(2) and the reflection of y."""
    groups = (orthogonal(2), rotations(2), reflection(2, 1))
    return Representation(2, scalars=neighbours, vectors=neighbours), Representation(2, vectors=1), groups
