"""Data to imitate a programmed law: configurations similar to those on a rig, with the forces of the law.

Forces are in kT/um, so that the result holds at every temperature. Half of the configurations are crystals with the
law's spacing and different degrees of disorder; the other half are gases with distances down to contact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from control.potentials import AnyShape
from control.potentials.shape import Shape as Potential
from models.data.examples import CloudTask, Example, task_of
from models.data.task import Part

Floats = NDArray[np.float64]


def clone(
    shape: AnyShape, *, examples: int, points_least: int, points_most: int, spacing_um: float, nearest_um: float,
    reach_um: float, seed: int,
) -> CloudTask:  # fmt: skip
    """Task with `examples` configurations for training, and a tenth as many each for validation and test."""
    draw = np.random.default_rng(seed)
    counts: dict[Part, int] = {"train": examples, "valid": examples // 10, "test": examples // 10}
    parts: dict[Part, list[Example]] = {part: [] for part in counts}
    for part, count in counts.items():
        for index in range(count):
            points = int(draw.integers(points_least, points_most + 1))
            make = crystal if index % 2 else gas
            place = make(draw, points, spacing_um, nearest_um)
            place -= place.mean(axis=0)
            example = Example(place, np.empty((points, 0, 2)), np.ones((points, 1)), pair_force(shape, place))
            parts[part].append(example)
    return task_of(parts, reach_um, (0,), ("um", "kT/um"))


def pair_force(shape: Potential, place_um: Floats) -> Floats:
    """[N, 2] kT/um: sum of the shape's forces from all other particles."""
    offset_um = place_um[:, None] - place_um[None]  # [N, N, 2]
    force = shape.force_pn(offset_um, kt_pn_um=1.0)
    force[np.arange(len(place_um)), np.arange(len(place_um))] = 0.0
    with np.errstate(all="ignore"):  # `task_of` refuses forces that are not finite
        return np.asarray(force.sum(axis=1))


def crystal(draw: np.random.Generator, points: int, spacing_um: float, nearest_um: float) -> Floats:
    """[points, 2] um: the lattice sites nearest to a random point, with random displacements."""
    reach = int(np.sqrt(points)) + 3
    a, b = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    lattice = np.stack([a + b / 2, b * np.sqrt(3) / 2], axis=1)
    order = np.argsort(((lattice - draw.uniform(-1, 1, 2)) ** 2).sum(axis=1))
    site = lattice[order[:points]] * spacing_um * draw.normal(1.0, 0.04)
    angle = draw.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(site @ turn.T + draw.uniform(0, 0.15 * spacing_um) * draw.normal(size=site.shape))


def gas(draw: np.random.Generator, points: int, spacing_um: float, nearest_um: float) -> Floats:
    """[points, 2] um: random points more than `nearest_um` apart, at the density of the crystal or less."""
    side_um = spacing_um * np.sqrt(points * draw.uniform(0.87, 2.5))
    place = np.empty((0, 2))
    while len(place) < points:
        new = draw.uniform(0, side_um, 2)
        if not len(place) or ((place - new) ** 2).sum(axis=1).min() > nearest_um**2:
            place = np.vstack([place, new])
        else:
            side_um *= 1.0005  # so that the loop ends
    return place
