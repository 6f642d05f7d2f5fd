"""Affine maps of the plane with named units; `b @ a` raises unless a.target is b.source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Affine:
    """x -> matrix x + shift, from `source` to `target` units ("px", "um", "v")."""

    source: str
    target: str
    matrix: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    shift: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not np.isfinite([*np.ravel(self.matrix), *self.shift]).all():
            raise ValueError(f"the map from {self.source} to {self.target} is not finite")
        if abs(self.determinant) < 1e-12:
            raise ValueError(f"the map from {self.source} to {self.target} has no inverse (its determinant is 0)")

    @classmethod
    def scale(cls, source: str, target: str, factor: float, shift: tuple[float, float] = (0.0, 0.0)) -> Affine:
        """The map by `factor` target units per source unit along both axes."""
        return cls(source, target, ((factor, 0.0), (0.0, factor)), shift)

    @property
    def determinant(self) -> float:
        (a, b), (c, d) = self.matrix
        return a * d - b * c

    def __call__(self, points: Any) -> Floats:
        """Points [..., 2] in `source` to points [..., 2] in `target`."""
        transformed: Floats = np.asarray(points, np.float64) @ np.asarray(self.matrix).T
        shifted: Floats = transformed + np.asarray(self.shift)
        return shifted

    def __matmul__(self, first: Affine) -> Affine:
        """The map that applies `first`, then self. Raises ValueError if first.target is not self.source."""
        if first.target != self.source:
            raise ValueError(
                f"a map from {self.source} to {self.target} can't follow one from {first.source} to {first.target}"
            )
        matrix = np.asarray(self.matrix) @ np.asarray(first.matrix)
        return _of(first.source, self.target, matrix, self(np.asarray(first.shift)))

    @property
    def inverse(self) -> Affine:
        matrix = np.linalg.inv(np.asarray(self.matrix))
        return _of(self.target, self.source, matrix, -matrix @ np.asarray(self.shift))


def _of(source: str, target: str, matrix: Floats, shift: Floats) -> Affine:
    (a, b), (c, d) = matrix.tolist()
    return Affine(source, target, ((a, b), (c, d)), (float(shift[0]), float(shift[1])))
