"""Unconstrained linear layers that can say how far they are from each symmetry, and the nonlinearities between them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.soft.groups import Group
from models.soft.projector import Projector, projector
from models.soft.representation import Representation


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


class Bilinear(nn.Module):
    """x + 0.1 products of random pairs of features: s s, v . v -> scalar; s v, T v -> vector; v v, s T -> tensor.

    Each pair has a weight. Equivariant to all of O(d), so that it breaks nothing that the linear layers keep.
    """

    def __init__(self, rep: Representation, seed: int) -> None:
        super().__init__()
        self.rep = rep
        draw = torch.Generator().manual_seed(seed)

        def pairs(name: str, one: int, other: int, out: int) -> None:
            found = torch.stack([torch.randint(max(count, 1), (out,), generator=draw) for count in (one, other)])
            self.register_buffer(name, found)
            present = one and other and out
            self.register_parameter(
                f"{name}_weight", nn.Parameter(torch.randn(out, generator=draw)) if present else None
            )

        s, v, t = rep.scalars, rep.vectors, rep.tensors
        pairs("ss", s, s, s)
        pairs("vv", v, v, s)
        pairs("sv", s, v, v)
        pairs("tv", t, v, v)
        pairs("vvt", v, v, t)
        pairs("st", s, t, t)

    def forward(self, x: Tensor) -> Tensor:
        s, v, t = split(self.rep, x)
        scalar = self._sum(s, ("ss", lambda a, b: s[:, a] * s[:, b]), ("vv", lambda a, b: (v[:, a] * v[:, b]).sum(2)))
        vector = self._sum(v, ("sv", lambda a, b: s[:, a, None] * v[:, b]),
                           ("tv", lambda a, b: (t[:, a] @ v[:, b, :, None])[..., 0]))  # fmt: skip
        tensor = self._sum(t, ("vvt", lambda a, b: v[:, a, :, None] * v[:, b, None]),
                           ("st", lambda a, b: s[:, a, None, None] * t[:, b]))  # fmt: skip
        return torch.cat([scalar, vector.flatten(1), tensor.flatten(1)], 1)

    def _sum(self, x: Tensor, *terms: tuple[str, object]) -> Tensor:
        for name, product in terms:
            weight = getattr(self, f"{name}_weight")
            if weight is not None:
                one, other = getattr(self, name)
                value = product(one, other)  # type: ignore[operator]
                x = x + 0.1 * weight.view(-1, *[1] * (value.dim() - 2)) * value
        return x


class Gated(nn.Module):
    """Scalars: swish. Vectors and tensors: v sigmoid(gate), plus w swish(v), the residue that no rotation keeps.

    The residue's weight begins at 1e-3 and is penalised (PER, section 4); it is what lets the network leave a symmetry
    that the data do not have.
    """

    def __init__(self, rep: Representation) -> None:
        super().__init__()
        self.rep = rep
        self.residue = nn.Parameter(torch.full((rep.vectors + rep.tensors,), 1e-3))

    @property
    def before(self) -> Representation:
        """What it reads: one more scalar, the gate, for each vector and tensor."""
        rep = self.rep
        return Representation(rep.dimension, rep.scalars + rep.vectors + rep.tensors, 0, rep.vectors, rep.tensors)

    def forward(self, x: Tensor) -> Tensor:
        s, v, t = split(self.before, x)
        keep = self.rep.scalars
        gate = torch.sigmoid(s[:, keep:])
        residue = self.residue
        vector = v * gate[:, : self.rep.vectors, None] + residue[: self.rep.vectors, None] * functional.silu(v)
        tensor = t * gate[:, self.rep.vectors :, None, None]
        tensor = tensor + residue[self.rep.vectors :, None, None] * functional.silu(t)
        return torch.cat([functional.silu(s[:, :keep]), vector.flatten(1), tensor.flatten(1)], 1)


def split(rep: Representation, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """[B, size] -> scalars [B, s], vectors [B, v, d], tensors [B, t, d, d]."""
    d, s, v, t = rep.dimension, rep.scalars, rep.vectors, rep.tensors
    vector = x[:, s : s + v * d].reshape(len(x), v, d)
    return x[:, :s], vector, x[:, s + v * d : s + v * d + t * d * d].reshape(len(x), t, d, d)
