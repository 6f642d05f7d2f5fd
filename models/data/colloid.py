"""colloid2d: forces between colloids in the plane, with seven ways to keep or break a symmetry.

Reduced units: diameter sigma = 1, D = kT = mobility = 1. Yukawa repulsion of two kinds of charge with a WCA core, a
harmonic trap for each particle, steps of 1e-4, ten per frame. Target: the force at the beginning of a frame, or the
displacement during it (over its duration), with or without Brownian noise.

    h  homogeneous                                  keeps E(2)
    d  uniform drift of 3 along x                   breaks rotations
    t  drift along x, equal to x (a tilt)           breaks rotations and translations
    l  traps up to 30 % softer off the beam axis    breaks translations
    c  transverse pair force                        breaks reflections, keeps SE(2)
    H  randomly rotated, noisy hexagonal patches    keeps E(2); principal axes are degenerate
    R  hydrodynamic interactions                    keeps E(2) (Rotne and Prager 1969, Yamakawa 1970)
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.data.examples import CloudTask, Example, task_of
from models.data.task import Part

Floats = NDArray[np.float64]
Variant = Literal["h", "d", "t", "l", "c", "H", "R"]

STEP, STEPS = 1e-4, 10
YUKAWA, SCREENING, STIFFNESS = 20.0, 2.0, 10.0
CHARGES = (1.0, 2.0)
DRIFT, TILT, CHIRAL, LASER, LASER_WIDTH = 0.3, 0.3, 0.5, 0.3, 3.0
REACH = 3.0  # where the Yukawa force is below 1 % of its value at contact


def colloid(
    variant: Variant, *, points: int, examples: tuple[int, int, int], target: Literal["force", "displacement"],
    noise: bool, seed: int,
) -> CloudTask:  # fmt: skip
    """The data set of one variant: scalars are the kind, one-hot; the vector points to the trap's centre."""
    draw = np.random.default_rng(seed)
    parts: dict[Part, list[Example]] = {"train": [], "valid": [], "test": []}
    for part, count in zip(parts, examples, strict=True):
        for _ in range(count):
            place = hexagon(draw, points) if variant == "H" else crowd(draw, points)
            kind = draw.integers(0, 2, points)
            trap = place + draw.normal(0, 0.2, place.shape)
            scene = ColloidScene(variant, kind, trap)
            answer = scene.force(place) if target == "force" else scene.displacement(place, draw if noise else None)
            parts[part].append(Example(place, (trap - place)[:, None], np.eye(2)[kind], answer))
    return task_of(parts, REACH, (0, 1), ("1", "1"))


class ColloidScene:
    """Charges, traps and broken symmetry of one configuration."""

    def __init__(self, variant: Variant, kind: NDArray[np.int64], trap: Floats) -> None:
        self.variant, self.trap = variant, trap
        self.charge = np.asarray(CHARGES)[kind]

    def force(self, place: Floats) -> Floats:
        """[N, 2] force on the particles, including the drift of the solvent as a force (mobility 1)."""
        total = self._pairs(place) + self._stiffness(place)[:, None] * (self.trap - place)
        if self.variant == "d":
            total = total + np.array([DRIFT * STIFFNESS, 0.0])
        if self.variant == "t":
            total = total + TILT * STIFFNESS * np.stack([place[:, 0], np.zeros(len(place))], 1) / LASER_WIDTH
        return np.asarray(total)

    def displacement(self, place: Floats, draw: np.random.Generator | None) -> Floats:
        """[N, 2] mean velocity over one frame, with Brownian noise if `draw` is given."""
        now = place.copy()
        for _ in range(STEPS):
            force = self.force(now)
            now = now + STEP * (rotne_prager(now, force) if self.variant == "R" else force)
            if draw is not None:
                now = now + np.sqrt(2 * STEP) * draw.normal(size=now.shape)
        return (now - place) / (STEP * STEPS)

    def _stiffness(self, place: Floats) -> Floats:
        if self.variant != "l":
            return np.full(len(place), STIFFNESS)
        beam = np.exp(-(place**2).sum(axis=1) / (2 * LASER_WIDTH**2))
        return np.asarray(STIFFNESS * (1 - LASER * (1 - beam)))

    def _pairs(self, place: Floats) -> Floats:
        gap = place[:, None] - place[None]
        distance = np.hypot(gap[..., 0], gap[..., 1]) + np.eye(len(place)) * 1e9
        charge = self.charge[:, None] * self.charge[None]
        push = charge * YUKAWA * np.exp(-SCREENING * distance) * (1 + SCREENING * distance) / distance**2
        near = np.minimum(distance, 2 ** (1 / 6))
        push = push + 24 * (2 * near**-12 - near**-6) / near * (distance < 2 ** (1 / 6))
        unit = gap / distance[..., None]
        total = np.asarray((push[..., None] * unit).sum(axis=1))
        if self.variant == "c":
            turned = np.stack([-unit[..., 1], unit[..., 0]], axis=-1)
            total = total + CHIRAL * (push[..., None] * turned).sum(axis=1)
        return np.asarray(total)


def rotne_prager(place: Floats, force: Floats, radius: float = 0.5) -> Floats:
    """[N, 2] velocities of spheres in an unbounded fluid, self mobility 1; valid also for overlapping spheres."""
    gap = place[:, None] - place[None]
    distance = np.hypot(gap[..., 0], gap[..., 1])
    np.fill_diagonal(distance, 1.0)
    unit = gap / distance[..., None]
    ratio = radius / distance
    far = distance > 2 * radius
    even = np.where(far, 0.75 * ratio + 0.5 * ratio**3, 1 - 9 / (32 * ratio))
    along = np.where(far, 0.75 * ratio - 1.5 * ratio**3, 3 / (32 * ratio))
    np.fill_diagonal(even, 1.0)
    np.fill_diagonal(along, 0.0)
    pull = (unit * force[None]).sum(axis=2)  # [N, N] force of j along the line to i
    return np.asarray((even[..., None] * force[None] + (along * pull)[..., None] * unit).sum(axis=1))


def crowd(draw: np.random.Generator, points: int) -> Floats:
    """Random positions about the origin, with distances above 1."""
    side, place = 1.6 * np.sqrt(points), np.empty((0, 2))
    while len(place) < points:
        new = draw.uniform(-side / 2, side / 2, 2)
        if not len(place) or ((place - new) ** 2).sum(axis=1).min() > 1:
            place = np.vstack([place, new])
        else:
            side *= 1.0005
    return place


def hexagon(draw: np.random.Generator, points: int, spacing: float = 1.4) -> Floats:
    """A hexagonal patch about one of its sites, slightly disturbed and randomly rotated.

    Use complete shells only (`is_hexagon`): one additional site would give the patch a principal axis.
    """
    reach = int(np.sqrt(points)) + 2
    a, b = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    lattice = np.stack([a + b / 2, b * np.sqrt(3) / 2], axis=1) * spacing
    steps = np.maximum(np.maximum(np.abs(a), np.abs(b)), np.abs(a + b))  # shell of each site
    site = lattice[np.argsort(steps, kind="stable")[:points]]
    angle_rad = draw.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return np.asarray((site + draw.normal(0, 0.02, site.shape)) @ np.array([[cos, sin], [-sin, cos]]))


def is_hexagon(points: int) -> bool:
    """Whether this is the number of points in complete hexagonal shells: 1, 7, 19, 37, ..."""
    shells = round(np.sqrt(points / 3))
    return bool(points in (1 + 3 * shells * (shells + 1), 1 + 3 * shells * (shells - 1)))
