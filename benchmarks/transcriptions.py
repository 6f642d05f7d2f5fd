"""The equations of the papers, unchanged, in eager PyTorch: the reference for the networks of models/.

Same weights, same outputs, not optimised: every edge layer on the concatenation of its inputs, frames one after
another, PONITA's kernels for every directed edge and orientation, the einsum of the paper for the fibre. Quantities
that are equal in all layers (distances, Gaussians and window, where coordinates are fixed) are computed once, as usual.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from models.cloud import Cloud
from models.egnn import EGNN
from models.frames.average import FrameAveraged
from models.frames.message import MessagePassing, Round
from models.ponita.convolution import ConvNextBlock
from models.ponita.network import Ponita


def edges(position: Tensor, radius: float) -> Tensor:
    """All pairs nearer than `radius`, both ways: [2, E]."""
    near = torch.cdist(position, position) < radius
    return (near & ~torch.eye(len(position), dtype=torch.bool)).nonzero().T


def window(distance: Tensor, radius: float, p: int = 6) -> Tensor:
    u = distance / radius
    fade = 1 - (p + 1) * (p + 2) / 2 * u**p + p * (p + 2) * u ** (p + 1) - p * (p + 1) / 2 * u ** (p + 2)
    return fade * (u < 1)


def scatter(value: Tensor, index: Tensor, rows: int) -> Tensor:
    out = torch.zeros(rows, *value.shape[1:], dtype=value.dtype)
    wide = index.view(-1, *[1] * (value.dim() - 1)).expand_as(value)
    return out.scatter_add(0, wide, value)


def egnn(network: EGNN, seen: Cloud) -> Tensor:
    """EGNN with a cut-off: [N, d]."""
    assert network.cutoff is not None
    i, j = seen.receiver, seen.sender
    h: Tensor = network.embedding(network._features(seen))
    force = torch.zeros_like(seen.position)
    apart = seen.position[i] - seen.position[j]
    distance = apart.norm(dim=1)
    fade = window(distance, network.cutoff)[:, None]
    radial = torch.exp(-network.radial.sharpness * (distance[:, None] - network.radial.centre) ** 2)
    shown = torch.cat([(distance**2)[:, None] / network.cutoff**2, seen.attribute, radial], 1)
    for layer in network._rounds():
        edge = torch.cat([h[i], h[j], shown], 1)
        m = functional.silu(layer.edge_second(functional.silu(layer.edge_first(edge))))
        force = force + scatter(apart / network.cutoff * layer.reach(m) * fade, i, seen.points)
        if layer.push is not None:
            force = force + (layer.push(h)[:, :, None] * seen.vector).sum(1)
        h = h + layer.node(torch.cat([h, scatter(m * fade, i, seen.points)], 1))
    return force


def message_passing(network: MessagePassing, seen: Cloud) -> Tensor:
    """The backbone of the frames, with a cut-off: [N, d]."""
    assert network.cutoff is not None
    i, j = seen.receiver, seen.sender
    place = [seen.position] if network.places else []
    one = torch.ones(seen.points, 1, dtype=seen.position.dtype)
    h = network.embedding(torch.cat([*place, seen.vector.flatten(1), seen.scalar, one], 1))
    gap = seen.position[j] - seen.position[i]
    distance = gap.norm(dim=1)
    fade = window(distance, network.cutoff)[:, None]
    radial = torch.exp(-network.radial.sharpness * (distance[:, None] - network.radial.centre) ** 2)
    shown = torch.cat([(distance**2)[:, None] / network.cutoff**2, seen.attribute, radial, gap / network.cutoff], 1)
    for layer in cast(list[Round], list(network.rounds)):
        edge = torch.cat([h[i], h[j], shown], 1)
        m = functional.silu(layer.edge_second(functional.silu(layer.edge_first(edge)))) * fade
        h = h + layer.node(torch.cat([h, scatter(m, i, seen.points)], 1))
    return torch.as_tensor(network.decoder(h))[:, : seen.dimension]


def gated_frames(network: FrameAveraged, seen: Cloud) -> Tensor:
    """s FA(X) + (1 - s) EGNN(X), frame by frame, for one cloud: [N, d]."""
    apart = seen.position - seen.position.mean(0)
    spectrum, axes = torch.linalg.eigh(apart.T @ apart)
    mean = torch.zeros_like(seen.position)
    for one in (1.0, -1.0):
        for other in (1.0, -1.0):
            turn = axes * torch.tensor([one, other], dtype=axes.dtype)
            posed = Cloud(apart @ turn, seen.vector @ turn, seen.scalar, seen.receiver, seen.sender, seen.attribute,
                          seen.graph)  # fmt: skip
            mean = mean + message_passing(cast(MessagePassing, network.backbone), posed) @ turn.T / 4
    gap = ((spectrum[1] - spectrum[0]) / spectrum.sum() / 0.15).clamp(0, 1)
    share = gap * gap * (3 - 2 * gap)
    if share == 1:
        return mean
    return torch.as_tensor(share * mean + (1 - share) * egnn(cast(EGNN, network.fallback), seen))


def ponita(network: Ponita, seen: Cloud) -> Tensor:
    """PONITA on a grid, for all directed edges and self-loops: [N, d]."""
    assert network.cutoff is not None
    every = torch.arange(seen.points)
    i, j = torch.cat([seen.receiver, every]), torch.cat([seen.sender, every])
    gap = seen.position[j] - seen.position[i]
    grid = network.grid
    along = (gap[:, None] * grid[None]).sum(2)
    if grid.shape[1] == 3:
        across = (gap[:, None] - along[:, :, None] * grid[None]).norm(dim=2)
    else:
        across = gap[:, None, 1] * grid[None, :, 0] - gap[:, None, 0] * grid[None, :, 1]
        across = across if network.chiral else across.abs()
    shown = torch.stack([along, across], 2) / network.length
    distance = gap.norm(dim=1)
    radial = torch.exp(-network.radial.sharpness * (distance[:, None] - network.radial.centre) ** 2)
    basis = network.spatial_basis
    terms = [basis.monomials(shown)]
    if radial.shape[1]:
        terms.append(radial[:, None].expand(-1, len(grid), -1))
    k = functional.gelu(basis.second(functional.gelu(basis.first(torch.cat(terms, 2)))))
    k = k * window(distance, network.cutoff)[:, None, None]
    cos = grid @ grid.T
    turned = torch.stack([cos, grid[:, None, 0] * grid[None, :, 1] - grid[:, None, 1] * grid[None, :, 0]], 2)
    assert network.fibre_basis is not None
    across_basis = network.fibre_basis(turned if network.chiral and grid.shape[1] == 2 else cos[:, :, None])
    x = network.embedding(network.lifted(seen))
    reads = []
    for block, read in zip(cast(list[ConvNextBlock], list(network.blocks)), network.reads, strict=True):
        conv = block.convolution
        x1 = scatter(conv.kernel(k) * x[j], i, seen.points)
        x2 = torch.einsum("boc,poc->bpc", x1, conv.fibre_kernel(across_basis)) / len(grid) + conv.bias
        y = block.narrow(functional.gelu(block.widen(block.norm(x2))))
        x = x + (y if block.scale is None else block.scale * y)
        reads.append(read(x))
    out = torch.as_tensor(sum(reads)) / len(reads)
    return (out[:, :, network.scalars_out, None] * grid).mean(1)
