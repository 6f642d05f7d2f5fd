"""Unconstrained linear layers with a penalty for each broken symmetry, and the nonlinearities between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.soft.groups import Group
from models.soft.projector import Projector, projector
from models.soft.representation import Element, Representation, matrix, shape

Features = dict[str, Tensor]  # type -> [B, count, points, *shape of a feature]


class SoftLinear(nn.Linear):
    """y = W x + b without constraints; `penalty(k)` = |W - P_k W|^2 / 2 + |b - P_k b|^2 / 2 (PER, eq. 6)."""

    def __init__(self, into: Representation, out: Representation, groups: tuple[Group, ...]) -> None:
        super().__init__(into.size, out.size)
        nn.init.orthogonal_(self.weight)
        nn.init.zeros_(self.bias)
        constant = Representation(into.dimension, scalars=1)
        self.weights: list[Projector] = [projector(group, into, out) for group in groups]
        self.biases: list[Projector] = [projector(group, constant, out) for group in groups]

    def penalty(self, group: int) -> Tensor:
        weight, bias = self.weight, self.bias[:, None]
        away = (weight - self.weights[group](weight)).square().sum()
        return 0.5 * (away + (bias - self.biases[group](bias)).square().sum())

    def complement(self, group: int) -> int:
        return self.weights[group].complement + self.biases[group].complement

    def project(self, group: int) -> None:
        """Make the layer equivariant to one group."""
        self.weight.data = self.weights[group](self.weight.data)
        self.bias.data = self.biases[group](self.bias.data[:, None])[:, 0]


@dataclass(frozen=True)
class Product:
    """A pointwise product of two features."""

    name: str
    left: str
    right: str
    out: str
    of: Callable[[Tensor, Tensor], Tensor]

    def kept_by(self, group: Group) -> bool:
        """Whether it is equivariant to the group; tested with random features and the generators of the group."""
        draw = np.random.default_rng(0)
        low = [
            torch.from_numpy(draw.normal(size=(1, *shape(name, group.dimension)))) for name in (self.left, self.right)
        ]

        for element in group.elements():
            product = self.of(_moved(self.left, element, low[0]), _moved(self.right, element, low[1]))
            if float((product - _moved(self.out, element, self.of(*low))).abs().max()) > 1e-9:
                return False
        return True


def _moved(name: str, element: Element, value: Tensor) -> Tensor:
    rho = torch.from_numpy(matrix(name, element, 1))
    return (value.reshape(1, -1) @ rho.T).reshape(value.shape)


def _unit(x: Tensor) -> Tensor:
    return functional.normalize(x, dim=-1, eps=1e-12)


def _applied(tensor: Tensor, vector: Tensor) -> Tensor:
    return (tensor @ vector[..., None])[..., 0]


PRODUCTS = (
    Product("ss", "scalar", "scalar", "scalar", lambda a, b: a * b),
    Product("vv", "vector", "vector", "scalar", lambda a, b: (a * b).sum(-1)),
    Product("sv", "scalar", "vector", "vector", lambda a, b: a[..., None] * b),
    Product("tv", "tensor", "vector", "vector", _applied),
    Product("vvt", "vector", "vector", "tensor", lambda a, b: a[..., :, None] * b[..., None, :]),
    Product("st", "scalar", "tensor", "tensor", lambda a, b: a[..., None, None] * b),
    Product("oo", "odd", "odd", "scalar", lambda a, b: a * b),
    Product("so", "scalar", "odd", "odd", lambda a, b: a * b),
)
DIRECTIONS = (  # as vv and tv, but independent of lengths
    Product("uu", "vector", "vector", "scalar", lambda a, b: (_unit(a) * _unit(b)).sum(-1)),
    Product("uv", "tensor", "vector", "vector", lambda a, b: _applied(_unit(a.flatten(-2)).view_as(a), b)),
)


class Bilinear(nn.Module):
    """x + 0.1 weighted products of random pairs of features.

    PRODUCTS are equivariant to O(d). For a candidate group that changes lengths (scale), v . v -> scalar and
    T v -> vector are not equivariant: then DIRECTIONS are added. Products that are not equivariant to a candidate group
    are penalised, and their initial weights are multiplied by 1e-3.
    """

    def __init__(self, rep: Representation, seed: int, groups: Sequence[Group] = ()) -> None:
        super().__init__()
        self.rep = rep
        draw = torch.Generator().manual_seed(seed)
        stretched = any(not product.kept_by(group) for group in groups for product in PRODUCTS)
        self.products = tuple(
            product for product in PRODUCTS + (DIRECTIONS if stretched else ()) if self._paired(product, draw)
        )
        self.broken = [[product.name for product in self.products if not product.kept_by(group)] for group in groups]
        for name in {name for broken in self.broken for name in broken}:
            self.weight(name).data.mul_(1e-3)

    def _paired(self, product: Product, draw: torch.Generator) -> bool:
        """Draw pairs and weights of a product. False if there are no features for it."""
        left, right, out = (self.rep.counts[name] for name in (product.left, product.right, product.out))
        pairs = torch.stack([torch.randint(max(count, 1), (out,), generator=draw) for count in (left, right)])
        if not (left and right and out):
            return False
        self.register_buffer(product.name, pairs)
        self.register_parameter(f"{product.name}_weight", nn.Parameter(torch.randn(out, generator=draw)))
        return True

    def forward(self, x: Tensor) -> Tensor:
        given = split(self.rep, x)
        result = dict(given)
        for product in self.products:
            left, right = getattr(self, product.name)
            value = product.of(given[product.left][:, left], given[product.right][:, right])
            weight = self.weight(product.name).view(-1, *[1] * (value.dim() - 2))
            result[product.out] = result[product.out] + 0.1 * weight * value
        return joined(result)

    def weight(self, name: str) -> Tensor:
        weight: Tensor = getattr(self, f"{name}_weight")
        return weight

    def penalty(self, group: int) -> Tensor:
        """|w|^2 / 2 over the products that are not equivariant to the group."""
        broken = [self.weight(name).square().sum() for name in self.broken[group]]
        return 0.5 * torch.stack(broken).sum() if broken else torch.zeros(())

    def complement(self, group: int) -> int:
        return sum(len(self.weight(name)) for name in self.broken[group])

    def project(self, group: int) -> None:
        """Make the layer equivariant to one group."""
        for name in self.broken[group]:
            self.weight(name).data.zero_()


class Gated(nn.Module):
    """Scalars: swish. Others: v sigmoid(gate), plus the residue w swish(v), which breaks rotations.

    The residue's weight starts at 1e-3 and is penalised (PER, section 4). It lets the network leave a symmetry that the
    data do not have.
    """

    def __init__(self, rep: Representation) -> None:
        super().__init__()
        if rep.positions:
            raise ValueError("a hidden layer can't hold positions: a gate would change the 1 of (x, 1)")
        self.rep = rep
        self.residue = nn.Parameter(torch.full((rep.odd + rep.vectors + rep.tensors,), 1e-3))

    @property
    def before(self) -> Representation:
        """The input: with one more scalar, the gate, for each feature that is not a scalar."""
        return replace(self.rep, scalars=self.rep.scalars + len(self.residue))

    def forward(self, x: Tensor) -> Tensor:
        features = split(self.before, x)
        scalars = features["scalar"]
        scalar, gate = scalars[:, : self.rep.scalars], torch.sigmoid(scalars[:, self.rep.scalars :])
        at = 0
        for name in [name for name in features if name != "scalar"]:
            value = features[name]
            own_part = slice(at, at := at + value.shape[1])
            more = [1] * (value.dim() - 3)
            residue = self.residue[own_part].view(-1, 1, *more) * functional.silu(value)
            features[name] = value * gate[:, own_part].view(*gate[:, own_part].shape, *more) + residue
        return joined(features | {"scalar": functional.silu(scalar)})


def split(rep: Representation, x: Tensor) -> Features:
    """[B, size] -> features of each type present, [B, count, points, *shape]."""
    return {
        block.type: x[:, block.start : block.stop].reshape(
            len(x), block.count, rep.points, *shape(block.type, rep.dimension)
        )
        for block in rep.blocks()
    }


def joined(features: Features) -> Tensor:
    """The inverse of `split`."""
    return torch.cat([value.flatten(1) for value in features.values()], 1)
