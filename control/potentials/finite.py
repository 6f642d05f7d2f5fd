"""Searches a formula for places where it is not finite, also between the grid points."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from control.potentials.dual import Dual
from control.potentials.expression import FormulaError, column_of, culprit, evaluate

Floats = NDArray[np.float64]
At = Callable[[Floats], Mapping[str, Dual]]  # points [P, D] -> values of the variables

POINTS = {1: 1001, 2: 101}  # per axis, by number of dimensions
HALVINGS = 60  # of the interval between two points, down to the spacing of float64
STEEP = 1e6  # a pole: larger than everywhere on the grid by this factor


def refuse_infinities(
    tree: ast.expr, text: str, variables: At, axes: tuple[str, ...], limits_um: tuple[float, float]
) -> None:
    """Raises FormulaError if the value or a slope of a checked tree is not finite within the limits of each axis."""
    line_um = np.linspace(*limits_um, POINTS[len(axes)])
    grid_um = np.stack(np.meshgrid(*(line_um,) * len(axes), indexing="ij"), axis=-1)  # [n, D] or [n, n, D]
    points_um = grid_um.reshape(-1, len(axes))
    size, slope = _size(tree, variables, points_um)
    for what, values in (("it is", size), ("its slope is", slope)):
        if not np.isfinite(values).all():
            place_um = points_um[np.argmin(np.isfinite(values))]
            raise _fault(what, culprit(tree, variables(place_um[None])), place_um, text, axes)
    usual = float(max(size.max(), slope.max(), 1.0))
    for axis in range(len(axes)):
        low, high = (np.delete(grid_um, end, axis).reshape(-1, len(axes)) for end in (-1, 0))
        for piece, divisor in _divisors(tree):
            zeros_um = _zeros(divisor, variables, low, high)
            size, slope = _size(tree, variables, zeros_um)
            steep = ~((size < STEEP * usual) & (slope < STEEP * usual))  # nan is steep
            if steep.any():
                raise _fault("it is", piece, zeros_um[np.argmax(steep)], text, axes)


def _size(tree: ast.expr, variables: At, points_um: Floats) -> tuple[Floats, Floats]:
    """(absolute value [P], largest absolute slope [P])."""
    result = evaluate(tree, variables(points_um))
    number = len(points_um)
    slopes = [np.broadcast_to(np.abs(slope), number) for slope in result.slopes] or [np.zeros(number)]
    return np.broadcast_to(np.abs(result.value), number), np.max(slopes, axis=0)


def _divisors(tree: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Divisors of a checked tree, also in powers, roots, logarithms and tangents; each with the dividing operation."""
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(op=ast.Div(), right=below):
                yield from ((node, factor) for factor in _factors(below))
            case ast.BinOp(left=base, op=ast.Pow(), right=power) if not isinstance(power, ast.Constant):
                yield from ((node, factor) for factor in _factors(base))
            case ast.Call(func=ast.Name(id="log" | "sqrt"), args=[inner]):
                yield from ((node, factor) for factor in _factors(inner))
            case ast.Call(func=ast.Name(id="tan"), args=[angle]):
                yield node, ast.Call(func=ast.Name(id="cos"), args=[angle], keywords=[])


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    """Factors of a product, which have the same zeros; (r - 1)**2 does not change its sign at 1, but r - 1 does."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield from _factors(left)
            yield from _factors(right)
        case ast.BinOp(left=inner, op=ast.Pow()) | ast.UnaryOp(operand=inner):
            yield from _factors(inner)
        case ast.Call(func=ast.Name(id="abs" | "sqrt"), args=[inner]):
            yield from _factors(inner)
        case _:
            yield node


def _zeros(divisor: ast.expr, variables: At, low: Floats, high: Floats) -> Floats:
    """Points [Q, D] on both sides of each change of sign between low [P, D] and high [P, D]."""

    def sign(points: Floats) -> Floats:
        return np.broadcast_to(np.sign(evaluate(divisor, variables(points)).value), len(points))

    sign_at_low = sign(low)
    change = sign_at_low * sign(high) < 0.0
    low, high, sign_at_low = low[change], high[change], sign_at_low[change]
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        same_sign = (sign(middle) == sign_at_low)[:, None]
        low, high = np.where(same_sign, middle, low), np.where(same_sign, high, middle)
    return np.concatenate([low, high])


def _fault(what: str, piece: ast.expr, place_um: Floats, text: str, axes: tuple[str, ...]) -> FormulaError:
    location = ", ".join(f"{axis} = {value:.4g} um" for axis, value in zip(axes, place_um, strict=True))
    blanks = len(text) - len(text.lstrip())
    return FormulaError(f"{what} not finite at {location}, within range_um", text, column_of(text, piece, blanks))
