"""Variation of the light's efficiency over the field, from measured stiffness; its correction gives equal traps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Efficiency:
    """Stiffness for the same power, relative to the middle: 1 + a X + b Y + c X^2 + d X Y + e Y^2.

    (X, Y) = (p - centre) / radius. Its value is at least `least`, which limits the corrected power.
    """

    centre_um: tuple[float, float]
    radius_um: float
    terms: tuple[float, float, float, float, float]
    least: float = 0.2

    def __call__(self, position_um: Floats) -> Floats:
        """[...] at positions [..., 2]."""
        scaled = (np.asarray(position_um, np.float64) - np.asarray(self.centre_um)) / self.radius_um
        return np.asarray(np.maximum(1.0 + _columns(scaled) @ np.asarray(self.terms), self.least))


def _columns(scaled: Floats) -> Floats:
    x, y = scaled[..., 0], scaled[..., 1]
    return np.stack([x, y, x * x, x * y, y * y], axis=-1)


def fit_efficiency(
    position_um: Floats,
    stiffness_per_mw: Floats,
    error: Floats,
    *,
    centre_um: tuple[float, float],
    radius_um: float,
) -> tuple[Efficiency, float]:
    """(the efficiency, the stiffness of 1 mW in the middle), from traps [K] at positions [K, 2].

    Of three models (flat, falling off with the distance from the centre, quadratic), that with the least chi^2 +
    terms ln K (Schwarz 1978, Ann. Statist. 6, 461), so that noise is not compensated by power. `error` [K] are standard
    errors; if the traps scatter more about the model with most terms, the errors are scaled up.
    """
    weight = 1.0 / np.asarray(error)
    columns = _columns((position_um - np.asarray(centre_um)) / radius_um)  # [K, 5]
    round_about = np.array([0.0, 0.0, 1.0, 0.0, 1.0])
    number = len(columns)
    fits: list[tuple[Floats, int, float]] = []  # (six terms, number of free ones, chi^2)
    for basis in (np.empty((5, 0)), round_about[:, None], np.eye(5)):
        if number >= 2 * (1 + basis.shape[1]) or not fits:
            design = np.column_stack([np.ones(number), columns @ basis]) * weight[:, None]
            coefficients = np.linalg.lstsq(design, stiffness_per_mw * weight, rcond=None)[0]
            chi2 = float(((design @ coefficients - stiffness_per_mw * weight) ** 2).sum())
            fits.append((np.concatenate([coefficients[:1], basis @ coefficients[1:]]), len(coefficients), chi2))
    _, terms, chi2 = fits[-1]
    scatter = max(chi2 / max(number - terms, 1), 1.0)
    best = min(fits, key=lambda fit: fit[2] / scatter + fit[1] * float(np.log(number)))[0]
    middle = float(best[0])
    a, b, c, d, e = (best[1:] / middle).tolist()
    return Efficiency(centre_um, radius_um, (a, b, c, d, e)), middle
