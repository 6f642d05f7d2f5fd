"""Motion of the spots in a calibration: over a grid, with the particles that they hold, or flashing at one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Field, Ge, Gt, Interval, settings
from control.calibrate.scan import scattered
from control.contract import Forces, Policy, Seen, State
from control.policies.policy_settings import PolicyContext, PolicySettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Corner = tuple[float, float]

PATTERN = 200  # flashes in one period of the pattern
GRID = 33  # candidate places of a flash along each side of the field


@settings
class Scan:
    """One spot visits a grid over the whole field in scattered order; no calibrated map is needed."""

    kind: Literal["scan"] = "scan"
    pitch_um: Annotated[float, Interval(ge=0.05, le=1e4), Doc("distance of neighbours on the grid")] = 0.8
    turns: Annotated[int, Interval(ge=1, le=100_000), Doc("how many frames the spot stays at each")] = 2
    depth_kt: Annotated[float, Gt(0), Doc("depth of the spot, as believed")] = 100.0


@settings
class Carry:
    """Each particle is held by its own spot; all spots move together along a path, and oscillate if set."""

    kind: Literal["carry"] = "carry"
    number: Annotated[int, Interval(ge=1, le=5000), Doc("how many particles are held at most")] = 16
    depth_kt: Annotated[float, Gt(0), Doc("depth of each spot, as believed")] = 20.0
    path_um: Annotated[tuple[tuple[float, float], ...], Doc("places along the path, from where a particle stood")] = (
        (0.0, 0.0),
    )
    speed_um_per_s: Annotated[float, Gt(0), Doc("along the path")] = 1.5
    rest_s: Annotated[float, Ge(0), Doc("how long the spots rest at each place of the path")] = 1.0
    shake_um: Annotated[tuple[float, float], Doc("amplitude of a shaking along x and along y")] = (0.0, 0.0)
    shake_hz: Annotated[tuple[float, float], Doc("its frequencies")] = (3.0, 9.0)
    apart_um: Annotated[float, Ge(0), Doc("who has another one nearer than this is left alone")] = 2.2
    edge_um: Annotated[float, Ge(0), Doc("spots stay so far from the field's edge")] = 1.0


@settings
class Flash:
    """One spot switches on and off at a place without particles, each time for a random number of frames."""

    kind: Literal["flash"] = "flash"
    depth_kt: Annotated[float, Gt(0), Doc("depth of the spot, as believed")] = 100.0
    shortest: Annotated[
        int, Interval(ge=1, le=100_000), Doc("least number of frames that the spot stays on, or off")
    ] = 3
    longest: Annotated[int, Interval(ge=2, le=100_000), Doc("and the largest")] = 9
    seed: Annotated[int, Ge(0), Doc("of the pattern")] = 0
    edge_um: Annotated[float, Ge(0), Doc("the spot stays so far from the field's edge")] = 2.0


AnyMotion = Annotated[Scan | Carry | Flash, Field(discriminator="kind")]


@settings
class Calibrating(PolicySettings):
    """The policy of calibrations. Only this one may act, at probe power, while the map is unconfirmed."""

    kind: Literal["calibrating"] = "calibrating"
    motion: Annotated[AnyMotion, Doc("how the spots move")] = Carry()

    moves_probe: ClassVar[bool] = True

    def build(self, context: PolicyContext) -> Policy:
        self.require(context)
        if isinstance(self.motion, Scan):
            return Scanning(self.motion, context.low_um, context.high_um)
        if isinstance(self.motion, Flash):
            return Flashing(self.motion, context.low_um, context.high_um)
        return Carrying(self.motion, context.low_um, context.high_um, context.light.waist_um)


@dataclass(frozen=True)
class Scanning:
    """The policy of a Scan. Its memory is the number of past turns."""

    scan: Scan
    low_um: Corner
    high_um: Corner

    @property
    def longest_delay_s(self) -> float:
        return 0.0

    @property
    def grid_um(self) -> Floats:
        """[M, 2] the grid points, in the order of the visits."""
        axes = [
            low + (high - low - pitch * math.floor((high - low) / pitch)) / 2.0
            + pitch * np.arange(math.floor((high - low) / pitch) + 1)
            for low, high, pitch in zip(self.low_um, self.high_um, (self.scan.pitch_um,) * 2, strict=True)
        ]  # fmt: skip
        places = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        return np.asarray(places[scattered(len(places))])

    @property
    def turns(self) -> int:
        """Number of turns of one round."""
        return len(self.grid_um) * self.scan.turns

    def start(self) -> int:
        return 0

    def step(self, memory: int, seen: Seen) -> tuple[int, Forces]:
        grid_um = self.grid_um
        place_um = grid_um[memory // self.scan.turns % len(grid_um)]
        return memory + 1, spots(np.array([-1]), place_um[None], self.scan.depth_kt)


@dataclass(frozen=True)
class Flashing:
    """The policy of a Flash. Its memory is the number of past turns, and the place of the spot.

    The place is chosen in the first turn, as far as possible from all particles detected then.
    """

    flash: Flash
    low_um: Corner
    high_um: Corner

    @property
    def longest_delay_s(self) -> float:
        return 0.0

    @cached_property
    def lit(self) -> NDArray[np.bool_]:
        """[M] whether the spot is on in each turn. The pattern begins dark, and repeats."""
        lasting = np.random.default_rng(self.flash.seed).integers(
            self.flash.shortest, self.flash.longest + 1, 2 * PATTERN
        )
        return np.repeat(np.arange(2 * PATTERN) % 2 == 1, lasting)

    def start(self) -> tuple[int, Corner | None]:
        return 0, None

    def step(self, memory: tuple[int, Corner | None], seen: Seen) -> tuple[tuple[int, Corner], Forces]:
        turn, place = memory
        place = place or self.free_place(seen.tracks.position_um)
        if not self.lit[turn % len(self.lit)]:
            return (turn + 1, place), Forces()
        return (turn + 1, place), spots(np.array([-1]), np.array([place]), self.flash.depth_kt)

    def free_place(self, position_um: Floats) -> Corner:
        """The grid point that is farthest from all particles [N, 2]; without particles, the middle of the field."""
        low_um, high_um = np.array(self.low_um) + self.flash.edge_um, np.array(self.high_um) - self.flash.edge_um
        share = np.linspace(0.0, 1.0, GRID)
        grid_um = low_um + np.stack(np.meshgrid(share, share), axis=-1).reshape(-1, 2) * (high_um - low_um)
        if len(position_um) == 0:
            grid_um = (low_um + high_um)[None] / 2.0
        distance_um = np.hypot(*np.moveaxis(grid_um[:, None] - position_um[None], -1, 0)).min(axis=1, initial=np.inf)
        x_um, y_um = grid_um[int(np.argmax(distance_um))]
        return float(x_um), float(y_um)


@dataclass(frozen=True)
class Held:
    """The held particles, and the beginning of the path of each."""

    since_s: float = math.nan  # when the path began
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [K] rising
    anchor_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [K, 2]


@dataclass(frozen=True)
class Carrying:
    """The policy of a Carry. A particle farther than a waist from its spot is caught again at its present position."""

    carry: Carry
    low_um: Corner
    high_um: Corner
    waist_um: float

    @property
    def longest_delay_s(self) -> float:
        return 0.0

    def start(self) -> Held:
        return Held()

    def step(self, memory: Held, seen: Seen) -> tuple[Held, Forces]:
        now_s = seen.effect_s
        since_s = now_s if math.isnan(memory.since_s) else memory.since_s
        offset_um = self.offset_um(now_s - since_s)
        particle, place_um, free = self._catchable(seen)
        was_held = np.isin(particle, memory.particle)
        anchor_um = place_um - offset_um  # [N, 2] for particles caught now
        old = memory.anchor_um[np.searchsorted(memory.particle, particle[was_held])]
        near = np.hypot(*(self._inside(old + offset_um) - place_um[was_held]).T) <= self.waist_um
        anchor_um[was_held] = np.where(near[:, None], old, anchor_um[was_held])
        held = was_held | (free & (np.cumsum(free & ~was_held) + was_held.sum() <= self.carry.number))
        particle, anchor_um = particle[held], anchor_um[held]
        is_lost = np.isin(memory.particle, seen.tracks.lost)  # not detected now, perhaps in the next frame
        everyone = np.concatenate([particle, memory.particle[is_lost]])
        anchors = np.concatenate([anchor_um, memory.anchor_um[is_lost]])
        order = np.argsort(everyone, kind="stable")
        after = Held(since_s, everyone[order], anchors[order])
        return after, spots(particle, self._inside(anchor_um + offset_um), self.carry.depth_kt)

    def offset_um(self, time_s: float) -> Floats:
        """[2] offset of all spots by path and oscillation, `time_s` after the beginning."""
        carry = self.carry
        path_um = np.array([*carry.path_um, carry.path_um[0]])  # [P + 1, 2] closed path
        travel_s = np.hypot(*np.diff(path_um, axis=0).T) / carry.speed_um_per_s  # [P]
        leg_s = np.where(travel_s > 0, travel_s, 0.0) + carry.rest_s  # rest, then travel
        total_s = float(leg_s.sum())
        shake = np.array(carry.shake_um) * np.sin(2.0 * np.pi * np.array(carry.shake_hz) * time_s)
        if total_s <= 0:
            return np.asarray(path_um[0] + shake)
        cycle_s = time_s % total_s
        leg = min(int(np.searchsorted(np.cumsum(leg_s), cycle_s, side="right")), len(leg_s) - 1)
        within_s = cycle_s - (np.cumsum(leg_s)[leg] - leg_s[leg]) - carry.rest_s
        share = min(max(within_s / travel_s[leg], 0.0), 1.0) if travel_s[leg] > 0 else 0.0
        return np.asarray(path_um[leg] + share * (path_um[leg + 1] - path_um[leg]) + shake)

    def _catchable(self, seen: Seen) -> tuple[Ints, Floats, NDArray[np.bool_]]:
        """(ID [N], position [N, 2], [N] whether no other particle is within apart_um) of all GOOD particles."""
        tracks = seen.tracks
        good = tracks.state == State.GOOD
        place_um = tracks.position_um[good]
        between = np.hypot(*np.moveaxis(place_um[:, None] - tracks.position_um[None], -1, 0))  # [N, all]
        between[between == 0.0] = np.inf
        return tracks.particle[good], place_um, between.min(axis=1, initial=np.inf) > self.carry.apart_um

    def _inside(self, place_um: Floats) -> Floats:
        edge_um = self.carry.edge_um
        return np.asarray(np.clip(place_um, np.array(self.low_um) + edge_um, np.array(self.high_um) - edge_um))


def spots(particle: Ints, place_um: Floats, depth_kt: float) -> Forces:
    """Spots of light at places [K, 2], each for a particle [K] or -1."""
    number = len(particle)
    return Forces(
        ring_particle=particle, ring_um=place_um, ring_radius_um=np.zeros(number),
        ring_kt=np.full(number, depth_kt), ring_delay_s=np.full(number, np.nan),
    )  # fmt: skip
