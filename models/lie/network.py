"""A classifier of images that does not mind affine maps, and a plain one of the same size to compare it with."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lie.convolution import GroupConvolution, Lift
from models.lie.sampling import SPREAD, elements

SOFT = 0.01  # of the norm's variance: where an image is blank, nothing is blown up


class AffineNetwork(nn.Module):
    """Lift, group convolutions with norm and GELU (the second with a residue), global maximum over group and places.

    While it is trained the group elements are drawn anew at every pass; afterwards they are fixed, and `freeze` keeps
    the kernels as well, so that a pass is plain convolutions.
    """

    def __init__(
        self,
        classes: int,
        *,
        width: int = 12,
        group: int = 6,
        special: bool = False,
        size: int = 5,
        hidden: int = 64,
        spread: float = SPREAD,
        turn_rad: float = math.pi,
    ) -> None:
        super().__init__()
        self.spread, self.turn_rad = spread, turn_rad
        self.group, self.special, self.drawn = group, special, 0
        self.lift = Lift(1, width, size, special)
        self.second = GroupConvolution(width, width, size, special)
        self.third = GroupConvolution(width, width, 3, special)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=SOFT) for _ in range(3))
        self.head = nn.Sequential(nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Linear(hidden, classes))
        self.kept: list[Tensor] | None = None

    def kernels(self, seed: int) -> list[Tensor]:
        a, inverse = elements(self.group, self.special, seed, self.spread, self.turn_rad)
        weight = next(self.parameters())
        a, inverse = a.to(weight), inverse.to(weight)
        return [self.lift.kernels(inverse), self.second.kernels(a, inverse), self.third.kernels(a, inverse)]

    def freeze(self) -> None:
        """Keep the kernels of the fixed elements: from now on a pass is plain convolutions."""
        self.eval()
        with torch.no_grad():
            self.kept = self.kernels(0)

    def forward(self, image: Tensor) -> Tensor:
        """[B, 1, H, W] -> [B, classes]."""
        return torch.as_tensor(self.head(self.features(image)))

    def features(self, image: Tensor) -> Tensor:
        """[B, width]: the largest answer of each channel over group elements and places."""
        if self.training:
            self.drawn, self.kept = self.drawn + 1, None
        first, second, third = self.kept or self.kernels(self.drawn if self.training else 0)
        x = functional.gelu(self._normed(0, self.lift.apply_kernels(image, first, self.group)))
        x = functional.gelu(self._normed(1, self.second.apply_kernels(x, second, self.group)))
        x = functional.max_pool2d(x.flatten(1, 2), 2).reshape(*x.shape[:3], x.shape[3] // 2, x.shape[4] // 2)
        y = functional.gelu(self._normed(2, self.third.apply_kernels(x, third, self.group)))
        return torch.amax(x[..., 1:-1, 1:-1] + y, (1, 3, 4))

    def _normed(self, index: int, x: Tensor) -> Tensor:
        return torch.as_tensor(self.norms[index](x.movedim(2, -1))).movedim(-1, 2)


class PlainNetwork(nn.Module):
    """Ordinary convolutions in the same arrangement; `width` chosen so that it has as many parameters."""

    def __init__(self, classes: int, *, width: int = 16, size: int = 5, hidden: int = 64) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, width, size)
        self.second = nn.Conv2d(width, width, size)
        self.third = nn.Conv2d(width, width, 3)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=SOFT) for _ in range(3))
        self.head = nn.Sequential(nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Linear(hidden, classes))

    def forward(self, image: Tensor) -> Tensor:
        x = functional.gelu(self._normed(0, self.first(image)))
        x = functional.max_pool2d(functional.gelu(self._normed(1, self.second(x))), 2)
        y = functional.gelu(self._normed(2, self.third(x)))
        return torch.as_tensor(self.head(torch.amax(x[..., 1:-1, 1:-1] + y, (2, 3))))

    def _normed(self, index: int, x: Tensor) -> Tensor:
        return torch.as_tensor(self.norms[index](x.movedim(1, -1))).movedim(-1, 1)


def matched(classes: int, like: nn.Module) -> PlainNetwork:
    """The plain network with the number of parameters nearest to another's."""
    wanted = sum(value.numel() for value in like.parameters())

    def away(width: int) -> int:
        return abs(sum(value.numel() for value in PlainNetwork(classes, width=width).parameters()) - wanted)

    return PlainNetwork(classes, width=min(range(4, 80), key=away))


def warped(image: Tensor, a: Tensor) -> Tensor:
    """Images [B, 1, H, W] seen through affine maps about their middle: f(A^-1 x), A [B, 2, 2]; dark outside."""
    inverse = torch.linalg.inv(a)
    theta = torch.cat([inverse, inverse.new_zeros(len(a), 2, 1)], 2)
    grid = functional.affine_grid(theta, list(image.shape), align_corners=False)
    return functional.grid_sample(image, grid, align_corners=False)


def random_warps(count: int, seed: int, turn_rad: float = 0.35, shear: float = 0.2,
                 scale: tuple[float, float] = (0.8, 1.2)) -> Tensor:  # fmt: skip
    """[B, 2, 2]: a rotation, a shear and a scale along each axis, each even in its range (the affNIST kind)."""
    draw = torch.Generator().manual_seed(seed)

    def even(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=draw)

    angle, lean, wide, high = even(-turn_rad, turn_rad), even(-shear, shear), even(*scale), even(*scale)
    zero = torch.zeros(count)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)], 1)
    sheared = torch.stack([torch.stack([wide, lean], 1), torch.stack([zero, high], 1)], 1)
    return turn @ sheared
