"""Unconstrained linear layers that can say how far they are from each symmetry, and the nonlinearities between them."""

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

Features = dict[str, Tensor]  # type -> [B, count, points, *shape of one]


class SoftLinear(nn.Linear):
    """y = W x + b, free; `penalty(k)` = |W - P_k W|^2 / 2 + |b - P_k b|^2 / 2 (PER, eq. 6)."""

    def __init__(self, into: Representation, out: Representation, groups: tuple[Group, ...]) -> None:
        super().__init__(into.size, out.size)
        nn.init.orthogonal_(self.weight)
        nn.init.zeros_(self.bias)
        one = Representation(into.dimension, scalars=1)
        self.weights: list[Projector] = [projector(group, into, out) for group in groups]
        self.biases: list[Projector] = [projector(group, one, out) for group in groups]

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
    """A product of two features, point by point."""

    name: str
    one: str
    other: str
    out: str
    of: Callable[[Tensor, Tensor], Tensor]

    def kept_by(self, group: Group) -> bool:
        """Is it as good to act on both as on what comes out? By random features and what generates the group."""
        draw = np.random.default_rng(0)
        low = [
            torch.from_numpy(draw.normal(size=(1, *shape(name, group.dimension)))) for name in (self.one, self.other)
        ]

        for element in group.elements():
            there = self.of(_moved(self.one, element, low[0]), _moved(self.other, element, low[1]))
            if float((there - _moved(self.out, element, self.of(*low))).abs().max()) > 1e-9:
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
DIRECTIONS = (  # the same as vv and tv, whatever the lengths
    Product("uu", "vector", "vector", "scalar", lambda a, b: (_unit(a) * _unit(b)).sum(-1)),
    Product("uv", "tensor", "vector", "vector", lambda a, b: _applied(_unit(a.flatten(-2)).view_as(a), b)),
)


class Bilinear(nn.Module):
    """x + 0.1 products of random pairs of features, each with a weight.

    PRODUCTS keep all of O(d). A candidate that changes lengths (scale) is broken by v . v -> scalar and T v -> vector:
    then their DIRECTIONS are there too, and what a group does not keep is penalised and begins at 1e-3, as residues do.
    """

    def __init__(self, rep: Representation, seed: int, groups: Sequence[Group] = ()) -> None:
        super().__init__()
        self.rep = rep
        draw = torch.Generator().manual_seed(seed)
        stretched = any(not product.kept_by(group) for group in groups for product in PRODUCTS)
        self.products = tuple(
            product for product in PRODUCTS + (DIRECTIONS if stretched else ()) if self._paired(product, draw)
        )
        self.broken = [[one.name for one in self.products if not one.kept_by(group)] for group in groups]
        for name in {name for broken in self.broken for name in broken}:
            self.weight(name).data.mul_(1e-3)

    def _paired(self, product: Product, draw: torch.Generator) -> bool:
        """Draw its pairs and weights; False where it has no features to work on."""
        one, other, out = (self.rep.counts[name] for name in (product.one, product.other, product.out))
        found = torch.stack([torch.randint(max(count, 1), (out,), generator=draw) for count in (one, other)])
        if not (one and other and out):
            return False
        self.register_buffer(product.name, found)
        self.register_parameter(f"{product.name}_weight", nn.Parameter(torch.randn(out, generator=draw)))
        return True

    def forward(self, x: Tensor) -> Tensor:
        given = split(self.rep, x)
        found = dict(given)
        for product in self.products:
            one, other = getattr(self, product.name)
            value = product.of(given[product.one][:, one], given[product.other][:, other])
            weight = self.weight(product.name).view(-1, *[1] * (value.dim() - 2))
            found[product.out] = found[product.out] + 0.1 * weight * value
        return joined(found)

    def weight(self, name: str) -> Tensor:
        found: Tensor = getattr(self, f"{name}_weight")
        return found

    def penalty(self, group: int) -> Tensor:
        """|w|^2 / 2 over the products that this group does not keep."""
        broken = [self.weight(name).square().sum() for name in self.broken[group]]
        return 0.5 * torch.stack(broken).sum() if broken else torch.zeros(())

    def complement(self, group: int) -> int:
        return sum(len(self.weight(name)) for name in self.broken[group])

    def project(self, group: int) -> None:
        """Make the layer equivariant to one group."""
        for name in self.broken[group]:
            self.weight(name).data.zero_()


class Gated(nn.Module):
    """Scalars: swish. Others: v sigmoid(gate), plus w swish(v), the residue that no rotation keeps.

    The residue's weight begins at 1e-3 and is penalised (PER, section 4); it is what lets the network leave a symmetry
    that the data do not have.
    """

    def __init__(self, rep: Representation) -> None:
        super().__init__()
        if rep.positions:
            raise ValueError("a hidden layer can't hold positions: a gate would change the 1 of (x, 1)")
        self.rep = rep
        self.residue = nn.Parameter(torch.full((rep.odd + rep.vectors + rep.tensors,), 1e-3))

    @property
    def before(self) -> Representation:
        """What it reads: one more scalar, the gate, for each feature that is no scalar."""
        return replace(self.rep, scalars=self.rep.scalars + len(self.residue))

    def forward(self, x: Tensor) -> Tensor:
        found = split(self.before, x)
        scalar, gate = found["scalar"][:, : self.rep.scalars], torch.sigmoid(found["scalar"][:, self.rep.scalars :])
        at = 0
        for name in [name for name in found if name != "scalar"]:
            value = found[name]
            mine = slice(at, at := at + value.shape[1])
            more = [1] * (value.dim() - 3)
            residue = self.residue[mine].view(-1, 1, *more) * functional.silu(value)
            found[name] = value * gate[:, mine].view(*gate[:, mine].shape, *more) + residue
        return joined(found | {"scalar": functional.silu(scalar)})


def split(rep: Representation, x: Tensor) -> Features:
    """[B, size] -> each type that there is, [B, count, points, *shape]."""
    return {
        block.type: x[:, block.start : block.stop].reshape(
            len(x), block.count, rep.points, *shape(block.type, rep.dimension)
        )
        for block in rep.blocks()
    }


def joined(found: Features) -> Tensor:
    """The other way about."""
    return torch.cat([value.flatten(1) for value in found.values()], 1)
