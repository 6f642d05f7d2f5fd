"""Dual numbers for forward-mode differentiation (Wengert 1964): a value with its partial derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Dual:
    """A value [...] with its partial derivatives; without any, it is constant in space."""

    value: Floats
    slopes: tuple[Floats, ...] = ()

    def __add__(self, other: Dual) -> Dual:
        return _chain(self.value + other.value, (self, 1.0), (other, 1.0))

    def __sub__(self, other: Dual) -> Dual:
        return _chain(self.value - other.value, (self, 1.0), (other, -1.0))

    def __mul__(self, other: Dual) -> Dual:
        return _chain(self.value * other.value, (self, other.value), (other, self.value))

    def __truediv__(self, other: Dual) -> Dual:
        value = self.value / other.value
        return _chain(value, (self, 1.0 / other.value), (other, -value / other.value))

    def __neg__(self) -> Dual:
        return _chain(-self.value, (self, -1.0))

    def __pos__(self) -> Dual:
        return self

    def __pow__(self, other: Dual) -> Dual:
        value = np.power(self.value, other.value)
        # r**0 is 1 everywhere: its slope is 0, also where r**(-1) is infinite
        base = np.where(other.value == 0.0, 0.0, other.value * np.power(self.value, other.value - 1.0))
        return _chain(value, (self, base), (other, value * np.log(self.value) if other.slopes else 0.0))


def _chain(value: Floats, *terms: tuple[Dual, Floats | float]) -> Dual:
    """The chain rule, for a value and the rate of change with each argument."""
    moving = [(argument, rate) for argument, rate in terms if argument.slopes]
    if not moving:
        return Dual(value)
    columns = zip(*(argument.slopes for argument, _ in moving), strict=True)
    return Dual(value, tuple(_sum(column, [rate for _, rate in moving]) for column in columns))


def _sum(slopes: tuple[Floats, ...], rates: list[Floats | float]) -> Floats:
    total: Floats = np.asarray(slopes[0] * rates[0])
    for slope, rate in zip(slopes[1:], rates[1:], strict=True):
        total = total + slope * rate
    return total


def constant(number: float) -> Dual:
    return Dual(np.asarray(number, dtype=np.float64))


def choose(condition: NDArray[np.bool_], yes: Dual, no: Dual) -> Dual:
    """`yes` where the condition holds, else `no`."""
    keep = np.asarray(condition, dtype=np.float64)
    value = np.where(condition, yes.value, no.value)
    if not (yes.slopes or no.slopes):
        return Dual(value)
    number = max(len(yes.slopes), len(no.slopes))
    zero = (np.zeros_like(keep),) * number
    pairs = zip(yes.slopes or zero, no.slopes or zero, strict=True)
    return Dual(value, tuple(np.where(condition, left, right) for left, right in pairs))


def smaller(left: Dual, right: Dual) -> Dual:
    return choose((left.value <= right.value) | np.isnan(left.value), left, right)


def larger(left: Dual, right: Dual) -> Dual:
    return choose((left.value >= right.value) | np.isnan(left.value), left, right)


def _function(value: Callable[[Floats], Floats], rate: Callable[[Floats, Floats], Floats]) -> Callable[[Dual], Dual]:
    """A function of one argument, from its value and from its derivative as a function of (argument, value)."""

    def apply(argument: Dual) -> Dual:
        result = value(argument.value)
        return _chain(result, (argument, rate(argument.value, result)))

    return apply


FUNCTIONS: dict[str, tuple[int, Callable[..., Dual]]] = {
    "sin": (1, _function(np.sin, lambda u, _: np.cos(u))),
    "cos": (1, _function(np.cos, lambda u, _: -np.sin(u))),
    "tan": (1, _function(np.tan, lambda _, f: 1.0 + f * f)),
    "exp": (1, _function(np.exp, lambda _, f: f)),
    "log": (1, _function(np.log, lambda u, _: 1.0 / u)),
    "sqrt": (1, _function(np.sqrt, lambda _, f: 0.5 / f)),
    "abs": (1, _function(np.abs, lambda u, _: np.sign(u))),
    "tanh": (1, _function(np.tanh, lambda _, f: 1.0 - f * f)),
    "min": (2, smaller),
    "max": (2, larger),
}
"""name -> (number of arguments, function)"""
