"""Outputs of our networks for the comparison with the authors' programs: same weights, same inputs, float64.

These programs are not part of this project. `oracles.json` records, for each comparison, the commit of the program,
hashes of the inputs and of our outputs (rounded to nine digits), and the largest difference between both outputs.
Weights and inputs come from NumPy seeds, and these functions reproduce them.

Intended differences in definition, which are not compared:
- PONITA in the plane: ponita-torch f3a35de sums the components of the perpendicular vector, which is not invariant
  under rotations; ponita a584aa2 is correct there, and its invariants are compared. Its fibre kernel uses the cosine
  only, ours of SE(2) also the sine.
- PONITA's grid: theirs is drawn at each construction and not stored in the checkpoint; ours is stored.
- SO(2): rgenn df54466 wraps the angle of its logarithm to [0, 2 pi), with a jump at the identity, scales it, and treats
  a sine below 1e-6 as zero; ours is the matrix logarithm. Polar and Cartan decompositions are compared.
- FA-GNN: theirs returns positions, drops the mean of the latent vectors at each new frame and does not add a layer's
  input to its output; `drop_centre`, `about_centre` and `residual` set this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from models.cloud import Cloud, cloud
from models.egnn import EGNN
from models.frames.network import FrameAveragingNetwork
from models.graph import all_edges, envelope
from models.lie.decomposition import log, polar
from models.ponita.invariants import spatial
from models.ponita.network import Ponita

GRAPHS, POINTS = 3, 5


def filled(network: nn.Module, seed: int) -> nn.Module:
    """Every weight from a normal distribution of width 1 / sqrt(fan in), in the order of their names."""
    draw = np.random.default_rng(seed)
    with torch.no_grad():
        for _, weight in sorted(network.named_parameters()):
            fan = weight.shape[-1] if weight.dim() > 1 else 4
            weight.copy_(torch.from_numpy(draw.normal(size=tuple(weight.shape)) / np.sqrt(fan)))
    return network.double().eval()


def charges(seed: int = 1) -> Cloud:
    """Three clouds of five charges, with velocities as vectors and q_i q_j on pairs."""
    draw = np.random.default_rng(seed)
    count = GRAPHS * POINTS
    place, speed = torch.from_numpy(draw.normal(size=(count, 3))), torch.from_numpy(draw.normal(size=(count, 1, 3)))
    charge = torch.from_numpy(draw.choice([-1.0, 1.0], count))
    edges = all_edges(POINTS, GRAPHS)
    return cloud(place, edges, speed, None, (charge[edges[0]] * charge[edges[1]])[:, None], GRAPHS)


def labelled(seed: int = 2) -> Cloud:
    """The same clouds with three scalars a point instead."""
    draw = np.random.default_rng(seed)
    count = GRAPHS * POINTS
    place, scalar = torch.from_numpy(draw.normal(size=(count, 3))), torch.from_numpy(draw.normal(size=(count, 3)))
    return cloud(place, all_edges(POINTS, GRAPHS), None, scalar, graphs=GRAPHS)


def egnn() -> EGNN:
    made = EGNN(vectors=1, attributes=1, width=16, layers=3)
    filled(made, 11)
    return made


def frames() -> FrameAveragingNetwork:
    made = FrameAveragingNetwork(dimension=3, width=12, layers=3, drop_centre=True, about_centre=True, residual=False)
    filled(made, 12)
    return made


def ponita(self_loops: bool = True) -> Ponita:
    made = Ponita(
        dimension=3, grid=12, scalars=3, scalars_out=2, vectors_out=1, width=10, layers=2, self_loops=self_loops
    )
    filled(made, 13)
    return made


def answers(network: nn.Module, seen: Cloud) -> Tensor:
    with torch.no_grad():
        found = network(seen)
    return torch.cat([found.vector.flatten(1), found.scalar], 1)


def offsets() -> tuple[Tensor, Tensor]:
    draw = np.random.default_rng(5)
    angle = draw.uniform(0, 6, 7)
    return torch.from_numpy(draw.normal(size=(20, 2))), torch.from_numpy(np.stack([np.cos(angle), np.sin(angle)], 1))


def plane_invariants() -> Tensor:
    gap, look = offsets()
    return spatial(gap[:, None], look, True)


def windows() -> Tensor:
    return envelope(torch.linspace(0, 2.5, 60, dtype=torch.float64), 2.0)


def matrices() -> Tensor:
    """A hundred 2 x 2 matrices with det > 0.1."""
    a = np.random.default_rng(6).normal(size=(400, 2, 2))
    return torch.from_numpy(a[np.linalg.det(a) > 0.1][:100])


def polar_parts() -> Tensor:
    return torch.cat(polar(matrices()))


def cartan_parts() -> Tensor:
    """log P, and R itself: the definitions of the logarithm of R differ."""
    return torch.cat([log(matrices())[0], polar(matrices())[1]])


OURS: dict[str, Callable[[], Tensor]] = {
    "EGNN with velocities": lambda: answers(egnn(), charges()),
    "FA-GNN with frames between layers": lambda: answers(frames(), charges()),
    "PONITA R3xS2, fibre bundle": lambda: answers(ponita(), labelled()),
    "PONITA R3xS2, without self-loops": lambda: answers(ponita(False), labelled()),
    "PONITA R2xS1, spatial invariants": plane_invariants,
    "polynomial window": windows,
    "GL+(2) polar decomposition": polar_parts,
    "GL+(2) Cartan decomposition, log P and R": cartan_parts,
}


def digest(value: Tensor, digits: int = 9) -> str:
    """SHA-256 of numbers rounded to this number of decimals (and without minus zero)."""
    return hashlib.sha256((np.round(value.numpy(), digits) + 0.0).tobytes()).hexdigest()


def input_digest() -> str:
    parts = [
        charges().position,
        charges().vector,
        charges().attribute,
        labelled().position,
        labelled().scalar,
        *offsets(),
        matrices(),
    ]
    return hashlib.sha256(b"".join(digest(part).encode() for part in parts)).hexdigest()
