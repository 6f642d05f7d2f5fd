"""A perceptron with soft symmetries, their penalties, and the automatic adjustment of their strengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from models.soft.groups import Group
from models.soft.layers import Bilinear, Gated, SoftLinear
from models.soft.representation import Representation


class SoftPerceptron(nn.Module):
    """Blocks of linear, bilinear and gate, then a linear layer (SoftEMLP). Groups are candidates; none is imposed."""

    def __init__(
        self,
        into: Representation,
        out: Representation,
        hidden: Representation,
        groups: Sequence[Group],
        layers: int = 3,
    ) -> None:
        super().__init__()
        self.groups = tuple(groups)
        blocks: list[nn.Module] = []
        at = into
        for index in range(layers):
            gate = Gated(hidden)
            blocks += [SoftLinear(at, gate.before, self.groups), Bilinear(gate.before, index, self.groups), gate]
            at = hidden
        self.blocks = nn.Sequential(*blocks, SoftLinear(at, out, self.groups))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.blocks(x))

    def linears(self) -> list[SoftLinear]:
        return [layer for layer in self.blocks if isinstance(layer, SoftLinear)]

    def bilinears(self) -> list[Bilinear]:
        return [layer for layer in self.blocks if isinstance(layer, Bilinear)]

    def judged(self) -> list[SoftLinear | Bilinear]:
        return [*self.linears(), *self.bilinears()]

    def penalties(self) -> Tensor:
        """[K] penalties R_k."""
        return torch.stack([self.penalty(k) for k in range(len(self.groups))])

    def penalty(self, group: int) -> Tensor:
        linear = torch.stack([layer.penalty(group) for layer in self.linears()]).sum()
        return linear + torch.stack([layer.penalty(group) for layer in self.bilinears()]).sum()

    def complements(self) -> Tensor:
        """[K] number of weight directions removed by each group."""
        return torch.tensor([sum(layer.complement(k) for layer in self.judged()) for k in range(len(self.groups))])

    def residue(self) -> Tensor:
        """Sum w^2 of the gates' residues, which are not in the penalties."""
        return torch.stack([gate.residue.square().sum() for gate in self.blocks if isinstance(gate, Gated)]).sum()

    def project(self, group: int) -> None:
        """Make the network exactly equivariant to one group."""
        for layer in self.judged():
            layer.project(group)
        for gate in self.blocks:
            if isinstance(gate, Gated):
                gate.residue.data.zero_()


def adjusted(strength: Tensor, penalty: Tensor, power: float, real: Tensor | None = None) -> Tensor:
    """lambda_k / (R_k / min_j R_j)^p for the groups with a strength above 0 (PER, section 4.3).

    The rule uses ratios only: it does not distinguish "all kept" from "all equally broken". Groups that are not `real`,
    which remove no weight direction, have a penalty of 0 for any data, and are left out.
    """
    penalised = strength > 0
    if real is not None:
        penalised = penalised & real
    if not bool(penalised.any()):
        return strength
    penalty = penalty.clamp(min=1e-20)  # 0 for an exactly kept group
    return torch.where(penalised, strength / (penalty / penalty[penalised].min()) ** power, strength)
