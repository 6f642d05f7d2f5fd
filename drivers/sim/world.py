"""The simulated world: particles that the simulated camera images and the simulated laser and deflector light."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from control.contract import Fault
from control.plant import BOLTZMANN_PN_UM_PER_K
from drivers.sim import kernels, parts
from drivers.sim.kernel_arguments import beads_of, medium_of, timing_of
from drivers.sim.sample import MixtureSpecies, Sample, arrange, species_of
from drivers.sim.spot_lights import SHARED, STEP_SHARE, SpotLights
from drivers.sim.stage import FOREVER_NS, Stage, Visits, lit_until_ns, no_light

Floats = NDArray[np.float64]

PIECE_WORK = 1e6  # steps times particles per call of the kernel; signals are handled between calls


class World:
    """Particles in a fluid under light.

    The same sample, stage, seed, replica and commands (with their due times) give the same positions, bit for bit, on
    the same build and kind of processor, for any sequence of calls of `advance`: steps begin and end at events (ticks
    of 1 ms, sub-exposures, jumps of the beam, commands), and the time since the last event is simulated with the next.

    Spots that share the beam are simulated visit by visit if a visit lasts longer than 2 % of the relaxation time
    of its spot; shorter ones act as their duty-weighted sum (docs/predictions.md, P26: an error below 0.1 %).

    A sample with several cells is several replicas in one world that do not interact: cell c moves bit for bit like the
    only cell of replica + c in the same light. All cells have the same coordinates.
    """

    def __init__(self, sample: Sample, stage: Stage = Stage(), *, seed: int = 0, replica: int = 0) -> None:  # noqa: B008
        if not (0 <= seed < 2**32 and 0 <= replica < 2**32):
            raise Refused(f"seed: {seed} (replica {replica}) is not between 0 and {2**32 - 1}")
        self.sample, self.stage = sample, stage
        kinds = sample.species or (MixtureSpecies(),)
        cells = range(replica, replica + sample.cells)
        self.species = np.concatenate([species_of(sample, seed, number) for number in cells])  # [N]
        self.cell = np.repeat(np.arange(sample.cells), sample.number)  # [N]
        self.brightness = np.array([kinds[s].brightness for s in self.species])  # [N]
        self.look = [kinds[s].look for s in self.species]  # [N]
        kt_pn_um = BOLTZMANN_PN_UM_PER_K * sample.temperature_k
        self._beads = beads_of(sample, kinds, self.species, self.cell, kt_pn_um)
        self._medium = medium_of(sample, stage, kt_pn_um, seed, replica)
        self._timing = timing_of(stage)
        self.diameter_um = self._beads.diameter_um  # [N]
        place = np.array(stage.middle_um), np.array(stage.extent_um)
        sizes_um = np.split(self.diameter_um, sample.cells)
        self._position_um = np.concatenate(
            [arrange(sample, *place, size_um, seed, number) for number, size_um in zip(cells, sizes_um, strict=True)]
        )
        number = len(self.species)
        self._work = np.empty((3, number, 2))
        touching = sample.wca_kt > 0
        pairs = np.empty((number * (sample.number - 1) // 2 if touching else 0, 2), np.int32)
        self._pairs = parts.NeighbourPairs(pairs, np.array([-1]), self._position_um.copy())
        self._exposed = np.full((stage.frames_kept, stage.sub_exposures, number, 2), np.nan)
        self.visits = no_light()  # light at `state_ns`
        self._lights = SpotLights(sample, stage, self._beads, kt_pn_um, self.period_ns)
        self._light = self._lights.of(self.visits, jumped=False)
        if self._lights.is_too_much_work(self._light):
            raise Refused(self._lights.too_much_work("without light", self._light))
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
        """Description of the simulation and its time steps, for the journal. Constant in time."""
        step_us = 1e6 * self._lights.longest_step_s(0.0)
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
        positions_um: Floats = self._exposed[number % self.stage.frames_kept].copy()
        return positions_um

    def mean_light(self, number: int) -> tuple[Floats, Floats]:
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
        self.put(no_light(at_ns))

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
                    self._switch(no_light(stop_ns))
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
            self._light, self._timing, self._pairs, self._exposed,
        )  # fmt: skip

    def _switch(self, visits: Visits) -> None:
        """Change the light. Raises Fault, and goes dark, if it is too strong to simulate."""
        light = self._lights.of(visits, jumped=False)
        if self._lights.is_too_much_work(light):
            self._set_light(no_light(visits.due_ns))
            deep = f"in light {visits.depth_kt.max(initial=0.0):.3g} kT deep"
            raise Fault(self._lights.too_much_work(deep, light))
        self._set_light(visits)

    def _set_light(self, visits: Visits) -> None:
        single = len(visits.depth_kt) == 1
        jumped = not (single and np.array_equal(visits.spot_um[0], self._spot_um))
        self._spot_um = visits.spot_um[0].copy() if single else np.full(2, np.nan)
        self.visits, self._light = visits, self._lights.of(visits, jumped)
        self._recent_light.append((visits, visits.due_ns + (visits.settle_ns if single and jumped else 0)))
        old_ns = visits.due_ns - (self.stage.frames_kept + 1) * self.period_ns
        while len(self._recent_light) > 1 and self._recent_light[1][0].due_ns < old_ns:
            self._recent_light.popleft()
