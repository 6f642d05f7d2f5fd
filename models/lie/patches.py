"""Synthetic patches of particles with imperfect optics: sheared, stretched, tilted, defocused.

Three kinds of the same size and brightness with different profiles: a filled bead, a shell, and a bead with a dark
halo. All are drawn in closed form.

They are for quick trials of a network and for tests, with exactly known optics. Classifiers for the instrument
are trained on patches that `tracking.patches` cuts from frames of a run, and tested with those of the simulated
microscope, whose light is distorted (`drivers/sim/camera`, `benchmarks/species`); such patches are never warped.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

KINDS = ("bead", "shell", "halo")
SIZE = 24


def profile(kind: Tensor, r: Tensor) -> Tensor:
    """Brightness [B, ...] at distances r [B, ...] in units of the particle's radius."""
    shape = [-1, *[1] * (r.dim() - 1)]
    bead = torch.exp(-0.5 * (r / 0.55) ** 2)
    shell = torch.exp(-0.5 * ((r - 0.75) / 0.22) ** 2)
    halo = (1 - 0.9 * r**2) * torch.exp(-0.5 * (r / 0.75) ** 2)
    kind = kind.view(shape)
    return torch.where(kind == 0, bead, torch.where(kind == 1, shell, halo))


def draw_patches(
    kind: Tensor, optics: Tensor, *, blur_px: float = 0.0, noise: float = 0.05, seed: int = 0, radius_px: float = 5.5
) -> Tensor:
    """[B, 1, 24, 24] for kinds [B] and optics [B, 2, 2] (sample to image); radii and positions vary slightly."""
    draw = torch.Generator().manual_seed(seed)
    count = len(kind)
    line = torch.arange(SIZE, dtype=torch.float32) - (SIZE - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    off = torch.rand(count, 2, generator=draw) - 0.5
    at = torch.stack([x, y], -1)[None] - off[:, None, None]  # [B, 24, 24, 2] px
    at = torch.einsum("bij,byxj->byxi", torch.linalg.inv(optics), at)
    radius = radius_px * (1 + 0.05 * torch.randn(count, 1, 1, generator=draw))
    image = profile(kind, at.norm(dim=-1) / radius)
    if blur_px:
        image = blurred(image, blur_px)
    bright = 1 + 0.1 * torch.randn(count, 1, 1, generator=draw)
    return (bright * image + noise * torch.randn(image.shape, generator=draw))[:, None]


def blurred(image: Tensor, sigma_px: float) -> Tensor:
    """A Gaussian blur of [B, H, W], a first-order model of defocus."""
    reach = math.ceil(3 * sigma_px)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma_px) ** 2)
    line = line / line.sum()
    image = torch.nn.functional.conv2d(image[:, None], line.view(1, 1, -1, 1), padding=(reach, 0))
    return torch.nn.functional.conv2d(image, line.view(1, 1, 1, -1), padding=(0, reach))[:, 0]


def straight(count: int) -> Tensor:
    """[B, 2, 2] perfect optics."""
    return torch.eye(2).repeat(count, 1, 1)


def crooked(count: int, seed: int, shear: float = 0.3, stretch: float = 1.4) -> Tensor:
    """[B, 2, 2] a shear up to `shear` and a stretch up to `stretch` along one direction, at any angle; det about 1."""
    draw = torch.Generator().manual_seed(seed)
    angle = math.pi * torch.rand(count, generator=draw)
    long = 1 + (stretch - 1) * (0.5 + 0.5 * torch.rand(count, generator=draw))
    lean = shear * (2 * torch.rand(count, generator=draw) - 1)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    wide = torch.diag_embed(torch.stack([long.sqrt(), 1 / long.sqrt()], 1))
    sheared = torch.eye(2).repeat(count, 1, 1)
    sheared[:, 0, 1] = lean
    return turn @ wide @ turn.transpose(1, 2) @ sheared
