"""Lifting and group convolution on R^2 x| H, H = GL+(2) or SL(2), by Monte Carlo over H and SIREN kernels.

lift:  (f * k)(x, A)  = sum_y f(y) k(A^-1 (y - x)) |det A^-1|
group: (f * k)(x, A)  = 1/G sum_B w(B) sum_y f(y, B) k(A^-1 (y - x), xi^-1(A^-1 B)) / |det B|

The second is an integral with the left invariant measure dy dmu(B) / |det B| of R^2 x| H (the authors' code divides at
the output index, which is the same for SL(2) only). H is not compact and has no uniform distribution: samples have
weights w (`sampling.haar_weights`), and a kernel is zero unless A^-1 B stretches by less than `reach`. So the integral
is finite and the error of the sum decreases as G^(-1/2) for any linear map of the image. Positions have the same
window on a disc of `radius` half widths of the grid; elements that stretch by more than 1 / radius are cut.

The kernels of `LocalConvolution` are so narrow in H that of all samples only B = A contributes: there is no sampling
noise, and a network of such layers is as many independent plain networks as there are samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lie.decomposition import coordinates
from models.lie.haar import haar_density_affine

RADIUS = 0.5  # radius of a kernel's disc, in half widths of its grid
REACH = 0.4  # range of a kernel in logarithms of stretches


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
            self.last.weight.uniform_(-bound, bound)  # initial kernels have unit variance

    def forward(self, x: Tensor) -> Tensor:
        inner = torch.sin(self.frequency * self.first(x))
        inner = torch.sin(self.frequency * self.second(inner))
        out: Tensor = self.last(inner)
        return out


def grid(size: int) -> Tensor:
    """[size, size, 2] (x, y) of a kernel's pixels: centres of pixels that fill the square from -1 to 1."""
    line = torch.linspace(-1, 1, size) * (1 - 1 / size)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1)


def disc(u: Tensor) -> Tensor:
    """1 inside the unit disc, falling smoothly to 0 at its rim."""
    return torch.sigmoid(20 * (0.9 - u.norm(dim=-1)))


def window(u: Tensor) -> Tensor:
    """[..., d] -> [...]: (1 - |u|^2)^2 within the unit ball, 0 outside, with one derivative at its rim."""
    return (1 - u.square().sum(-1)).clamp(min=0.0).square()


def unit(radius: float, size: int, channels: int) -> float:
    """Divisor of a windowed kernel that gives its output unit variance for white noise."""
    return size * radius * math.sqrt(channels * math.pi / 20)


class Lift(nn.Module):
    """Images [B, C, H, W] -> functions on the group [B, G, C', H', W'], without padding."""

    def __init__(self, channels: int, out: int, size: int, radius: float = RADIUS) -> None:
        super().__init__()
        self.channels, self.out, self.size, self.radius = channels, out, size, radius
        self.kernel = Siren(2, channels * out)
        self.bias = nn.Parameter(torch.zeros(out))

    def kernels(self, inverse: Tensor) -> Tensor:
        """[G C', C, k, k] for A^-1 [G, 2, 2]."""
        u = torch.einsum("gij,yxj->gyxi", inverse, grid(self.size).to(inverse) / self.radius)
        weight: Tensor = self.kernel(u) * window(u)[..., None] / unit(self.radius, self.size, self.channels)
        weight = weight * torch.linalg.det(inverse).abs()[:, None, None, None]
        count = len(inverse)
        weight = weight.reshape(count, self.size, self.size, self.out, self.channels)
        return weight.permute(0, 3, 4, 1, 2).reshape(count * self.out, self.channels, self.size, self.size)

    def forward(self, image: Tensor, inverse: Tensor) -> Tensor:
        return self.apply_kernels(image, self.kernels(inverse), len(inverse))

    def apply_kernels(self, image: Tensor, kernels: Tensor, count: int) -> Tensor:
        result: Tensor = functional.conv2d(image, kernels, self.bias.repeat(count))
        return result.reshape(len(image), count, self.out, *result.shape[2:])


class LocalConvolution(nn.Module):
    """Functions on the group [B, G, C, H, W] -> [B, G, C', H', W'], separately for each element.

    Initial kernels have unit variance over all that is summed (channels and pixels in the disc), so that signals keep
    their size from layer to layer.
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
    """Functions on the group [B, G, C, H, W] -> [B, G, C', H', W'], without padding."""

    def __init__(
        self, channels: int, out: int, size: int, special: bool, radius: float = RADIUS, reach: float = REACH
    ) -> None:
        super().__init__()
        self.channels, self.out, self.size, self.special = channels, out, size, special
        self.radius, self.reach = radius, reach
        self.kernel = Siren(2 + (4 if special else 5), channels * out)
        self.bias = nn.Parameter(torch.zeros(out))

    def kernels(self, a: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
        """[G' C', G C, k, k] from B = a [G, 2, 2] (input) with weights [G] to A with inverses [G', 2, 2]."""
        into, out, size = len(a), len(inverse), self.size
        u = torch.einsum("gij,yxj->gyxi", inverse, grid(size).to(a) / self.radius)  # [G', k, k, 2]
        between = coordinates(inverse[:, None] @ a[None], self.special)  # [G', G, dim]
        features = torch.cat([
            u[:, None].expand(-1, into, -1, -1, -1),
            between[:, :, None, None].expand(-1, -1, size, size, -1),
        ], -1)  # fmt: skip
        share = weight * haar_density_affine(a) * self.near(between) / into  # [G', G]
        value: Tensor = self.kernel(features) * window(u)[:, None, :, :, None] / unit(self.radius, size, self.channels)
        value = value * share[:, :, None, None, None]
        value = value.reshape(out, into, size, size, self.out, self.channels)
        return value.permute(0, 4, 1, 5, 2, 3).reshape(out * self.out, into * self.channels, size, size)

    def near(self, between: Tensor) -> Tensor:
        """[..., dim] coordinates -> [...]: window of the stretches, with integral 1 near the identity."""
        stretches = between[..., [0, 1] if self.special else [0, 1, 4]]
        volume = self.reach**2 * math.pi / 3 if self.special else self.reach**3 * math.pi * 32 / 105
        return window(stretches / self.reach) / volume

    def forward(self, x: Tensor, a: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
        return self.apply_kernels(x, self.kernels(a, inverse, weight), len(inverse))

    def apply_kernels(self, x: Tensor, kernels: Tensor, count: int) -> Tensor:
        result: Tensor = functional.conv2d(x.flatten(1, 2), kernels, self.bias.repeat(count))
        return result.reshape(len(x), count, self.out, *result.shape[2:])
