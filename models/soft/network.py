"""A perceptron with soft symmetries, its penalties, and the automatic adjustment of their strengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from models.soft.groups import Group
from models.soft.layers import Bilinear, Gated, SoftLinear
from models.soft.representation import Representation


class SoftPerceptron(nn.Module):
    """Blocks of linear, bilinear, gate; then a last linear layer (SoftEMLP). Groups are candidates, none is imposed."""

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
        """[K] R_k of every group."""
        return torch.stack([self.penalty(k) for k in range(len(self.groups))])

    def penalty(self, group: int) -> Tensor:
        linear = torch.stack([layer.penalty(group) for layer in self.linears()]).sum()
        return linear + torch.stack([layer.penalty(group) for layer in self.bilinears()]).sum()

    def complements(self) -> Tensor:
        """[K] how many directions of the weights each group takes away."""
        return torch.tensor([sum(layer.complement(k) for layer in self.judged()) for k in range(len(self.groups))])

    def residue(self) -> Tensor:
        """sum w^2 of the gates' residues, which the penalties do not see."""
        return torch.stack([gate.residue.square().sum() for gate in self.blocks if isinstance(gate, Gated)]).sum()

    def project(self, group: int) -> None:
        """Make the network exactly equivariant to one group."""
        for layer in self.judged():
            layer.project(group)
        for gate in self.blocks:
            if isinstance(gate, Gated):
                gate.residue.data.zero_()


def adjusted(strength: Tensor, penalty: Tensor, power: float, real: Tensor | None = None) -> Tensor:
    """lambda_k / (R_k / min_j R_j)^p over the groups that are penalised at all (PER, section 4.3).

    The rule compares ratios only: it can't tell that all are kept from that all are broken alike. What is not `real`, a
    candidate that takes nothing away from any weight, has no penalty whatever the data are, and is left out.
    """
    asked = strength > 0
    if real is not None:
        asked = asked & real
    if not bool(asked.any()):
        return strength
    penalty = penalty.clamp(min=1e-20)  # what is kept exactly has none
    return torch.where(asked, strength / (penalty / penalty[asked].min()) ** power, strength)
