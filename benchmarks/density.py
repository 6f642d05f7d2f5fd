"""Divergence of a measured density from exp(-U / kT) of a given potential U."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Energy = Callable[[Floats], Floats]

FINE = 200  # points per bin for the integral of the given density


@dataclass(frozen=True)
class Divergence:
    """Kullback-Leibler divergence of a measured density from a given one, in nats."""

    value: float  # with its bias, (bins - 1) / (2 independent), subtracted
    bias: float
    independent: float  # number of independent positions in the density


def written(energy_kt: Energy, edges: Floats) -> Floats:
    """[B] share of exp(-U) in each bin of `edges`."""
    fine = np.linspace(edges[:-1], edges[1:], 2 * FINE + 1, axis=-1)[:, 1::2]  # [B, FINE] middles
    weight = np.exp(-energy_kt(fine)).sum(axis=1) * np.diff(edges)
    return np.asarray(weight / weight.sum())


def raw_divergence(count: Floats, share: Floats) -> float:
    """sum p ln(p / q) of counts [B] against shares [B]."""
    p = count / count.sum()
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / share[seen])).sum())


def independent_number(value: Floats, longest: int = 2000) -> float:
    """Number of independent values in [T, N]: T N / (1 + 2 sum of the autocorrelation, until it is below 0.02)."""
    frames, number = value.shape
    moved = value - value.mean()
    power = np.abs(np.fft.rfft(moved, 2 * frames, axis=0)) ** 2
    together = np.fft.irfft(power.mean(axis=1))[: min(longest, frames)]
    together = together / (frames - np.arange(len(together)))
    together /= together[0]
    noise = np.flatnonzero(together < 0.02)
    until = int(noise[0]) if len(noise) else len(together)
    return float(frames * number / (1.0 + 2.0 * float(together[1:until].sum())))


def divergence(value: Floats, energy_kt: Energy, edges: Floats) -> Divergence:
    """Divergence of positions [T, N] (time, particle) from exp(-energy_kt), in the bins of `edges`."""
    count = np.histogram(value, edges)[0].astype(np.float64)
    independent = independent_number(value)
    bias = (len(edges) - 2) / (2.0 * independent)
    return Divergence(raw_divergence(count, written(energy_kt, edges)) - bias, bias, independent)


@dataclass(frozen=True)
class Gain:
    """Factor by which a divergence fell, by a bootstrap over the particles."""

    least: float  # lower 95 % bound: `before` over `after`
    before: float  # lower 95 % bound of the first divergence, bias subtracted
    after: float  # upper 95 % bound of the second, nothing subtracted


def gain(before: Floats, after: Floats, energy_kt: Energy, edges: Floats, *, seed: int = 0, tries: int = 1000) -> Gain:
    """From `before` to `after`: independent particles, as columns of [T, N].

    The second divergence is small: with its bias subtracted it may be below its error, or negative. So its upper bound
    is that of the raw divergence, which noise can only increase.
    """
    chance, share = np.random.default_rng(seed), written(energy_kt, edges)

    def drawn(value: Floats) -> Floats:
        each = np.stack([np.histogram(column, edges)[0] for column in value.T]).astype(np.float64)  # [N, B]
        picks = chance.integers(0, len(each), (tries, len(each)))
        draws = np.array([raw_divergence(each[pick].sum(axis=0), share) for pick in picks])
        # draws from a sample diverge more than the sample (as that does from the truth): centred at the sample's value
        return np.asarray(draws - draws.mean() + raw_divergence(each.sum(axis=0), share))

    bias = (len(edges) - 2) / (2.0 * independent_number(before))
    low = float(np.quantile(drawn(before), 0.05) - bias)
    high = float(np.quantile(drawn(after), 0.95))
    return Gain(low / high, low, high)
