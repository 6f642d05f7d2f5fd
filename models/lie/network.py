"""A classifier of images that is robust to affine maps, and a plain one of the same size for comparison."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lie.convolution import LocalConvolution
from models.lie.sampling import nearby


class AffineNetwork(nn.Module):
    """Lifting, two group convolutions (the last with a residual), maximum over positions; then a sum over the group.

    Each group element A gives class probabilities; the result is the logarithm of their mean over the group,
    log 1/G sum_A p(class | image, A): the pose is a latent variable that is integrated out. Elements for which
    the image is unlike the training images contribute little; elements that undo the distortion decide.

    With `levels` > 1 the sum is also over defocus: the group is combined with the semigroup of Gaussian blurs (Worrall,
    Welling 2019, 1905.11697), and each level of blur has its share of the elements. At level t, an image out of focus
    by b looks like a sharp one at the root of b^2 + t^2.

    In training the elements are drawn for every evaluation; afterwards they are fixed, and `freeze` stores the kernels
    with their norms folded in, so that an evaluation is three plain convolutions.

    Layers are equivariant to translations by whole pixels; the step of two between the first and the second (maximum
    of 2 x 2, or stride 2) restricts that to even numbers. With `dense`, which needs no new training, no position
    is skipped: the step is one and later kernels are dilated by two (a trous; Holschneider et al. 1989; Sermanet et
    al., 1312.6229). The maximum is then over all four phases of the step, and the result does not depend on the
    position of the image, at two to four times the cost.
    """

    inverse: Tensor
    dense = False

    def __init__(
        self,
        classes: int,
        *,
        width: int = 8,
        deep: int = 20,
        group: int = 12,
        special: bool = False,
        sizes: tuple[int, int, int] = (7, 5, 3),
        stride: int = 1,
        hidden: int = 32,
        stretch: float = 0.25,
        turn_rad: float = 0.5,
        levels: int = 1,
        blur_px: float = 1.5,
    ) -> None:
        super().__init__()
        self.group, self.special, self.stretch, self.turn_rad, self.stride = group, special, stretch, turn_rad, stride
        self.levels, self.blur_px, self.drawn = levels, blur_px, 0
        self.layers = nn.ModuleList([
            LocalConvolution(1, width, sizes[0]), LocalConvolution(width, deep, sizes[1]),
            LocalConvolution(deep, deep, sizes[2]),
        ])  # fmt: skip
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in (width, deep, deep))
        self.head = head(deep, hidden, classes)
        self.register_buffer("inverse", nearby(group, special, 0, stretch, turn_rad)[1].float())
        self.kept: list[tuple[Tensor, Tensor]] | None = None

    def kernels(self, inverse: Tensor) -> list[Tensor]:
        return [layer.kernels(inverse) for layer in self.layers if isinstance(layer, LocalConvolution)]

    def freeze(self) -> None:
        """Store the kernels of the fixed elements, with the norms folded in; the results stay the same."""
        self.eval()
        with torch.no_grad():
            pairs = zip(self.kernels(self.inverse), self.norms, strict=True)
            self.kept = [
                folded(weight, norm, len(self.inverse)) for weight, norm in pairs if isinstance(norm, nn.BatchNorm2d)
            ]

    def forward(self, image: Tensor) -> Tensor:
        """[B, 1, H, W] -> [B, classes] logarithms of probabilities."""
        features = self.features(image)  # [B, G, deep]
        answer = functional.log_softmax(self.head(features.flatten(0, 1)), 1).reshape(*features.shape[:2], -1)
        return torch.logsumexp(answer, 1) - math.log(answer.shape[1])

    def features(self, image: Tensor) -> Tensor:
        """[B, G, deep]: maximum of each channel over all positions."""
        inverse = self.inverse
        if self.training:
            self.drawn, self.kept = self.drawn + 1, None
            inverse = nearby(self.group, self.special, self.drawn, self.stretch, self.turn_rad)[1].to(image)
        kernels = self.kernels(inverse) if self.kept is None else [weight for weight, _ in self.kept]
        count = len(inverse)
        blurred = image if self.levels == 1 else scale_space(image, self.variances())
        stride, step, apart = (1, 1, 2) if self.dense else (self.stride, 2, 1)
        x = self._step(0, functional.conv2d(blurred, kernels[0], self._bias(0), stride, groups=self.levels), count)
        if self.stride == 1:
            x = functional.max_pool2d(x, 2, step)
        x = self._step(1, functional.conv2d(x, kernels[1], self._bias(1), dilation=apart, groups=count), count)
        y = self._step(2, functional.conv2d(x, kernels[2], self._bias(2), dilation=apart, groups=count), count)
        cut = (x.shape[2] - y.shape[2]) // 2
        y = y + x[:, :, cut : cut + y.shape[2], cut : cut + y.shape[3]]
        return torch.amax(y, (2, 3)).reshape(len(image), count, -1)

    def variances(self) -> Tensor:
        """[levels] variances of the blurs in px^2: evenly spaced from 0; in training with random shifts."""
        step = self.blur_px**2 / (self.levels - 1)
        rows = torch.arange(self.levels) * step
        if self.training:
            rows = rows + (torch.rand(self.levels, generator=torch.Generator().manual_seed(self.drawn)) - 0.5) * step
        return rows.clamp(min=0.0)

    def _bias(self, index: int) -> Tensor | None:
        return None if self.kept is None else self.kept[index][1]

    def _step(self, index: int, x: Tensor, count: int) -> Tensor:
        """Norm over examples, group and positions, unless it is folded in; then ReLU."""
        if self.kept is None:
            x = self.norms[index](x.reshape(len(x) * count, -1, *x.shape[2:])).reshape(x.shape)
        return functional.relu(x)


class PlainNetwork(nn.Module):
    """Plain convolutions in the same arrangement; `width` is chosen for the same number of parameters."""

    def __init__(self, classes: int, *, width: int = 8, sizes: tuple[int, int, int] = (7, 5, 3), stride: int = 1,
                 hidden: int = 32) -> None:  # fmt: skip
        super().__init__()
        deep = 2 * width
        self.stride = stride
        self.layers = nn.ModuleList([
            nn.Conv2d(1, width, sizes[0], stride, bias=False), nn.Conv2d(width, deep, sizes[1], bias=False),
            nn.Conv2d(deep, deep, sizes[2], bias=False),
        ])  # fmt: skip
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in (width, deep, deep))
        self.head = head(deep, hidden, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = functional.relu(self.norms[0](self.layers[0](image)))
        if self.stride == 1:
            x = functional.max_pool2d(x, 2)
        x = functional.relu(self.norms[1](self.layers[1](x)))
        y = functional.relu(self.norms[2](self.layers[2](x)))
        cut = (x.shape[2] - y.shape[2]) // 2
        y = y + x[:, :, cut : cut + y.shape[2], cut : cut + y.shape[3]]
        return torch.as_tensor(self.head(torch.amax(y, (2, 3))))


def scale_space(image: Tensor, variance: Tensor) -> Tensor:
    """[B, 1, H, W] -> [B, L, H, W]: blurred with these variances [L], then scaled to a mean square of 1."""
    reach = 4
    line = torch.arange(-reach, reach + 1).to(image)
    kernel = torch.exp(-0.5 * line.square() / variance.to(image).clamp(min=0.01)[:, None])  # [L, 9]
    kernel = kernel / kernel.sum(1, keepdim=True)
    blurred = functional.conv2d(image.expand(-1, len(variance), -1, -1), kernel[:, None, :, None], padding=(reach, 0),
                              groups=len(variance))  # fmt: skip
    blurred = functional.conv2d(blurred, kernel[:, None, None, :], padding=(0, reach), groups=len(variance))
    return blurred * torch.rsqrt(blurred.square().mean((2, 3), keepdim=True) + 1e-6)


def head(features: int, hidden: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, classes))


def folded(weight: Tensor, norm: nn.BatchNorm2d, count: int) -> tuple[Tensor, Tensor]:
    """(kernels [G C, ...], biases [G C]) equal to a convolution followed by its norm with fixed statistics."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = (norm.weight * torch.rsqrt(variance + norm.eps)).repeat(count)
    return (weight * scale[:, None, None, None]).contiguous(), norm.bias.repeat(count) - mean.repeat(count) * scale


def matched(classes: int, like: AffineNetwork) -> PlainNetwork:
    """The plain network of the same arrangement with the closest number of parameters."""
    target = sum(value.numel() for value in like.parameters())
    sizes = tuple(layer.size for layer in like.layers if isinstance(layer, LocalConvolution))
    hidden = like.head[0].out_features

    def with_width(width: int) -> PlainNetwork:
        return PlainNetwork(classes, width=width, sizes=sizes, stride=like.stride, hidden=hidden)  # type: ignore[arg-type]

    def away(width: int) -> int:
        return abs(sum(value.numel() for value in with_width(width).parameters()) - target)

    return with_width(min(range(2, 60), key=away))


def warped(image: Tensor, a: Tensor, tilt: Tensor | None = None) -> Tensor:
    """Images [B, 1, H, W] after affine maps about their centre: f(A^-1 x), A [B, 2, 2]; dark outside.

    With `tilt` t [B, 2] through homographies: f(y / (1 + t . y)), y = A^-1 x, in half widths of the image.
    """
    inverse = torch.linalg.inv(a)
    theta = torch.cat([inverse, inverse.new_zeros(len(a), 2, 1)], 2)
    grid = functional.affine_grid(theta, list(image.shape), align_corners=False)  # [B, H, W, 2]
    if tilt is not None:
        grid = grid / (1 + torch.einsum("bhwi,bi->bhw", grid, tilt))[..., None]
    return functional.grid_sample(image, grid, align_corners=False)


def random_warps(count: int, seed: int, turn_rad: float = 0.35, shear: float = 0.2,
                 scale: tuple[float, float] = (0.8, 1.2)) -> Tensor:  # fmt: skip
    """[B, 2, 2]: a rotation, a shear and a scale along each axis, each uniform in its range (as in affNIST)."""
    draw = torch.Generator().manual_seed(seed)

    def even(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=draw)

    angle, lean, wide, high = even(-turn_rad, turn_rad), even(-shear, shear), even(*scale), even(*scale)
    zero = torch.zeros(count)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)], 1)
    sheared = torch.stack([torch.stack([wide, lean], 1), torch.stack([zero, high], 1)], 1)
    return turn @ sheared
