"""The simulated world: particles that the simulated camera images and the simulated laser and deflector light."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from control.contract import Fault
from control.plant import BOLTZMANN_PN_UM_PER_K
from drivers.sim import kernels, parts
from drivers.sim.sample import MixtureSpecies, Sample, arrange, species_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARED = 0.02  # visits shorter than this part of a spot's relaxation time act as their time average
STEP_SHARE = 0.1  # longest Heun step in light, over the shortest relaxation time
FOREVER_NS = 2**62
MOST_WORK = 2e6  # steps per frame times particles: about 0.4 s of one processor
PIECE_WORK = 1e6  # steps times particles per call of the kernel; signals are handled between calls


@dataclass(frozen=True)
class Stage:
    """Properties of the devices that the motion depends on."""

    middle_um: tuple[float, float] = (0.0, 0.0)  # centre of the camera's field
    extent_um: tuple[float, float] = (25.6, 25.6)
    waist_um: float = 0.6
    period_s: float = 0.01  # of the frames
    exposure_s: float = 0.005
    sub_exposures: int = 4
    warm_up_s: float = 0.0
    laser_noise: float = 0.0  # relative rms, new in each tick
    jitter_um: float = 0.0  # rms pointing noise of the beam, new in each tick
    frames_kept: int = 4


@dataclass(frozen=True)
class Visits:
    """Spots that the beam visits in turn from `due_ns` on, each with `settle_ns` dark, then `dwell_ns` lit."""

    spot_um: Floats  # [M, 2] true positions
    depth_kt: Floats  # [M] for the particle of the sample, while lit
    dwell_ns: Ints  # [M]
    settle_ns: int = 0
    due_ns: int = 0
    until_ns: int = FOREVER_NS  # the light ends then, without a new command
    particle: Ints | None = None  # [M] ideal springs: the only particle of each spot; None: Gaussian spots
    together: bool = False  # all spots are lit at all times, as with one beam each
    power_mw: Floats | None = None  # [M] while lit, at the sample, for light leaking to the camera; None: none


class World:
    """Particles in a fluid under light.

    The same sample, stage, seed, replica and commands (with their due times) give the same positions, bit for bit, on
    the same build and kind of processor, for any sequence of calls of `advance`: steps begin and end at events (ticks
    of 1 ms, sub-exposures, jumps of the beam, commands), and the time since the last event is simulated with the next.

    Spots that share the beam are simulated visit by visit if a visit lasts longer than 2 % of the relaxation time
    of its spot; shorter ones act as their duty-weighted sum (physics brief, P26: an error below 0.1 %).

    A sample with several cells is several replicas in one world that do not interact: cell c moves bit for bit like the
    only cell of replica + c in the same light. All cells have the same coordinates.
    """

    def __init__(self, sample: Sample, stage: Stage = Stage(), *, seed: int = 0, replica: int = 0) -> None:
        if not (0 <= seed < 2**32 and 0 <= replica < 2**32):
            raise Refused(f"seed: {seed} (replica {replica}) is not between 0 and {2**32 - 1}")
        self.sample, self.stage = sample, stage
        kinds = sample.species or (MixtureSpecies(),)
        cells = range(replica, replica + sample.cells)
        self.species = np.concatenate([species_of(sample, seed, number) for number in cells])  # [N]
        self.cell = np.repeat(np.arange(sample.cells), sample.number)  # [N]
        self.brightness = np.array([kinds[s].brightness for s in self.species])  # [N]
        self.look = [kinds[s].look for s in self.species]  # [N]
        self.diameter_um = sample.diameter_um * np.array([kinds[s].diameter_ratio for s in self.species])
        self._kt = BOLTZMANN_PN_UM_PER_K * sample.temperature_k
        self._beads = self._make_beads(kinds)
        self._medium = self._make_medium(seed, replica)
        self._timing = self._make_timing()
        place = np.array(stage.middle_um), np.array(stage.extent_um)
        sizes_um = np.split(self.diameter_um, sample.cells)
        self._position_um = np.concatenate(
            [arrange(sample, *place, size_um, seed, number) for number, size_um in zip(cells, sizes_um, strict=True)]
        )
        number = len(self.species)
        self._work = np.empty((3, number, 2))
        touching = sample.wca_kt > 0
        pairs = np.empty((number * (sample.number - 1) // 2 if touching else 0, 2), np.int32)
        self._near = parts.NeighbourPairs(pairs, np.array([-1]), self._position_um.copy())
        self._exposed = np.full((stage.frames_kept, stage.sub_exposures, number, 2), np.nan)
        self.visits = _DARK  # light at `state_ns`
        self._light = self._make_light(_DARK, False)
        if self._is_too_much_work(self._light):
            raise Refused(self._too_much_work("without light", self._light))
        self._pending: deque[Visits] = deque()
        self._recent_light: deque[tuple[Visits, int]] = deque()  # of recent frames: visits, end of a jump's dark time
        self._now_ns = self._state_ns = self._step = 0
        self._spot_um = np.full(2, np.nan)  # position of a single spot
        self._lock = Lock()

    @property
    def now_ns(self) -> int:
        """Time to which the world was advanced."""
        return self._now_ns

    @property
    def state_ns(self) -> int:
        """Time of `position_um`: that of the last event, less than 1 ms before `now_ns`."""
        return self._state_ns

    @property
    def position_um(self) -> Floats:
        """[N, 2] true positions at `state_ns`."""
        return self._position_um.copy()

    @property
    def period_ns(self) -> int:
        return self._timing.period_ns

    @property
    def exposure_ns(self) -> int:
        return round(self.stage.exposure_s * 1e9)

    @property
    def description(self) -> str:
        """What is simulated, and with which steps, for the journal. Constant in time."""
        step_us = 1e6 * self._longest_step_s(0.0)
        return (
            f"{len(self.species)} particles, overdamped; Heun steps between events, of at most {step_us:.4g} us and "
            f"{STEP_SHARE:g} of the shortest relaxation time in the light; a visit of the beam is simulated where it "
            f"lasts longer than {SHARED:.0%} of its spot's relaxation time, and acts as its mean over time where not"
        )

    def exposed(self, number: int) -> Floats:
        """[S, N, 2] true positions at the middles of the sub-exposures of a recent frame. Raises ValueError."""
        newest = (self._state_ns - int(self._timing.offset_ns[-1])) // self.period_ns
        if not newest - self.stage.frames_kept < number <= newest:
            raise ValueError(f"frame {number} is not among the last {self.stage.frames_kept}, which end at {newest}")
        kept: Floats = self._exposed[number % self.stage.frames_kept].copy()
        return kept

    def shone(self, number: int) -> tuple[Floats, Floats]:
        """(true positions [K, 2], mean powers [K] mW) of the light during a recent frame's exposure, which is over.

        Without the beam's jitter.
        """
        begin_ns = number * self.period_ns
        end_ns = begin_ns + self.exposure_ns
        with self._lock:
            recent = list(self._recent_light)
        ends_ns = [*(after.due_ns for after, _ in recent[1:]), FOREVER_NS][: len(recent)]  # none before the first light
        place_um, mean_mw = [np.empty((0, 2))], [np.empty(0)]
        for (visits, lit_ns), over_ns in zip(recent, ends_ns, strict=True):
            from_ns, to_ns = max(begin_ns, lit_ns), min(end_ns, over_ns)
            if visits.power_mw is None or from_ns >= to_ns:
                continue
            ticks_ns = np.arange(from_ns // kernels.TICK_NS + 1, -(-to_ns // kernels.TICK_NS)) * kernels.TICK_NS
            edges_ns = np.concatenate([[from_ns], ticks_ns, [to_ns]]).astype(np.int64)
            power = np.array([kernels.relative_power(int(at_ns), self._medium) for at_ns in edges_ns[:-1]])
            lit_each_ns = np.diff(lit_until_ns(visits, edges_ns), axis=0)  # [E, M]
            place_um.append(visits.spot_um)
            mean_mw.append(visits.power_mw * (power @ lit_each_ns) / self.exposure_ns)
        return np.concatenate(place_um), np.concatenate(mean_mw)

    def put(self, visits: Visits) -> None:
        """Set the light from `due_ns` on; visits pending after that are dropped. An earlier `due_ns` becomes now."""
        with self._lock:
            due_ns = max(visits.due_ns, self._now_ns)
            while self._pending and self._pending[-1].due_ns >= due_ns:
                self._pending.pop()
            until_ns = max(visits.until_ns, due_ns)
            self._pending.append(replace(visits, due_ns=due_ns, until_ns=until_ns))

    def darken(self, at_ns: int) -> None:
        """Switch the light off from at_ns on, until new visits are due."""
        self.put(Visits(_DARK.spot_um, _DARK.depth_kt, _DARK.dwell_ns, 0, at_ns))

    def advance(self, to_ns: int) -> None:
        """Advance to to_ns. Raises Fault if positions diverge, or the light is too strong to simulate."""
        with self._lock:
            while True:
                due_ns = self._pending[0].due_ns if self._pending else FOREVER_NS
                stop_ns = min(due_ns, self.visits.until_ns)
                if stop_ns > to_ns:
                    break
                self._move(stop_ns, True)
                if due_ns == stop_ns:
                    self._switch(self._pending.popleft())
                else:
                    self._switch(Visits(_DARK.spot_um, _DARK.depth_kt, _DARK.dwell_ns, 0, stop_ns))
            self._move(to_ns, False)
            self._now_ns = max(self._now_ns, to_ns)
        if not np.isfinite(self._position_um).all():
            raise Fault("the simulated sample flew apart: its forces are too strong for its time step")

    def _move(self, to_ns: int, at_end: bool) -> None:
        """Advance to to_ns in pieces, so that signals are handled. An empty world advances in one step."""
        if not len(self.species):
            self._state_ns = max(self._state_ns, to_ns)
            return
        work_ns = PIECE_WORK * self._light.step_ns / len(self.species)
        piece_ns = max(int(work_ns), 2 * kernels.TICK_NS)
        while to_ns - self._state_ns > piece_ns:
            self._move_at_once(self._state_ns + piece_ns, False)
        self._move_at_once(to_ns, at_end)

    def _move_at_once(self, to_ns: int, at_end: bool) -> None:
        self._state_ns, self._step = kernels.advance(
            self._position_um, self._work, self._state_ns, to_ns, at_end, self._step, self._beads, self._medium,
            self._light, self._timing, self._near, self._exposed,
        )  # fmt: skip

    def _switch(self, visits: Visits) -> None:
        """Change the light. Raises Fault, and goes dark, if it is too strong to simulate."""
        light = self._make_light(visits, False)
        if self._is_too_much_work(light):
            self._set_light(Visits(_DARK.spot_um, _DARK.depth_kt, _DARK.dwell_ns, 0, visits.due_ns))
            raise Fault(self._too_much_work(f"in light {visits.depth_kt.max(initial=0.0):.3g} kT deep", light))
        self._set_light(visits)

    def _steps_a_frame(self, light: parts.SpotLight) -> float:
        return max(self.period_ns, kernels.TICK_NS) / light.step_ns

    def _is_too_much_work(self, light: parts.SpotLight) -> bool:
        """Whether a frame, or a tick of the kernel, would take too much computing."""
        return light.step_ns <= 1 or self._steps_a_frame(light) * len(self.species) > MOST_WORK

    def _too_much_work(self, when: str, light: parts.SpotLight) -> str:
        sample, stage = self.sample, self.stage
        at_most = "at most " if light.step_ns <= 1 else ""
        return (
            f"the simulated sample needs {self._steps_a_frame(light):.3g} steps of {at_most}{light.step_ns:g} ns a "
            f"frame for {len(self.species)} particles {when} (allowed: {MOST_WORK:g} steps times particles, of more "
            f"than 1 ns): sample.drag_pn_s_per_um is {sample.drag_pn_s_per_um:.3g}, sample.temperature_k "
            f"{sample.temperature_k:.3g}, sample.diameter_um {sample.diameter_um:.3g}, the light's waist "
            f"{stage.waist_um:.3g} um, camera.exposure_s {stage.exposure_s:.3g}, camera.fps {1.0 / stage.period_s:.6g}"
            "; the light's depth is set by depth_kt_per_mw"
        )

    def _set_light(self, visits: Visits) -> None:
        single = len(visits.depth_kt) == 1
        jumped = not (single and np.array_equal(visits.spot_um[0], self._spot_um))
        self._spot_um = visits.spot_um[0].copy() if single else np.full(2, np.nan)
        self.visits, self._light = visits, self._make_light(visits, jumped)
        self._recent_light.append((visits, visits.due_ns + (visits.settle_ns if single and jumped else 0)))
        old_ns = visits.due_ns - (self.stage.frames_kept + 1) * self.period_ns
        while len(self._recent_light) > 1 and self._recent_light[1][0].due_ns < old_ns:
            self._recent_light.popleft()

    def _make_light(self, visits: Visits, jumped: bool) -> parts.SpotLight:
        spot_um, dwell_ns = np.array(visits.spot_um, order="C"), np.array(visits.dwell_ns)
        reach_um = spot_um - np.array(self.stage.middle_um)  # [M, 2]
        hidden = np.maximum(1.0 + reach_um @ np.array(self.sample.light_gradient_per_um), 0.0)
        depth = visits.depth_kt * hidden * self._kt  # [M] pN um
        cycle_ns = int(dwell_ns.sum()) + visits.settle_ns * len(depth)
        shared = len(depth) > 1 and not visits.together
        duty = dwell_ns / max(cycle_ns, 1) if shared else np.ones(len(depth))
        quickest = (self._beads.response / self._beads.drag_pn_s_per_um).max(initial=0.0)
        rate_hz = 4.0 * depth / self.stage.waist_um**2 * quickest  # [M] 1 / relaxation time
        resolved = shared and bool((dwell_ns * 1e-9 * rate_hz > SHARED).any())
        waist_um = self.stage.waist_um
        springs = visits.particle is not None
        crowded = not (resolved or springs)
        steepest = kernels.crowding(spot_um, depth * duty, waist_um) if crowded else depth.max(initial=0.0)
        step_s = self._longest_step_s(4.0 * steepest / self.stage.waist_um**2 * quickest)
        if resolved:
            step_s = min(step_s, dwell_ns.min() * 0.25e-9)
        return parts.SpotLight(
            spot_um, depth, duty, dwell_ns, visits.settle_ns, cycle_ns, visits.due_ns,
            jumped, resolved, self._springs(visits), max(int(step_s * 1e9), 1),
        )  # fmt: skip

    def _springs(self, visits: Visits) -> Ints:
        """[N] the spot that acts on each particle as a spring, or -1; empty for Gaussian spots."""
        if visits.particle is None:
            return np.empty(0, np.int64)
        spring = np.full(len(self.species), -1)
        spring[visits.particle] = np.arange(len(visits.particle))
        return spring

    def _longest_step_s(self, rate_hz: float) -> float:
        """min(.1 gamma/k, 1e-4 sigma^2/D, exposure/4) in s.

        With a = k dt/gamma, Heun's variance in a harmonic trap is 2a (1 - a/2)^2 / (1 - (1 - a + a^2/2)^2) of the true
        one: -0.26 % at a = .1, and -1.1 % at .2.
        """
        longest_s = self.stage.exposure_s / 4.0
        if rate_hz > 0:
            longest_s = min(longest_s, STEP_SHARE / rate_hz)
        if self.sample.wca_kt > 0 and self.sample.number > 1:
            diffusion = (self._beads.spread**2).max() / 2.0
            longest_s = min(longest_s, 1e-4 * float(self.diameter_um.min()) ** 2 / diffusion)
        return longest_s

    def _make_beads(self, kinds: tuple[MixtureSpecies, ...]) -> parts.Beads:
        drag = self.sample.drag_pn_s_per_um * np.array([kinds[s].drag_ratio for s in self.species])
        response = np.array([kinds[s].response for s in self.species])
        index = np.tile(np.arange(self.sample.number), self.sample.cells)
        return parts.Beads(drag, np.sqrt(2.0 * self._kt / drag), response, self.diameter_um, self.cell, index)

    def _make_medium(self, seed: int, replica: int) -> parts.Medium:
        sample, stage = self.sample, self.stage
        box_um = np.array(sample.box_um if min(sample.box_um) > 0 else stage.extent_um)
        middle = np.array(stage.middle_um)
        return parts.Medium(
            seed, replica, sample.wca_kt * self._kt, stage.waist_um, np.array(sample.drift_um_per_s, np.float64),
            np.array(sample.force_pn, np.float64), np.array(sample.force_gradient_pn_per_um, np.float64), middle,
            sample.walls, middle - box_um / 2.0, middle + box_um / 2.0, stage.warm_up_s * 1e9, stage.laser_noise,
            stage.jitter_um,
        )  # fmt: skip

    def _make_timing(self) -> parts.Timing:
        stage = self.stage
        if not 0 < stage.exposure_s <= stage.period_s or math.floor(stage.exposure_s * 1e9) < 2 * stage.sub_exposures:
            raise Refused(
                f"camera.exposure_s: {stage.exposure_s:.6g} s does not fit between two frames, {stage.period_s:.6g} s"
            )
        share = (2 * np.arange(stage.sub_exposures) + 1) / (2 * stage.sub_exposures)
        return parts.Timing(round(stage.period_s * 1e9), np.rint(share * stage.exposure_s * 1e9).astype(np.int64))


def lit_until_ns(visits: Visits, time_ns: Ints) -> Floats:
    """[T, M] time for which each spot was lit from the start of the visits to these times [T]."""
    since_ns = (time_ns - visits.due_ns)[:, None]
    if len(visits.dwell_ns) == 1 or visits.together:
        return np.repeat(since_ns, len(visits.dwell_ns), axis=1).astype(np.float64)
    step_ns = visits.dwell_ns + visits.settle_ns
    begin_ns = np.cumsum(step_ns) - visits.dwell_ns  # [M] in the cycle
    cycles, phase_ns = np.divmod(since_ns, step_ns.sum())
    lit_ns = cycles * visits.dwell_ns + np.clip(phase_ns - begin_ns, 0, visits.dwell_ns)
    return np.asarray(lit_ns, np.float64)


_DARK = Visits(np.empty((0, 2)), np.empty(0), np.empty(0, np.int64))
