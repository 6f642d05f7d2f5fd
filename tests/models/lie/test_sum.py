"""The sum over the group, compared with its formula and with another quadrature, and under linear maps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.lie.convolution import REACH, GroupConvolution, Lift, Siren, grid, window
from models.lie.decomposition import coordinates, from_iwasawa, rotation
from models.lie.haar import haar_density_affine, haar_density_iwasawa
from models.lie.sampling import elements

Floats = NDArray[np.float64]
MOVES = {
    "rotation": rotation(torch.tensor(0.7, dtype=torch.float64)),
    "shear": torch.tensor([[1.0, 0.3], [0.0, 1.0]], dtype=torch.float64),
    "stretch": torch.diag(torch.tensor([1.4**0.5, 1.4**-0.5], dtype=torch.float64)),
    "scale": 1.2 * torch.eye(2, dtype=torch.float64),
}


def small_layer(size: int, special: bool, channels: int, out: int) -> GroupConvolution:
    torch.manual_seed(1)
    layer = GroupConvolution(channels, out, size, special)
    layer.kernel = Siren(6 if special else 7, channels * out, 8, 6.0)
    return layer


def by_hand(layer: GroupConvolution, a: Floats, b: Floats) -> Floats:
    """k(A^-1 y, xi^-1(A^-1 B)) / |det B| for one A and B: [k k, C' C], by SciPy's polar decomposition and logarithm."""
    between = np.linalg.solve(a, b)
    r, p = scipy.linalg.polar(between, side="left")
    x = scipy.linalg.logm(p)
    stretches = [0.5 * (x[0, 0] - x[1, 1]), x[0, 1], 0.5 * (x[0, 0] + x[1, 1])][: 2 if layer.special else 3]
    place = np.linalg.solve(a, grid(layer.size).reshape(-1, 2).numpy().T).T / layer.radius
    number = [stretches[0], stretches[1], r[0, 0] - 1, r[1, 0], *stretches[2:]]
    shown = np.concatenate([place, np.tile(number, (len(place), 1))], 1)
    volume = layer.reach**2 * math.pi / 3 if layer.special else layer.reach**3 * math.pi * 32 / 105
    near = max(1 - np.square(stretches).sum() / layer.reach**2, 0) ** 2 / volume
    inside = np.maximum(1 - np.square(place).sum(1), 0) ** 2
    scale = layer.size * layer.radius * math.sqrt(layer.channels * math.pi / 20)
    with torch.no_grad():
        value = layer.kernel(torch.from_numpy(shown)).numpy()
    return np.asarray(value * inside[:, None] * near / scale / abs(np.linalg.det(b)))


def worst(special: bool) -> float:
    """The largest error of the layer relative to the formula, in units of the largest kernel."""
    layer = small_layer(5, special, 2, 3)
    b, _, weight = elements(60, special, 3, spread=0.4)
    a = b[:4] @ rotation(torch.tensor(0.3))
    with torch.no_grad():
        found = layer.kernels(b, torch.linalg.inv(a), weight)  # [4 C', 60 C, k, k]
    wanted = np.array([[by_hand(layer, one.numpy(), other.numpy()) * float(w) / 60
                        for other, w in zip(b, weight, strict=True)] for one in a])  # [4, 60, k k, C' C]  # fmt: skip
    wanted = wanted.reshape(4, 60, 5, 5, 3, 2).transpose(0, 4, 1, 5, 2, 3).reshape(12, 120, 5, 5)
    assert 100 < (np.abs(wanted).max((2, 3)) > 0).sum() < 1300  # some are near, others are not
    return float(np.abs(found.numpy() - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("special", [False, True])
def test_kernels_agree_with_the_formula(special: bool) -> None:
    assert worst(special) <= 1e-10


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("mistake", ["blind", "inverted", "determinant"])
def test_a_mistake_in_the_formula_is_detected(mistake: str, special: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dependence on the group; B^-1 A for A^-1 B; and 1 / |det B| inverted (which is 1 for SL)."""
    right, density = coordinates, haar_density_affine
    if mistake == "blind":
        monkeypatch.setattr("models.lie.convolution.coordinates", lambda a, s: torch.zeros_like(right(a, s)))
    if mistake == "inverted":
        monkeypatch.setattr("models.lie.convolution.coordinates", lambda a, s: right(torch.linalg.inv(a), s))
    if mistake == "determinant":
        monkeypatch.setattr("models.lie.convolution.haar_density_affine", lambda a: 1 / density(a))
    seen = worst(special) > 1e-2
    assert seen != (special and mistake == "determinant")


def on_group(b: Tensor, size: int) -> Tensor:
    """A smooth function of positions and elements: [G, 2, 2] -> [1, G, 1, k, k]."""
    place = (grid(size) * torch.tensor([0.7, -0.4])).sum(-1)
    phase = (b * torch.tensor([[0.8, -0.5], [0.3, 0.6]])).sum((1, 2))
    return torch.cos(place + phase[:, None, None])[None, :, None]


def iwasawa_nodes(special: bool) -> tuple[Tensor, Tensor]:
    """Elements C [G, 2, 2] that cover all stretches within REACH, and the Haar volume of each (circle: volume one).

    In units of dX dR, with dX in its coordinates, not its entries: half as much for SL(2), a quarter for GL+(2).
    """
    turn = torch.arange(16) * (2 * math.pi / 16)
    along, slope = torch.linspace(-0.6, 0.6, 25), torch.linspace(-0.92, 0.92, 25)
    axes = (turn, along, slope) if special else (turn, along, along, slope)
    number = torch.cartesian_prod(*axes)
    x = torch.stack([number[:, 1], -number[:, 1] if special else number[:, 2]], 1)
    n = torch.eye(2).repeat(len(number), 1, 1)
    n[:, 0, 1] = number[:, -1]
    step = float(along[1] - along[0]) ** (1 if special else 2) * float(slope[1] - slope[0]) / 16
    return from_iwasawa(rotation(number[:, 0]), x.exp(), n), haar_density_iwasawa(x) * step / (2 if special else 4)


@pytest.mark.parametrize("special", [False, True])
def test_the_sum_converges_to_the_integral_over_the_group(special: bool) -> None:
    """Weighted log-normal samples compared with a dense grid in Iwasawa coordinates with the Iwasawa measure."""
    layer = small_layer(3, special, 1, 2)
    out = torch.tensor([[1.1, 0.1], [-0.15, 0.95]])
    out = out / torch.linalg.det(out).sqrt() if special else out
    inverse = torch.linalg.inv(out)[None]

    def answer(b: Tensor, weight: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.as_tensor(layer(on_group(b, 3), b, inverse, weight).flatten())

    node, volume = iwasawa_nodes(special)
    near = window(coordinates(node, special)[:, [0, 1] if special else [0, 1, 4]] / REACH) > 0
    node, volume = node[near], volume[near]
    exact = answer(out @ node, volume * len(node))
    draws = torch.stack([answer(*elements(4000, special, seed)[::2]) for seed in range(16)])
    doubt = draws.std(0) / math.sqrt(len(draws))
    assert float((doubt / exact.norm()).max()) < 0.02
    assert float(((draws.mean(0) - exact) / doubt).abs().max()) < 3.5


def waves(place: Tensor) -> Tensor:
    """A band-limited image: six plane waves of about 18 px, [..., 2] in px -> [...]."""
    draw = np.random.default_rng(3)
    wave, phase = torch.from_numpy(0.35 * draw.normal(size=(6, 2))), torch.from_numpy(draw.uniform(0, 6, 6))
    return torch.cos(place @ wave.T + phase).sum(-1)


def moved_image(move: Tensor, centre: Tensor, size: int) -> Tensor:
    """Image [1, 1, k, k] of f o g^-1 around g x, in closed form."""
    line = torch.arange(size) - (size - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    return waves((torch.stack([x, y], -1) + move @ centre) @ torch.linalg.inv(move).T)[None, None]


class Moved:
    """Lifting and group convolution of an image at (x, A), and of it moved by g at (g x, g A), for every move."""

    def __init__(self, special: bool, size: int = 11) -> None:
        self.special, self.moves = special, [one for name, one in MOVES.items() if not (special and name == "scale")]
        torch.manual_seed(2)
        self.lift, self.layer = Lift(1, 2, size), small_layer(size, special, 2, 3)
        self.lift.kernel = Siren(2, 2, 8, 6.0)
        centre, out = torch.tensor([3.0, -2.0]), rotation(torch.tensor(0.2))
        every = [torch.eye(2), *self.moves]
        self.image = [moved_image(move, centre, 2 * size - 1) for move in every]
        self.inverse = [torch.linalg.inv(move @ out)[None] for move in every]

    def answers(self, count: int, seed: int, *, weighted: bool = True) -> Tensor:
        """Outputs [1 + moves, C'] with the same samples of the group for all."""
        a, inverse, weight = elements(count, self.special, seed)
        weight = weight if weighted else torch.full_like(weight, float(weight.mean()))
        with torch.no_grad():
            return torch.stack([self.layer(self.lift(image, inverse), a, out, weight).flatten()
                                for image, out in zip(self.image, self.inverse, strict=True)])  # fmt: skip

    def errors(self, count: int, trials: int, **how: Any) -> tuple[Tensor, Tensor]:
        """[moves] rms; and the mean over trials in units of its standard error, the maximum over channels."""
        every = torch.stack([self.answers(count, 10_000 * count + trial, **how) for trial in range(trials)])
        wrong = (every[:, 1:] - every[:, :1]) / every[:, 0].mean(0).square().mean().sqrt()
        mean = wrong.mean(0) / (wrong.std(0) / math.sqrt(trials))
        return wrong.square().mean((0, 2)).sqrt(), mean.abs().amax(1)


@pytest.mark.parametrize("special", [False, True])
def test_the_error_decreases_as_one_over_root_n_under_every_map(special: bool) -> None:
    """Rotation, shear, stretch, scale. No bias: with most samples, the mean error is within its standard error."""
    moved = Moved(special)
    sizes, trials = (16, 64, 256, 1024), (48, 24, 12, 6)
    found = [moved.errors(size, count) for size, count in zip(sizes, trials, strict=True)]
    error = torch.stack([rms for rms, _ in found]).numpy()  # [sizes, moves]
    slopes = np.polyfit(np.log(sizes), np.log(error), 1)[0]
    assert np.abs(slopes + 0.5).max() <= 0.15, (slopes, error)
    assert error[-1].max() < 0.1, error
    assert float(found[-1][1].max()) < 4, found[-1]


def test_without_weights_the_error_has_a_floor() -> None:
    rms, _ = Moved(False).errors(1024, 4, weighted=False)
    assert float(rms[0]) < 0.1  # a rotation does not change the distribution of the samples
    assert float(rms[1:].min()) > 0.15, rms
