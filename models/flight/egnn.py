"""A local EGNN for real time."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.cloud import Cloud
from models.egnn import EGNN
from models.flight.kernels import ROWS, Reals, Weights, forces


class EgnnFlight:
    """An EGNN with a cut-off that reads scalars only; called with one paired cloud, returns [N, d]."""

    def __init__(self, network: EGNN) -> None:
        assert network.cutoff is not None
        lift, radial, rounds = network.embedding, network.radial, network._rounds()
        width = rounds[0].edge_first.width
        pair_features = 1 + len(radial.centre)

        def number(value: float) -> Tensor:
            return lift.weight.new_tensor([value])

        def packed(tensors: list[Tensor]) -> Reals:
            """[L, ...] of matrices [W, ...] and biases [W], padded with zeros to multiples of `ROWS`."""
            return np.stack([padded(tensor) for tensor in tensors])

        first = [layer.edge_first.weight for layer in rounds]
        reach = [cast(nn.Linear, layer.reach[0]) for layer in rounds]
        last = [cast(nn.Linear, layer.reach[2]).weight[0] for layer in rounds]
        inner = [cast(nn.Linear, layer.node[0]) for layer in rounds]
        node = [cast(nn.Linear, layer.node[2]) for layer in rounds]
        self.weights = Weights(
            lift=padded(lift.weight[:, :-1]),
            lift_bias=padded(lift.weight[:, -1] + lift.bias),  # a constant is the last input
            per_cutoff=whole(number(1 / network.cutoff)),
            sharpness=whole(number(radial.sharpness)),
            centre=whole(radial.centre),
            own=packed([weight[:, 2 * width : 2 * width + pair_features] for weight in first]),
            own_bias=packed([layer.edge_first.bias for layer in rounds]),
            here=packed([weight[:, :width] for weight in first]),
            there=packed([weight[:, width : 2 * width] for weight in first]),
            second=packed([layer.edge_second.weight for layer in rounds]),
            second_bias=packed([layer.edge_second.bias for layer in rounds]),
            reach=packed([linear.weight for linear in reach]),
            reach_bias=packed([linear.bias for linear in reach]),
            last=packed(last),
            known=packed([linear.weight[:, :width] for linear in inner]),
            known_bias=packed([linear.bias for linear in inner]),
            heard=packed([linear.weight[:, width:] for linear in inner]),
            node=packed([linear.weight for linear in node]),
            node_bias=packed([linear.bias for linear in node]),
        )

    def __call__(self, cloud: Cloud) -> Tensor:
        half = len(cloud.receiver) // 2
        receiver, sender = cloud.receiver.numpy()[:half], cloud.sender.numpy()[:half]
        return torch.from_numpy(forces(cloud.position.numpy(), cloud.scalar.numpy(), receiver, sender, self.weights))


def padded(value: Tensor) -> Reals:
    """A copy with zeros to the next multiple of `ROWS`, in each dimension."""
    copy = np.zeros([-(-size // ROWS) * ROWS for size in value.shape], whole(value).dtype)
    copy[tuple(slice(size) for size in value.shape)] = whole(value)
    return copy


def whole(value: Tensor | Reals) -> Reals:
    """A contiguous copy as an array."""
    return np.array(value.detach().numpy() if isinstance(value, Tensor) else value, order="C")
