"""Robust fit of the map from camera to deflector, affine or polynomial, in sensor coordinates, with its residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.geometry import Affine
from config.warp import Warp, basis

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TUKEY = 4.685  # of the biweight: 95 % efficiency for normal errors


@dataclass(frozen=True)
class FittedMap:
    """A fitted map with its residuals."""

    warp: Warp
    point: Floats  # [K, 2] in the source's unit
    left_px: Floats  # [K, 2] residuals, converted to the source's unit
    used: Bools  # [K] not outliers

    @property
    def rms_px(self) -> float:
        """Root mean square residual of the points used."""
        return float(np.sqrt((self.left_px[self.used] ** 2).sum(axis=1).mean()))


def sensor_map(offset_px: tuple[float, float] = (0.0, 0.0), binning: int = 1) -> Affine:
    """Map from px of the image to px of the whole sensor, for an image binned by `binning` and cut out at `offset_px`.

    The middle of the top left pixel is (0, 0) in both.
    """
    shift = tuple(offset + (binning - 1) / 2.0 for offset in offset_px)
    return Affine.scale("px", "sensor_px", float(binning), (shift[0], shift[1]))


def fit_affine(point: Floats, target: Floats, weight: Floats, source: str = "sensor_px", end: str = "v") -> Affine:
    """Weighted least-squares affine map from point [K, 2] to target [K, 2].

    Raises ValueError if the points lie on a line.
    """
    middle = np.average(point, axis=0, weights=weight)
    design = np.column_stack([point - middle, np.ones(len(point))])
    root = np.sqrt(weight)[:, None]
    solution, _, rank, _ = np.linalg.lstsq(design * root, target * root, rcond=1e-9)
    if rank < 3:
        raise ValueError("the points lie on a line, and a map needs them all over the field")
    matrix = solution[:2].T
    (a, b), (c, d) = matrix.tolist()
    shift = (solution[2] - matrix @ middle).tolist()
    return Affine(source, end, ((a, b), (c, d)), (shift[0], shift[1]))


def fit_map(point: Floats, target: Floats, *, order: int | None = None, end: str = "v") -> FittedMap:
    """Map from point [K, 2] to target [K, 2], robust against outliers (Tukey's biweight, iterated).

    Args:
        point: in sensor px.
        target: in V.
        order: 1 (affine), 2 or 3; None: the order with the least leave-one-out error.
        end: unit of the target.

    Raises:
        ValueError: too few points, or all on a line.
    """
    orders = [order] if order is not None else [1, 2, 3]
    fits = [_fit(point, target, n, end) for n in orders if len(point) >= (n + 1) * (n + 2) // 2 + 2]
    if not fits:
        raise ValueError(f"{len(point)} points are too few for a map")
    best = fits[0]
    for fit in fits[1:]:
        if fit[1] < 0.98 * best[1]:  # a higher order must reduce the error by 2 %
            best = fit
    return best[0]


def _fit(point: Floats, target: Floats, order: int, end: str) -> tuple[FittedMap, float]:
    """(the fit, its leave-one-out rms error)."""
    centre = (point.min(axis=0) + point.max(axis=0)) / 2.0
    radius = float(np.abs(point - centre).max()) or 1.0
    scaled = (point - centre) / radius
    design = np.column_stack([np.ones(len(point)), scaled, basis(scaled, order)])  # [K, P]
    weight = np.ones(len(point))
    for _ in range(50):
        root = np.sqrt(weight)[:, None]
        solution, _, rank, _ = np.linalg.lstsq(design * root, target * root, rcond=1e-9)
        if rank < design.shape[1]:
            raise ValueError("the points lie on a line, and a map needs them all over the field")
        residual = target - design @ solution
        previous, weight = weight, biweight(np.hypot(*residual.T), design.shape[1], least=1e-9 * float(np.ptp(target)))
        if np.allclose(previous, weight, atol=1e-6):
            break
    matrix = (solution[1:3] / radius).T
    (a, b), (c, d) = matrix.tolist()
    shift = (solution[0] - matrix @ centre).tolist()
    terms = tuple((float(x), float(y)) for x, y in solution[3:])
    warp = Warp(
        Affine("sensor_px", end, ((a, b), (c, d)), (shift[0], shift[1])),
        (float(centre[0]), float(centre[1])), radius, terms,
    )  # fmt: skip
    inverse = np.linalg.inv(matrix)
    used = weight > 0
    hat = np.einsum("kp,pq,kq->k", design, np.linalg.pinv(design.T @ (design * weight[:, None])), design) * weight
    leave_one_out = residual[used] / np.maximum(1.0 - hat[used], 1e-3)[:, None]
    return FittedMap(warp, point, residual @ inverse.T, used), float(np.sqrt((leave_one_out**2).sum(axis=1).mean()))


def biweight(distance: Floats, parameters: int, least: float = 0.0) -> Floats:
    """[K] Tukey's weights of residual distances [K]; 0 for outliers. The scale is from the median.

    All weights are 1 if that scale is not above `least`, the level of rounding errors.
    """
    free = max(len(distance) / max(len(distance) - parameters / 2.0, 1.0), 1.0)
    scale = float(np.median(distance)) / 1.1774 * math.sqrt(free)  # median of a Rayleigh distribution: 1.1774 sigma
    if scale <= least:
        return np.ones(len(distance))
    return np.where(distance < TUKEY * scale, (1.0 - (distance / (TUKEY * scale)) ** 2) ** 2, 0.0)


def consensus(point: Floats, target: Floats, *, within: float, tries: int = 2000, seed: int = 0) -> Bools:
    """[K] largest set of pairs that one affine map brings to within `within` of their targets (RANSAC).

    (Fischler and Bolles 1981.) The random numbers depend on `seed` only. Raises ValueError for fewer than 3 pairs.
    """
    if len(point) < 3:
        raise ValueError(f"{len(point)} pairs are too few for a map")
    generator = np.random.default_rng(seed)
    homogeneous = np.column_stack([point, np.ones(len(point))])
    best = np.zeros(len(point), np.bool_)
    for _ in range(tries):
        three = generator.choice(len(point), 3, replace=False)
        try:
            matrix = np.linalg.solve(homogeneous[three], target[three])
        except np.linalg.LinAlgError:
            continue
        if abs(np.linalg.det(matrix[:2])) < 1e-6:
            continue
        inside = np.hypot(*(homogeneous @ matrix - target).T) < within
        if inside.sum() > best.sum():
            best = inside
    return best
