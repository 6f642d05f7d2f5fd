"""A plane map that is not quite affine: an affine one and a polynomial of low order, with labelled ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from config.geometry import Affine

Floats = NDArray[np.float64]


class Map(Protocol):
    """What every map of the plane is: `source` to `target`, and back."""

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
        bent: Floats = straight + basis(self._scaled(points), self.order) @ np.asarray(self.terms)
        return bent

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
        """self after a map that only scales, evenly, and shifts. ValueError for one that turns, or does not meet."""
        (a, b), (c, d) = first.matrix
        if (b, c) != (0.0, 0.0) or a != d or a <= 0:
            raise ValueError("only an even scale may come before a map with a polynomial")
        centre = first.inverse(np.asarray(self.centre)).tolist()
        return Warp(self.affine @ first, (centre[0], centre[1]), self.radius / a, self.terms)

    def _scaled(self, points: Any) -> Floats:
        place: Floats = (np.asarray(points, np.float64) - np.asarray(self.centre)) / self.radius
        return place


@dataclass(frozen=True)
class Unwarp:
    """A Warp backwards, by Newton's method from the affine part's inverse."""

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
        """Points [..., 2] back; ValueError where the polynomial bends so much that there is no way back."""
        wanted = np.asarray(points, np.float64)
        found = self.warp.affine.inverse(wanted)
        for _ in range(50):
            left = self.warp(found) - wanted
            step = np.linalg.solve(self.warp.jacobian(found), left[..., None])[..., 0]
            found = found - step
            if np.abs(step).max(initial=0.0) < 1e-12 * max(self.warp.radius, 1.0):
                return found
        raise ValueError(f"the map from {self.warp.source} to {self.warp.target} can't be turned round there")


def powers(order: int) -> tuple[tuple[int, int], ...]:
    """The exponents (j, k) of the polynomial's terms, 2 <= j + k <= order."""
    return tuple((total - k, k) for total in range(2, order + 1) for k in range(total + 1))


def basis(scaled: Floats, order: int) -> Floats:
    """[..., K] X^j Y^k at scaled points [..., 2]."""
    columns = [scaled[..., 0] ** j * scaled[..., 1] ** k for j, k in powers(order)]
    return np.stack(columns, axis=-1) if columns else np.empty((*scaled.shape[:-1], 0))
