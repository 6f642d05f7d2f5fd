"""The candidate symmetries: each by its generators, infinitesimal (Lie) and discrete."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm

from models.soft.representation import Element, Floats


@dataclass(frozen=True)
class Group:
    """`lie` and `discrete` generate it; `compact` groups have a Haar average; with `points` it is all their orders."""

    name: str
    dimension: int
    lie: tuple[Element, ...] = ()
    discrete: tuple[Element, ...] = ()
    compact: bool = True
    points: int = 0

    def elements(self) -> tuple[Element, ...]:
        """Some that generate all of it (its closure): exp of each Lie generator, and the discrete ones."""
        return (*(Element(*_exp(one.linear, one.shift)) for one in self.lie), *self.discrete)

    def sample(self, draw: np.random.Generator) -> Element:
        """An element drawn by the Haar measure of a compact group; of the others, one not far from the identity."""
        if self.points:
            order = tuple(int(index) for index in draw.permutation(self.points))
            return Element(np.eye(self.dimension), np.zeros(self.dimension), order)
        every = _generated(self.discrete, self.dimension)
        one = every[int(draw.integers(len(every)))]
        if not self.lie:
            return one
        linear, shift = _exponential(self.lie, draw, self.compact)
        return _product(one, Element(linear, shift))


def _product(one: Element, other: Element) -> Element:
    """one after other."""
    order = tuple(other.order[index] for index in one.order) if one.order and other.order else one.order or other.order
    return Element(one.linear @ other.linear, one.linear @ other.shift + one.shift, order)


def _generated(generators: tuple[Element, ...], dimension: int) -> list[Element]:
    """All elements of the finite group that these generate."""
    key = (dimension, *(_name(one) for one in generators))
    if key not in _KNOWN:
        points = len(generators[0].order) if generators else 0
        found = [Element(np.eye(dimension), np.zeros(dimension), tuple(range(points)))]
        seen = {_name(found[0])}
        for element in found:  # grows while it is walked through
            for generator in generators:
                new = _product(generator, element)
                if _name(new) not in seen:
                    seen.add(_name(new))
                    found.append(new)
        _KNOWN[key] = found
    return _KNOWN[key]


_KNOWN: dict[tuple[object, ...], list[Element]] = {}


def _name(one: Element) -> tuple[bytes, tuple[int, ...]]:
    return (np.round(one.linear, 6) + 0.0).tobytes(), one.order


def _exponential(lie: tuple[Element, ...], draw: np.random.Generator, compact: bool) -> tuple[Floats, Floats]:
    dimension = len(lie[0].linear)
    if compact and len(lie) == dimension * (dimension - 1) // 2:  # all rotations
        unit, upper = np.linalg.qr(draw.normal(size=(dimension, dimension)))
        unit = unit * np.sign(np.diag(upper))
        if np.linalg.det(unit) < 0:
            unit[:, 0] = -unit[:, 0]
        return unit, np.zeros(dimension)
    weight = draw.uniform(-np.pi, np.pi, len(lie)) if compact else draw.normal(0, 0.3, len(lie))
    linear, shift = (np.stack([getattr(one, part) for one in lie]) for part in ("linear", "shift"))
    return _exp(np.tensordot(weight, linear, 1), np.tensordot(weight, shift, 1))


def _exp(linear: Floats, shift: Floats) -> tuple[Floats, Floats]:
    """x -> linear x + shift, for a time of 1."""
    whole = np.zeros((len(linear) + 1, len(linear) + 1))
    whole[:-1, :-1], whole[:-1, -1] = linear, shift
    full = expm(whole)
    return np.asarray(full[:-1, :-1]), np.asarray(full[:-1, -1])


def _turn(dimension: int, one: int, other: int) -> Element:
    generator = np.zeros((dimension, dimension))
    generator[other, one], generator[one, other] = 1.0, -1.0
    return Element(generator, np.zeros(dimension))


def _mirror(dimension: int, axis: int) -> Element:
    linear = np.eye(dimension)
    linear[axis, axis] = -1.0
    return Element(linear, np.zeros(dimension))


def rotations(dimension: int) -> Group:
    """SO(d)."""
    turns = tuple(_turn(dimension, i, j) for i in range(dimension) for j in range(i + 1, dimension))
    return Group(f"SO({dimension})", dimension, turns)


def orthogonal(dimension: int) -> Group:
    """O(d)."""
    return Group(f"O({dimension})", dimension, rotations(dimension).lie, (_mirror(dimension, dimension - 1),))


def plane_orthogonal(one: int, other: int) -> Group:
    """O(2) in one coordinate plane of space."""
    return Group(f"O(2) {'xyz'[one]}{'xyz'[other]}", 3, (_turn(3, one, other),), (_mirror(3, one),))


def reflection(dimension: int, axis: int) -> Group:
    """{1, x_axis -> -x_axis}."""
    return Group(f"reflection of {'xyz'[axis]}", dimension, (), (_mirror(dimension, axis),))


def cyclic(order: int) -> Group:
    """C_n: rotations of the plane by 2 pi / n."""
    angle = 2 * np.pi / order
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Group(f"C_{order}", 2, (), (Element(turn, np.zeros(2)),))


def translations(dimension: int) -> Group:
    """R^d, acting on positions only. Not compact: its projector is the null space's."""
    moves = tuple(Element(np.zeros((dimension, dimension)), np.eye(dimension)[axis]) for axis in range(dimension))
    return Group(f"T({dimension})", dimension, moves, compact=False)


def scale(dimension: int) -> Group:
    """x -> s x, s > 0. Not compact."""
    return Group("scale", dimension, (Element(np.eye(dimension), np.zeros(dimension)),), compact=False)


def permutations(points: int, dimension: int) -> Group:
    """S_n by a swap and a cycle."""
    if points < 2:
        raise ValueError(f"S_{points}: at least two points are needed to rename any")
    still, zero = np.eye(dimension), np.zeros(dimension)
    swap = (1, 0, *range(2, points))
    cycle = (*range(1, points), 0)
    both = Element(still, zero, swap), Element(still, zero, cycle)
    return Group(f"S_{points}", dimension, (), both, points=points)
