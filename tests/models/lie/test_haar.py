"""Invariant measures of GL+(n) and SL(n) compared with their definition: finite-difference Jacobians, Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.lie.decomposition import coordinates, exp_iwasawa, exp_symmetric, from_iwasawa, iwasawa, polar
from models.lie.haar import (
    haar_density,
    haar_density_affine,
    haar_density_iwasawa,
    haar_density_polar,
    haar_density_positive,
)
from models.lie.sampling import elements
from tests.models.lie.test_lie import positive

STEP = 1e-5


def volume_change(f: Callable[[Tensor], Tensor], count: int) -> float:
    """|det df/du| at u = 0, by central differences."""
    rows = [(f(STEP * unit) - f(-STEP * unit)) / (2 * STEP) for unit in torch.eye(count)]
    return float(torch.linalg.det(torch.stack(rows)).abs())


def upper(number: Tensor, n: int, offset: int) -> Tensor:
    """A matrix with these numbers on and above its diagonal (offset 0), or above it (1)."""
    full = torch.zeros(n, n)
    i, j = torch.triu_indices(n, n, offset)
    full[i, j] = number
    return full


def free(matrix: Tensor, offset: int) -> Tensor:
    i, j = torch.triu_indices(len(matrix), len(matrix), offset)
    return matrix[i, j]


def antisymmetric(number: Tensor, n: int) -> Tensor:
    full = upper(number, n, 1)
    return full - full.T


class ByPolar:
    """Coordinates (X, R) near an element: entries of X (SL: without the last diagonal one), angles of R."""

    def __init__(self, a: Tensor, special: bool) -> None:
        self.n, self.special = len(a), special
        p, self.r = polar(a)
        value, vector = torch.linalg.eigh(p)
        self.x = vector @ torch.diag(value.log()) @ vector.T
        self.density = float(haar_density_polar(self.x))

    def at(self, u: Tensor) -> Tensor:
        pairs = self.n * (self.n - 1) // 2
        number = u[:-pairs]
        if self.special:
            number = torch.cat([number, torch.zeros(1)])  # the last entry of the triangle is the last on the diagonal
        full = upper(number, self.n, 0)
        if self.special:
            full[-1, -1] = -full.diagonal().sum()
        x = self.x + full + full.triu(1).T
        return exp_symmetric(x) @ self.r @ torch.matrix_exp(antisymmetric(u[-pairs:], self.n))

    def read(self, a: Tensor) -> Tensor:
        p, r = polar(a)
        value, vector = torch.linalg.eigh(p)
        x = free(vector @ torch.diag(value.log()) @ vector.T, 0)
        turn = self.r.T @ r
        return torch.cat([x[:-1] if self.special else x, free(0.5 * (turn - turn.T), 1)])


class ByIwasawa:
    """Coordinates (x, N, K) near an element."""

    def __init__(self, a: Tensor, special: bool) -> None:
        self.n, self.special = len(a), special
        self.k, diagonal, self.upper = iwasawa(a)
        self.x = diagonal.log()
        self.density = float(haar_density_iwasawa(self.x))

    def at(self, u: Tensor) -> Tensor:
        pairs, along = self.n * (self.n - 1) // 2, self.n - self.special
        x = torch.cat([u[:along], -u[:along].sum()[None]]) if self.special else u[:along]
        k = self.k @ torch.matrix_exp(antisymmetric(u[-pairs:], self.n))
        return from_iwasawa(k, (self.x + x).exp(), self.upper + upper(u[along:-pairs], self.n, 1))

    def read(self, a: Tensor) -> Tensor:
        k, diagonal, n = iwasawa(a)
        turn = self.k.T @ k
        return torch.cat([diagonal.log()[: self.n - self.special], free(n, 1), free(0.5 * (turn - turn.T), 1)])


Numbers = ByPolar | ByIwasawa


def moving(here: Numbers, there: Numbers, left: Tensor, right: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda u: there.read(left @ here.at(u) @ right)


def entries(numbers: Numbers) -> Callable[[Tensor], Tensor]:
    return lambda u: numbers.at(u).flatten()


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("dimension", [2, 3, 4])
@pytest.mark.parametrize("numbers", [ByPolar, ByIwasawa])
def test_the_measure_is_invariant_under_translations(
    numbers: type[ByPolar] | type[ByIwasawa], dimension: int, special: bool
) -> None:
    """From the coordinates of A to those of g A and A g: the Jacobian times the density there is the density here."""
    size = dimension**2 - special
    for seed in range(3):
        g, a = (one / 3 if not special else one for one in positive(dimension, 2, 20 + seed))
        if special:
            g, a = (one / torch.linalg.det(one) ** (1 / dimension) for one in (g, a))
        here = numbers(a, special)
        eye = torch.eye(dimension)
        for left, right in ((g, eye), (eye, g)):
            there = numbers(left @ a @ right, special)
            change = volume_change(moving(here, there, left, right), size)
            assert change * there.density == pytest.approx(here.density, rel=1e-5)


@pytest.mark.parametrize("dimension", [2, 3])
def test_all_three_densities_give_the_same_measure(dimension: int) -> None:
    for a in positive(dimension, 5, 31):
        one, other = ByPolar(a, False), ByIwasawa(a, False)
        density = float(haar_density(a))
        by_polar = volume_change(entries(one), dimension**2) * density
        by_iwasawa = volume_change(entries(other), dimension**2) * density
        assert by_polar == pytest.approx(2 ** (dimension * (dimension - 1) / 2) * one.density, rel=1e-5)
        assert by_iwasawa == pytest.approx(other.density, rel=1e-5)


def first_three(numbers: Numbers) -> Callable[[Tensor], Tensor]:
    return lambda u: numbers.at(u).flatten()[:3]


def test_the_measure_of_sl2_is_that_of_the_textbook() -> None:
    """da db dc / |a| for ((a, b), (c, d)), d = (1 + b c) / a (Lang, SL2(R), 1975)."""
    for a in positive(2, 5, 32):
        a = a / torch.linalg.det(a).sqrt()
        first = 1 / abs(float(a[0, 0]))
        every: list[tuple[Numbers, float]] = [(ByPolar(a, True), 2.0), (ByIwasawa(a, True), 1.0)]
        for numbers, constant in every:
            change = volume_change(first_three(numbers), 3)
            assert change * first == pytest.approx(constant * numbers.density, rel=1e-5)


def test_densities_of_entries_cancel_the_jacobian_of_a_translation() -> None:
    """|d(g A)/dA| = |det g|^n and |d(g S g^T)/dS| = |det g|^(n+1), which the densities cancel."""
    g, a = positive(2, 50, 4), positive(2, 50, 5)
    assert torch.allclose(haar_density(g @ a) * torch.linalg.det(g) ** 2, haar_density(a), rtol=1e-10)
    s = a @ a.transpose(1, 2)
    moved = g @ s @ g.transpose(1, 2)
    assert torch.allclose(haar_density_positive(moved) * torch.linalg.det(g) ** 3, haar_density_positive(s), rtol=1e-9)


def test_the_affine_measure_is_left_but_not_right_invariant() -> None:
    """(t, g)(x, A) = (t + g x, g A) and (x, A)(t, g) = (x + A t, A g): their Jacobians in (x, entries of A)."""
    g, a = positive(2, 2, 6)
    t = torch.tensor([0.3, -0.7])

    def density(one: Tensor) -> float:
        return float(haar_density(one) * haar_density_affine(one))

    def left(u: Tensor) -> Tensor:
        return torch.cat([t + g @ u[:2], (g @ (a + u[2:].reshape(2, 2))).flatten()])

    def right(u: Tensor) -> Tensor:
        b = a + u[2:].reshape(2, 2)
        return torch.cat([u[:2] + b @ t, (b @ g).flatten()])

    assert volume_change(left, 6) * density(g @ a) == pytest.approx(density(a), rel=1e-6)
    assert volume_change(right, 6) * density(a @ g) == pytest.approx(density(a) / float(torch.linalg.det(g)), rel=1e-6)


@pytest.mark.parametrize("special", [False, True])
def test_the_integral_of_weighted_samples_is_invariant(special: bool) -> None:
    """1/G sum w(A) F(g^-1 A) for F localised near the identity; without the weights it depends on g."""
    a, inverse, weight = elements(50_000, special, 5, spread=0.4)
    assert float((a @ inverse - torch.eye(2)).abs().max()) <= 1e-12

    def integral(g: Tensor, weight: Tensor) -> float:
        number = coordinates(torch.linalg.inv(g) @ a, special)
        return float((weight * torch.exp(-0.5 * number.square().sum(1) / 0.15**2)).mean())

    still = integral(torch.eye(2), weight)
    moves = [torch.tensor([[1.0, 0.3], [0.0, 1.0]]), torch.diag(torch.tensor([1.4**0.5, 1.4**-0.5]))]
    moves += [] if special else [1.2 * torch.eye(2), torch.eye(2) / 1.2]
    for move in moves:
        assert integral(move, weight) == pytest.approx(still, rel=0.05)
        even = torch.ones_like(weight)
        assert integral(move, even) < 0.93 * integral(torch.eye(2), even)


def test_the_weights_are_those_of_the_polar_measure() -> None:
    """The integral of exp(-|X|^2 / 2 s^2) over SL(2) in closed form, with its sinh."""
    a, _, weight = elements(200_000, True, 6)
    radius = coordinates(a, True)[:, :2].norm(dim=1)
    found = float((weight * torch.exp(-0.5 * (radius / 0.25) ** 2)).mean())
    line = torch.linspace(0, 2, 20_001)
    exact = torch.trapezoid(torch.pi * torch.sinh(2 * line) * torch.exp(-0.5 * (line / 0.25) ** 2), line)
    assert found == pytest.approx(float(exact), rel=0.01)


def test_iwasawa_log_coordinates_have_the_same_density() -> None:
    """The map from Z = log N to the entries of N is unit triangular: dN = dZ, so no other density is needed."""
    z = upper(torch.tensor([0.3, -0.8, 0.5]), 3, 1)

    def shown(u: Tensor) -> Tensor:
        return free(exp_iwasawa(torch.zeros(3, 3), torch.zeros(3), z + upper(u, 3, 1)), 1)

    assert volume_change(shown, 3) == pytest.approx(1, rel=1e-8)
