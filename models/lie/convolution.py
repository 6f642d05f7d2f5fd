"""Lifting and group convolution on R^2 x| H, H = GL+(2) or SL(2), by Monte Carlo over H and SIREN kernels.

lift:  (f * k)(x, A)  = sum_y f(y) k(A^-1 (y - x)) |det A^-1|
group: (f * k)(x, A)  = 1/G sum_B sum_y f(y, B) k(A^-1 (y - x), xi^-1(A^-1 B)) / |det B|

The sum over B has a factor 1/|det B| on its own, input, index (the authors' code divides on the output index, which is
the same for SL(2) only). Kernels live on the unit disc of the warped coordinates. Those of `LocalConvolution` live, in
H, so near the identity that of all the samples B = A alone is met: nothing is left of the sum's noise, and a network
of such layers is as many plain ones as there are samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lie.decomposition import coordinates


class Siren(nn.Module):
    """sin(w0 (W x + b)) twice, then linear (Sitzmann et al., NeurIPS 2020), with their initial weights."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 40, frequency: float = 10.0) -> None:
        super().__init__()
        self.frequency = frequency
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, outputs)
        with torch.no_grad():
            self.first.weight.uniform_(-1 / inputs, 1 / inputs)
            bound = math.sqrt(6 / hidden)
            self.second.weight.uniform_(-bound / frequency, bound / frequency)
            self.last.weight.uniform_(-bound, bound)  # the kernel begins with unit variance

    def forward(self, x: Tensor) -> Tensor:
        inner = torch.sin(self.frequency * self.first(x))
        inner = torch.sin(self.frequency * self.second(inner))
        out: Tensor = self.last(inner)
        return out


def grid(size: int) -> Tensor:
    """[size, size, 2] (x, y) of a kernel's taps: the middles of the pixels that fill the square from -1 to 1."""
    line = torch.linspace(-1, 1, size) * (1 - 1 / size)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1)


def disc(u: Tensor) -> Tensor:
    """1 inside the unit disc, falling smoothly to 0 at its rim."""
    return torch.sigmoid(20 * (0.9 - u.norm(dim=-1)))


class Lift(nn.Module):
    """Images [B, C, H, W] -> functions on the group [B, G, C', H', W'], without padding."""

    def __init__(self, channels: int, out: int, size: int, special: bool) -> None:
        super().__init__()
        self.channels, self.out, self.size, self.special = channels, out, size, special
        self.kernel = Siren(2, channels * out)
        self.bias = nn.Parameter(torch.zeros(out))

    def kernels(self, inverse: Tensor) -> Tensor:
        """[G C', C, k, k] for A^-1 [G, 2, 2]."""
        u = torch.einsum("gij,yxj->gyxi", inverse, grid(self.size).to(inverse))
        weight: Tensor = self.kernel(u) * disc(u)[..., None] / self.size  # [G, k, k, C' C]
        weight = weight * torch.linalg.det(inverse).abs()[:, None, None, None]
        count = len(inverse)
        weight = weight.reshape(count, self.size, self.size, self.out, self.channels)
        return weight.permute(0, 3, 4, 1, 2).reshape(count * self.out, self.channels, self.size, self.size)

    def forward(self, image: Tensor, inverse: Tensor) -> Tensor:
        return self.apply_kernels(image, self.kernels(inverse), len(inverse))

    def apply_kernels(self, image: Tensor, kernels: Tensor, count: int) -> Tensor:
        found: Tensor = functional.conv2d(image, kernels, self.bias.repeat(count))
        return found.reshape(len(image), count, self.out, *found.shape[2:])


class LocalConvolution(nn.Module):
    """Functions on the group [B, G, C, H, W] -> [B, G, C', H', W'], each element for itself.

    Its kernels have unit variance over all that is summed (channels and taps within the disc), so that signals neither
    fade nor grow from layer to layer at the start.
    """

    def __init__(self, channels: int, out: int, size: int, hidden: int = 32, frequency: float = 6.0) -> None:
        super().__init__()
        self.channels, self.out, self.size = channels, out, size
        self.kernel = Siren(2, channels * out, hidden, frequency)

    def kernels(self, inverse: Tensor) -> Tensor:
        """[G C', C, k, k] for A^-1 [G, 2, 2]."""
        count, size = len(inverse), self.size
        u = torch.einsum("gij,yxj->gyxi", inverse, grid(size).to(inverse))  # [G, k, k, 2]
        weight: Tensor = self.kernel(u) * disc(u)[..., None] / (0.8 * size * math.sqrt(self.channels))
        weight = weight * torch.linalg.det(inverse).abs()[:, None, None, None]
        weight = weight.reshape(count, size, size, self.out, self.channels)
        return weight.permute(0, 3, 4, 1, 2).reshape(count * self.out, self.channels, size, size)


class GroupConvolution(nn.Module):
    """Functions on the group [B, G, C, H, W] -> [B, G, C', H', W']."""

    def __init__(self, channels: int, out: int, size: int, special: bool) -> None:
        super().__init__()
        self.channels, self.out, self.size, self.special = channels, out, size, special
        self.kernel = Siren(2 + (4 if special else 5), channels * out)
        self.bias = nn.Parameter(torch.zeros(out))

    def kernels(self, a: Tensor, inverse: Tensor) -> Tensor:
        """[G' C', G C, k, k]: from B = a [G, 2, 2] (input) to A, whose inverses are [G', 2, 2] (output)."""
        into, out, size = len(a), len(inverse), self.size
        u = torch.einsum("gij,yxj->gyxi", inverse, grid(size).to(a))  # [G', k, k, 2]
        between = coordinates(inverse[:, None] @ a[None], self.special)  # [G', G, dim]
        shown = torch.cat([
            u[:, None].expand(-1, into, -1, -1, -1),
            between[:, :, None, None].expand(-1, -1, size, size, -1),
        ], -1)  # fmt: skip
        weight: Tensor = self.kernel(shown) * disc(u)[:, None, :, :, None] / (size * math.sqrt(self.channels))
        weight = weight / (torch.linalg.det(a).abs()[None, :, None, None, None] * into)
        weight = weight.reshape(out, into, size, size, self.out, self.channels)
        return weight.permute(0, 4, 1, 5, 2, 3).reshape(out * self.out, into * self.channels, size, size)

    def forward(self, x: Tensor, a: Tensor, inverse: Tensor) -> Tensor:
        return self.apply_kernels(x, self.kernels(a, inverse), len(a))

    def apply_kernels(self, x: Tensor, kernels: Tensor, count: int) -> Tensor:
        found: Tensor = functional.conv2d(x.flatten(1, 2), kernels, self.bias.repeat(count))
        return found.reshape(len(x), count, self.out, *found.shape[2:])
