"""A local EGNN as it flies."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.cloud import Cloud
from models.egnn import EGNN
from models.flight.kernels import ROWS, Reals, Weights, forces


class EgnnFlight:
    """An EGNN with a cut-off that reads scalars only, on one paired cloud: [N, d]."""

    def __init__(self, network: EGNN) -> None:
        assert network.cutoff is not None
        lift, radial, rounds = network.embedding, network.radial, network._rounds()
        width = rounds[0].edge_first.width
        shown = 1 + len(radial.centre)

        def number(value: float) -> Tensor:
            return lift.weight.new_tensor([value])

        def packed(tensors: list[Tensor]) -> Reals:
            """[L, ...] of matrices [W, ...] and biases [W], with rows and columns of nothing to whole `ROWS`."""
            return np.stack([padded(one) for one in tensors])

        first = [layer.edge_first.weight for layer in rounds]
        reach = [cast(nn.Linear, layer.reach[0]) for layer in rounds]
        last = [cast(nn.Linear, layer.reach[2]).weight[0] for layer in rounds]
        inner = [cast(nn.Linear, layer.node[0]) for layer in rounds]
        node = [cast(nn.Linear, layer.node[2]) for layer in rounds]
        self.weights = Weights(
            lift=padded(lift.weight[:, :-1]),
            lift_bias=padded(lift.weight[:, -1] + lift.bias),  # a constant is shown too
            per_cutoff=whole(number(1 / network.cutoff)),
            sharpness=whole(number(radial.sharpness)),
            centre=whole(radial.centre),
            own=packed([one[:, 2 * width : 2 * width + shown] for one in first]),
            own_bias=packed([layer.edge_first.bias for layer in rounds]),
            here=packed([one[:, :width] for one in first]),
            there=packed([one[:, width : 2 * width] for one in first]),
            second=packed([layer.edge_second.weight for layer in rounds]),
            second_bias=packed([layer.edge_second.bias for layer in rounds]),
            reach=packed([one.weight for one in reach]),
            reach_bias=packed([one.bias for one in reach]),
            last=packed(last),
            known=packed([one.weight[:, :width] for one in inner]),
            known_bias=packed([one.bias for one in inner]),
            heard=packed([one.weight[:, width:] for one in inner]),
            node=packed([one.weight for one in node]),
            node_bias=packed([one.bias for one in node]),
        )

    def __call__(self, seen: Cloud) -> Tensor:
        half = len(seen.receiver) // 2
        one, other = seen.receiver.numpy()[:half], seen.sender.numpy()[:half]
        return torch.from_numpy(forces(seen.position.numpy(), seen.scalar.numpy(), one, other, self.weights))


def padded(value: Tensor) -> Reals:
    """A copy with zeros to the next multiple of `ROWS`, in each dimension."""
    found = np.zeros([-(-size // ROWS) * ROWS for size in value.shape], whole(value).dtype)
    found[tuple(slice(size) for size in value.shape)] = whole(value)
    return found


def whole(value: Tensor | Reals) -> Reals:
    """A copy of its own, contiguous."""
    return np.array(value.detach().numpy() if isinstance(value, Tensor) else value, order="C")
