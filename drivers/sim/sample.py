"""Settings of the simulated sample, which the instrument does not know."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from config.fields import Doc, Ge, Gt, Interval, settings
from config.refused import Refused
from drivers.sim.philox import START, fill_normals, uniform
from drivers.sim.shapes import Look

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Arrangement = Literal["one", "random", "grid", "hexagonal", "square", "line", "points"]
_MOST_PAIRS = 500_000  # of close particles at the start that are separated
_MOST_PUSHES = 10_000_000  # most pairs moved: one or two seconds
_MOST_PARTICLES = 50_000  # in all cells together
_MOST_SPECIES = 100
_TRIES = 100_000  # draws for a random arrangement before it is refused as too crowded


@settings
class MixtureSpecies:
    """One species of a mixture, relative to the particle of the sample."""

    share: Annotated[float, Gt(0), Doc("share of this species, relative to the other shares")] = 1.0
    diameter_ratio: Annotated[float, Gt(0), Doc("diameter, relative to the sample's")] = 1.0
    drag_ratio: Annotated[float, Gt(0), Doc("drag, relative to the sample's")] = 1.0
    response: Annotated[float, Ge(0), Doc("depth in the same light, relative to the sample's")] = 1.0
    brightness: Annotated[float, Ge(0), Doc("brightness in the image, relative to the sample's")] = 1.0
    look: Annotated[Look, Doc("shape in the image; own: that of camera.image")] = "own"


@settings
class Sample:
    """The true sample: particles, positions and fluid. It is centred in the camera's field."""

    number: Annotated[int, Interval(ge=0, le=5000), Doc("number of particles")] = 1
    cells: Annotated[int, Interval(ge=1, le=5000), Doc("independent copies of the sample (plant camera only)")] = 1
    arrangement: Annotated[Arrangement, Doc("initial positions; 'points' uses points_um")] = "one"
    spacing_um: Annotated[float, Gt(0), Doc("initial distance of neighbours")] = 2.5
    disturbance_um: Annotated[float, Ge(0), Doc("rms displacement from the arrangement, along each axis")] = 0.0
    points_um: Annotated[tuple[tuple[float, float], ...], Doc("initial positions, from the centre of the field")] = ()
    species: Annotated[tuple[MixtureSpecies, ...], Doc("species of a mixture; empty: all particles are equal")] = ()
    order: Annotated[tuple[int, ...], Doc("species of each particle; empty: drawn by their shares")] = ()
    temperature_k: Annotated[float, Gt(0), Doc("temperature")] = 295.0
    drag_pn_s_per_um: Annotated[float, Gt(0), Doc("Stokes drag of a particle, wall included (estimate)")] = 0.036
    diameter_um: Annotated[float, Gt(0), Doc("diameter of a particle")] = 2.0
    wca_kt: Annotated[float, Ge(0), Doc("strength of the WCA repulsion; 0: particles pass through each other")] = 10.0
    drift_um_per_s: Annotated[tuple[float, float], Doc("flow of the fluid")] = (0.0, 0.0)
    walls: Annotated[bool, Doc("particles are confined in a box")] = False
    box_um: Annotated[tuple[float, float], Doc("width and height of the box; 0, 0: the camera's field")] = (0.0, 0.0)
    force_pn: Annotated[tuple[float, float], Doc("constant force, not known to the instrument")] = (0.0, 0.0)
    force_gradient_pn_per_um: Annotated[
        tuple[float, float], Doc("gradient of a force, not known to the instrument: along x with x, along y with y")
    ] = (0.0, 0.0)
    light_gradient_per_um: Annotated[
        tuple[float, float], Doc("relative change of the light per um from the centre, along x and y")
    ] = (0.0, 0.0)

    def __post_init__(self) -> None:
        count = len(self.points_um)
        if self.number * self.cells > _MOST_PARTICLES:
            raise ValueError(
                f"{self.cells} cells of {self.number} particles are {self.number * self.cells} particles "
                f"(allowed: {_MOST_PARTICLES})"
            )
        if len(self.species) > _MOST_SPECIES:
            raise ValueError(f"there are {len(self.species)} species (allowed: {_MOST_SPECIES})")
        if self.arrangement == "points" and count != self.number:
            raise ValueError(f"there are {count} points_um for {self.number} particles")
        if self.arrangement == "one" and self.number > 1:
            raise ValueError(f"the arrangement 'one' has place for 1 particle, and the number is {self.number}")
        if self.order and len(self.order) != self.number:
            raise ValueError(f"order names {len(self.order)} species for {self.number} particles")
        if any(not 0 <= species < max(len(self.species), 1) for species in self.order):
            raise ValueError(f"order names a species that is not among the {max(len(self.species), 1)} of the sample")
        if min(self.box_um) < 0:
            raise ValueError("box_um is negative")


def species_of(sample: Sample, seed: int, replica: int = 0) -> Ints:
    """[N] species of each particle: as in `order`, or drawn with counts that follow the shares exactly."""
    if sample.order:
        return np.array(sample.order, np.int64)
    shares = np.array([kind.share for kind in sample.species] or [1.0])
    edges = np.rint(np.cumsum(shares) / shares.sum() * sample.number).astype(np.int64)
    counts = np.diff(edges, prepend=0)
    ranks = [uniform(seed, replica, START, index, 0) for index in range(sample.number)]
    return np.repeat(np.arange(len(shares)), counts)[np.argsort(ranks, kind="stable")]


def arrange(
    sample: Sample, middle_um: Floats, extent_um: Floats, diameter_um: Floats, seed: int, replica: int
) -> Floats:
    """Initial positions [N, 2] um. Particles that overlap after the disturbance are separated.

    Args:
        middle_um, extent_um: [2] centre and size of the camera's field.
        diameter_um: [N].

    Raises:
        Refused: no space for a random arrangement.
    """
    number = sample.number
    if sample.arrangement == "random":
        start_um = _random(sample, extent_um, diameter_um, seed, replica)
    elif sample.arrangement == "points":
        start_um = np.array(sample.points_um, np.float64).reshape(number, 2)
    elif sample.arrangement in ("one", "line"):
        start_um = np.zeros((number, 2))
        start_um[:, 0] = (np.arange(number) - (number - 1) / 2.0) * sample.spacing_um
    else:
        start_um = _lattice(number, sample.spacing_um, sample.arrangement == "hexagonal")
    kicks = np.empty((number, 2))
    fill_normals(kicks, seed, replica, START, 1)
    start_um = start_um + sample.disturbance_um * kicks
    if sample.wca_kt > 0 and sample.disturbance_um > 0:
        start_um = _separated(start_um, diameter_um)
    return start_um + middle_um


def _lattice(number: int, spacing_um: float, hexagonal: bool) -> Floats:
    """The `number` lattice sites nearest to the origin, centred at it."""
    reach = math.ceil(math.sqrt(number)) + 1
    row, column = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    if hexagonal:
        sites = np.stack([column + row / 2.0, row * math.sqrt(0.75)], axis=-1).reshape(-1, 2)
    else:
        middle = 0.0 if math.isqrt(number) % 2 else 0.5  # 4 or 16 sites are centred at a square's middle, 9 at a site
        sites = np.stack([column - middle, row - middle], axis=-1).reshape(-1, 2)
        far = np.abs(sites).max(axis=1)
    distance = np.hypot(*sites.T) if hexagonal else far + 1e-3 * np.hypot(*sites.T)
    angle_rad = np.round(np.arctan2(sites[:, 1], sites[:, 0]), 9)
    nearest = np.lexsort((angle_rad, np.round(distance, 9)))[:number]
    chosen: Floats = spacing_um * sites[nearest]
    return chosen - (chosen.mean(axis=0) if number else 0.0)


def _random(sample: Sample, extent_um: Floats, diameter_um: Floats, seed: int, replica: int) -> Floats:
    """Uniform positions in the box (or the field, a diameter from its edges) without overlap."""
    boxed = sample.walls and min(sample.box_um) > 0
    room_um = np.array(sample.box_um) if boxed else extent_um - 2.0 * diameter_um.max(initial=0.0)
    if sample.number and room_um.min() <= 0:
        raise Refused(f"sample.arrangement: a field of {extent_um[0]:.3g} x {extent_um[1]:.3g} um has no room")
    full = Refused(f"sample.number: {sample.number} particles found no room in {room_um[0]:.3g} x {room_um[1]:.3g} um")
    if sample.wca_kt > 0 and sample.number > _largest_number(room_um, float(diameter_um.min(initial=np.inf))):
        raise full
    placed = np.empty((sample.number, 2))
    count = 0
    for draw in range(_TRIES):
        if count == sample.number:
            return placed
        share = np.array([uniform(seed, replica, START, axis, 2 + draw) for axis in (0, 1)])
        point = (share - 0.5) * room_um
        contact_um = (diameter_um[:count] + diameter_um[count]) / 2.0
        if sample.wca_kt == 0 or (np.hypot(*(placed[:count] - point).T) > contact_um).all():
            placed[count] = point
            count += 1
    raise full


def _largest_number(room_um: Floats, contact_um: float) -> float:
    """Largest number of points with distances of contact or more in a rectangle (Oler 1961)."""
    width, height = (float(side_um) / contact_um for side_um in room_um)
    return 2.0 / math.sqrt(3.0) * width * height + width + height + 1.0


def _separated(start_um: Floats, diameter_um: Floats) -> Floats:
    """Separate overlapping pairs along their line, repeatedly, until none overlaps or it takes too long.

    Raises:
        Refused: too many particles overlap to separate them in seconds.
    """
    start_um = start_um.copy()
    if not len(start_um):
        return start_um
    reach_um = 1.5 * diameter_um.max(initial=0.0)
    listed_um = np.full_like(start_um, np.inf)
    pushes_left = _MOST_PUSHES
    for _ in range(1000):
        if (np.abs(start_um - listed_um) > reach_um / 10.0).any():  # pairs beyond reach are still beyond contact
            first, second = _near_pairs(start_um, reach_um)
            contact_um = (diameter_um[first] + diameter_um[second]) / 2.0
            listed_um = start_um.copy()
        between = start_um[second] - start_um[first]
        length_um = np.maximum(np.hypot(*between.T), 1e-9)
        overlap_um = np.maximum(contact_um - length_um, 0.0)
        pushes_left -= len(first)
        if pushes_left < 0 or not (overlap_um > 1e-3 * contact_um).any():
            break
        push = (0.5 * overlap_um / length_um)[:, None] * between
        np.subtract.at(start_um, first, push)
        np.add.at(start_um, second, push)
    return start_um


def _near_pairs(place_um: Floats, reach_um: float) -> tuple[Ints, Ints]:
    """Pairs (first < second, in order) of points closer than reach_um. Raises Refused for too many."""
    tree = cKDTree(place_um)
    count = (int(tree.count_neighbors(tree, reach_um)) - len(place_um)) // 2
    if count > _MOST_PAIRS:
        raise Refused(
            f"sample.spacing_um: {len(place_um)} particles begin with {count} pairs closer than {reach_um:.3g} um "
            f"(allowed: {_MOST_PAIRS} pairs)"
        )
    pairs = np.asarray(tree.query_pairs(reach_um, output_type="ndarray"), np.int64).reshape(-1, 2)
    first, second = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].T
    return first, second
