"""Maps of the plane between named units that are nearly affine: an affine map plus a polynomial of low order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from config.geometry import Affine

Floats = NDArray[np.float64]


class Map(Protocol):
    """A map of the plane from `source` to `target` units, with its inverse."""

    @property
    def source(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def inverse(self) -> Map: ...

    def __call__(self, points: Any) -> Floats: ...


@dataclass(frozen=True)
class Warp:
    """affine(p) + sum of c_jk X^j Y^k over 2 <= j + k <= order, (X, Y) = (p - centre) / radius.

    `terms` [K] are c_jk in target units, in the order of `powers(order)`. Without terms it is the affine map.
    """

    affine: Affine
    centre: tuple[float, float] = (0.0, 0.0)
    radius: float = 1.0
    terms: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if not np.isfinite([*self.centre, self.radius, *np.ravel(self.terms)]).all() or self.radius <= 0:
            raise ValueError(f"the map from {self.source} to {self.target} is not finite")
        if len(self.terms) not in (0, 3, 7):
            raise ValueError(f"a map has 0, 3 or 7 polynomial terms (order 1, 2 or 3), not {len(self.terms)}")

    @property
    def source(self) -> str:
        return self.affine.source

    @property
    def target(self) -> str:
        return self.affine.target

    @property
    def order(self) -> int:
        return {0: 1, 3: 2, 7: 3}[len(self.terms)]

    def __call__(self, points: Any) -> Floats:
        """Points [..., 2] in `source` to points [..., 2] in `target`."""
        straight = self.affine(points)
        if not self.terms:
            return straight
        warped: Floats = straight + basis(self._scaled(points), self.order) @ np.asarray(self.terms)
        return warped

    def jacobian(self, points: Any) -> Floats:
        """[..., 2, 2] d target / d source."""
        matrix = np.asarray(self.affine.matrix)
        place = self._scaled(points)
        slopes = np.broadcast_to(matrix, (*place.shape[:-1], 2, 2)).copy()
        x, y = place[..., 0], place[..., 1]
        for (j, k), term in zip(powers(self.order), self.terms, strict=True):
            along_x = j * x ** max(j - 1, 0) * y**k / self.radius
            along_y = k * x**j * y ** max(k - 1, 0) / self.radius
            slopes += np.stack([along_x, along_y], axis=-1)[..., None, :] * np.asarray(term)[:, None]
        return slopes

    @property
    def inverse(self) -> Map:
        return Unwarp(self) if self.terms else self.affine.inverse

    def after(self, first: Affine) -> Warp:
        """The map that applies `first`, then self. ValueError unless `first` is an even scale and a shift that fits."""
        (a, b), (c, d) = first.matrix
        if (b, c) != (0.0, 0.0) or a != d or a <= 0:
            raise ValueError("only an even scale and a shift can precede a map with a polynomial")
        centre = first.inverse(np.asarray(self.centre)).tolist()
        return Warp(self.affine @ first, (centre[0], centre[1]), self.radius / a, self.terms)

    def _scaled(self, points: Any) -> Floats:
        place: Floats = (np.asarray(points, np.float64) - np.asarray(self.centre)) / self.radius
        return place


@dataclass(frozen=True)
class Unwarp:
    """The inverse of a Warp, by Newton's method from the inverse of its affine part."""

    warp: Warp

    @property
    def source(self) -> str:
        return self.warp.target

    @property
    def target(self) -> str:
        return self.warp.source

    @property
    def inverse(self) -> Map:
        return self.warp

    def __call__(self, points: Any) -> Floats:
        """Points [..., 2] in `source` to points in `target`. ValueError where the iteration does not converge."""
        target = np.asarray(points, np.float64)
        estimate = self.warp.affine.inverse(target)
        for _ in range(50):
            residual = self.warp(estimate) - target
            step = np.linalg.solve(self.warp.jacobian(estimate), residual[..., None])[..., 0]
            estimate = estimate - step
            if np.abs(step).max(initial=0.0) < 1e-12 * max(self.warp.radius, 1.0):
                return estimate
        raise ValueError(f"the map from {self.warp.source} to {self.warp.target} can't be inverted there")


def powers(order: int) -> tuple[tuple[int, int], ...]:
    """The exponents (j, k) of the polynomial's terms, 2 <= j + k <= order."""
    return tuple((total - k, k) for total in range(2, order + 1) for k in range(total + 1))


def basis(scaled: Floats, order: int) -> Floats:
    """[..., K] X^j Y^k at scaled points [..., 2]."""
    columns = [scaled[..., 0] ** j * scaled[..., 1] ** k for j, k in powers(order)]
    return np.stack(columns, axis=-1) if columns else np.empty((*scaled.shape[:-1], 0))
