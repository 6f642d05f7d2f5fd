"""Point clouds, motions and symmetry errors for the tests of the models."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from models.cloud import Cloud, PointFeatures, cloud, moved
from models.graph import radius_edges


def random_cloud(seed: int, points: int = 60, dimension: int = 2, radius: float = 1.0, attributes: int = 0) -> Cloud:
    """Points with about ten neighbours each, and with one vector and two scalars each."""
    draw = np.random.default_rng(seed)
    side = (points / (10 / (math.pi if dimension == 2 else 4.19))) ** (1 / dimension)
    position = draw.uniform(0, side, (points, dimension))
    edges = radius_edges(position, radius)
    return cloud(
        torch.from_numpy(position),
        edges,
        torch.from_numpy(draw.normal(size=(points, 1, dimension))),
        torch.from_numpy(draw.normal(size=(points, 2))),
        torch.from_numpy(np.tile(draw.normal(size=(edges.shape[1] // 2, attributes)), (2, 1))),
    )


def hexagonal(shells: int = 3) -> Tensor:
    """A perfect hexagonal patch of 1 + 3 s (s + 1) points, spacing 1."""
    along = range(-shells, shells + 1)
    return torch.tensor(
        [(a + b / 2, b * math.sqrt(3) / 2) for a in along for b in along if abs(a + b) <= shells], dtype=torch.float64
    )


def randomised(network: nn.Module, seed: int = 0, scale: float = 0.3) -> nn.Module:
    """Weights far from zero, so that no symmetry holds only because the output vanishes."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            fan = weight.shape[-1] if weight.dim() > 1 else 1
            size = scale * math.sqrt(10 / fan) if weight.dim() > 1 else scale
            weight.copy_(size * torch.randn(weight.shape, generator=draw))
    return network.eval()


def random_motion(seed: int, dimension: int, mirror: bool) -> tuple[Tensor, Tensor]:
    """A rotation [d, d], combined with a reflection if `mirror`, and a shift [d]."""
    draw = np.random.default_rng(seed)
    turn = np.linalg.qr(draw.normal(size=(dimension, dimension)))[0]
    if (np.linalg.det(turn) < 0) != mirror:
        turn[:, 0] *= -1
    return torch.from_numpy(turn), torch.from_numpy(draw.normal(size=dimension))


def turn_by(angle_rad: float) -> Tensor:
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return torch.tensor([[cos, -sin], [sin, cos]])


def relative(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def broken(network: Callable[[Cloud], PointFeatures], seen: Cloud, rotation: Tensor, shift: Tensor) -> float:
    """||f(g X) - g f(X)|| / ||f(X)||, the maximum for vectors and scalars; asserts that f depends on its input."""
    with torch.no_grad():
        here, there = network(seen), network(moved(seen, rotation, shift))
    assert alive(network, seen)
    errors = [relative(there.vector, here.vector @ rotation.T)] if here.vector.numel() else []
    return max(errors + ([relative(there.scalar, here.scalar)] if here.scalar.numel() else []))


def alive(network: Callable[[Cloud], PointFeatures], seen: Cloud) -> bool:
    """The output is not zero, and it changes when one point moves."""
    with torch.no_grad():
        here = network(seen)
        place = seen.position.clone()
        place[0] += 0.05
        there = network(replace(seen, position=place))
    sizes = [(one.norm(), (one - other).norm()) for one, other in zip(_parts(here), _parts(there), strict=True)]
    return all(bool(size > 1e-3) and bool(change > 1e-6 * size) for size, change in sizes)


def _parts(answer: PointFeatures) -> list[Tensor]:
    return [part for part in (answer.vector, answer.scalar) if part.numel()]


def permuted(seen: Cloud, order: Tensor) -> Cloud:
    """The same cloud with point k renamed to order[k]."""
    back = torch.argsort(order)
    return replace(
        seen,
        position=seen.position[back],
        vector=seen.vector[back],
        scalar=seen.scalar[back],
        receiver=order[seen.receiver],
        sender=order[seen.sender],
    )


def order_broken(network: Callable[[Cloud], PointFeatures], seen: Cloud, seed: int = 0) -> float:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(seen.points))
    back = torch.argsort(order)
    with torch.no_grad():
        here, there = network(seen), network(permuted(seen, order))
    pairs = zip(_parts(there), _parts(here), strict=True)
    return max(relative(found, wanted[back]) for found, wanted in pairs)
