"""One turn of the loop as a pure function, and the loop that repeats it until the camera ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from control.allocate import LightModel, allocate
from control.contract import (
    DARK,
    Beam,
    Camera,
    Clock,
    Command,
    Ended,
    Fault,
    Forces,
    Frame,
    Level,
    Order,
    OrderKind,
    Policy,
    Recorder,
    Seen,
    State,
    Tracker,
    Tracks,
    Turn,
    dark,
)
from control.expected import Hold, PredictedPositions, assign_recorded_light, still_acting
from control.history import History, Sighting
from control.interlock import LIT, interlock
from control.limits import Limits, doubts_about
from control.plant import Plant

UNCONFIRMED = "the map from camera to deflector is not confirmed: calibrate the map first"
NO_CALIBRATION = "probing is for calibrations, and this policy is none"


@dataclass(frozen=True)
class Machine:
    """Immutable configuration of one turn: everything but memory, frame, time and orders."""

    tracker: Tracker
    policy: Policy
    light: LightModel
    limits: Limits
    latency_s: float  # from the beginning of a turn until its command acts
    hold_s: float  # one frame period: how long a command acts
    stale_s: float  # maximum age of a frame before the beam trips
    species: tuple[int, ...] = ()  # of particles 0, 1, 2, ..., set by the operator; others: as tracked
    confirmed: bool = True  # whether the map from camera to deflector is confirmed; if not, ARM is refused
    probe_mw: float | None = None  # largest power of a spot in PROBING; None: no calibration, PROBE is refused
    plant: Plant | None = None  # how particles follow traps; None: the tracker gets no predictions
    recorded_light: bool = False  # replay: predictions use the recorded light, not this machine's

    def start(self) -> LoopMemory:
        return LoopMemory(self.tracker.start(), self.policy.start(), History(self.depth_s))

    @property
    def refused(self) -> dict[OrderKind, str]:
        """The orders that this machine refuses, each with its reason."""
        map_refused = {} if self.confirmed else {OrderKind.ARM: UNCONFIRMED}
        return map_refused if self.probe_mw is not None else {**map_refused, OrderKind.PROBE: NO_CALIBRATION}

    def permitted(self, level: Level, command: Command) -> tuple[Command, tuple[str, ...]]:
        """The part of a command that is allowed at this level, and notes on what was clipped."""
        if level is Level.PROBING and self.probe_mw is not None:
            return replace(self.limits, power_mw=min(self.probe_mw, self.limits.power_mw)).clip(command)
        return command, ()

    @property
    def depth_s(self) -> float:
        """Duration of the history."""
        return self.policy.longest_delay_s + 10.0 * self.hold_s


@dataclass(frozen=True)
class LoopMemory:
    """State of the loop between two turns."""

    tracker: Any
    policy: Any
    history: History
    whereabouts: PredictedPositions = PredictedPositions()
    holds: tuple[Hold, ...] = ()  # light that has acted since the newest frame, or will act
    level: Level = Level.SAFE
    reason: str = "not yet armed"
    number: int = 0
    last_frame: int = -1
    dropped: int = 0
    allowed: Command = DARK  # newest command, with its planned effect_s


def ignored(memory: LoopMemory) -> None:
    """Do nothing: no recorder is exchanged."""


def turn(
    machine: Machine, memory: LoopMemory, frame: Frame | None, now_s: float, orders: tuple[Order, ...]
) -> tuple[LoopMemory, Turn]:
    """One turn: from a frame to a command. A pure function."""
    before = memory
    tracking_doubts: tuple[str, ...] = ()
    try:
        memory, tracks = look(machine, memory, frame, now_s)
    except Fault as fault:
        tracks, tracking_doubts = Tracks(now_s), (f"tracking: {fault}",)
    seen = Seen(tracks, memory.history, now_s + machine.latency_s, machine.hold_s, memory.allowed)
    policy, forces = machine.policy.step(memory.policy, seen)
    command, clipped = allocate(machine.light, tracks, forces)
    command, limited = machine.limits.clip(command)
    doubts = (*tracking_doubts, *stale(machine, before, frame, now_s), *not_finite(forces), *doubts_about(command))
    level, reason = interlock(memory.level, memory.reason, orders, doubts, machine.refused)
    command, probed = machine.permitted(level, command)
    allowed = command if level in LIT else dark(reason)
    notes = (*tracks.notes, *forces.notes, *clipped, *limited, *probed)
    withheld = (*untrusted(tracks), *forces.withheld)
    done = Turn(
        memory.number, frame, now_s, orders, tracks, forces, allowed, DARK, level, reason, seen.effect_s,
        withheld, notes, dropped=memory.dropped,
    )  # fmt: skip
    acting = felt(machine, frame, tracks) if machine.recorded_light else allowed
    holds = held(machine, memory, acting, seen.effect_s)
    newest = replace(allowed, effect_s=seen.effect_s)
    updated = replace(memory, policy=policy, holds=holds, allowed=newest, level=level, reason=reason)
    return replace(updated, number=memory.number + 1), done


def run(
    machine: Machine,
    camera: Camera,
    beam: Beam,
    clock: Clock,
    recorder: Recorder,
    new_orders: Callable[[], tuple[Order, ...]],
    watch: Callable[[Turn], None],
    before: Callable[[LoopMemory], None] = ignored,
) -> None:
    """Repeat turns until the camera has no more frames. However the loop ends, the beam is dark afterwards.

    Args:
        new_orders: returns the orders of a turn; called once per turn.
        watch: called with each turn after it was sent and recorded.
        before: called with the memory at the start of each turn, after `new_orders` and before its orders act. Here a
            recorder may be exchanged; the new one records this turn with all of its orders.
    """
    memory = machine.start()
    faults: tuple[Order, ...] = ()
    try:
        while True:
            frame, silent = wait(camera)
            orders = (*faults, *silent, *new_orders())
            before(memory)
            machine, memory = applied(machine, memory, orders)
            memory, done = turn(machine, memory, frame, clock.now_s(), orders)
            done, faults = act(beam, clock, recorder, done, machine.stale_s)
            watch(done)
    except Ended:
        if faults and memory.level is not Level.TRIPPED:  # faults of the last turn, which no later turn can act on
            raise Fault("; ".join(order.text for order in faults)) from None
    finally:
        beam.dark("the run is over")


def wait(camera: Camera) -> tuple[Frame | None, tuple[Order, ...]]:
    """The next frame. A Fault of the camera becomes a missing frame and an order to trip."""
    try:
        return camera.read(), ()
    except Fault as fault:
        return None, (Order(OrderKind.TRIP, f"camera: {fault}"),)


def act(
    beam: Beam, clock: Clock, recorder: Recorder, done: Turn, stale_s: float = np.inf
) -> tuple[Turn, tuple[Order, ...]]:
    """Send the command, then record the turn. A Fault of either darkens the beam at once and trips the next turn.

    So does a command with light whose turn took longer than `stale_s`: its frame is too old by now. A replay has no
    such check; it has the recorded `sent`, and the trip among the orders of the next turn.
    """
    faults: tuple[Order, ...] = ()
    try:
        require_in_time(clock.now_s() - done.now_s, stale_s, done.allowed)
        sent = beam.send(done.allowed)
    except Fault as fault:
        sent = beam.dark(str(fault))
        faults = (Order(OrderKind.TRIP, f"beam: {fault}"),)
    done = replace(done, sent=sent, sent_s=clock.now_s())
    try:
        recorder.write(done)
    except Fault as fault:
        beam.dark(str(fault))
        faults = (*faults, Order(OrderKind.TRIP, f"no record, no beam: {fault}"))
    return done, faults


def require_in_time(took_s: float, stale_s: float, allowed: Command) -> None:
    """Raises Fault for a command with light that was computed too slowly."""
    if len(allowed) > 0 and took_s > stale_s:
        raise Fault(f"the turn took {took_s * 1e3:.0f} ms, and {stale_s * 1e3:.0f} ms is allowed")


def applied(machine: Machine, memory: LoopMemory, orders: Iterable[Order]) -> tuple[Machine, LoopMemory]:
    """Machine and memory after APPLY orders. Identities and history stay; the memory of the policy is new."""
    for order in orders:
        if order.kind is OrderKind.APPLY and order.machine is not None:
            machine = order.machine
            history = replace(memory.history, depth_s=max(machine.depth_s, memory.history.depth_s))
            memory = replace(memory, policy=machine.policy.start(), history=history)
    return machine, memory


def look(machine: Machine, memory: LoopMemory, frame: Frame | None, now_s: float) -> tuple[LoopMemory, Tracks]:
    """Track the frame; update history, positions and the count of dropped frames. Raises Fault as the tracker does."""
    if frame is None or out_of_order(memory, frame):
        return memory, Tracks(now_s)
    whereabouts = memory.whereabouts.at(frame.time_s, memory.holds)
    tracker, tracks = machine.tracker.step(memory.tracker, frame, whereabouts.expected)
    tracks = named(machine.species, tracks)
    uncertain = tracks.particle[tracks.state == State.UNCERTAIN]
    history = memory.history.push(Sighting(tracks.time_s, tracks.particle, tracks.position_um), uncertain)
    missed = max(frame.number - memory.last_frame - 1, 0) if memory.last_frame >= 0 else 0
    dropped = memory.dropped + missed
    whereabouts = whereabouts.updated(tracks) if machine.plant is not None else memory.whereabouts
    memory = replace(memory, tracker=tracker, history=history, whereabouts=whereabouts)
    return replace(memory, last_frame=frame.number, dropped=dropped), tracks


def felt(machine: Machine, frame: Frame | None, tracks: Tracks) -> Command:
    """The recorded light on the particles of a recorded frame. It was dark where the camera gave no frame."""
    if frame is None or frame.felt is None:
        return DARK
    return assign_recorded_light(frame.felt, tracks, machine.light.waist_um)


def held(machine: Machine, memory: LoopMemory, acting: Command, effect_s: float) -> tuple[Hold, ...]:
    """The holds that act after the newest frame, including that of this turn, which acts from `effect_s` on.

    A recorded command acts from its planned time.
    """
    if machine.plant is None:
        return ()
    begins_s = acting.effect_s if machine.recorded_light and np.isfinite(acting.effect_s) else effect_s
    newest = Hold.of(acting, begins_s, machine.light, machine.plant)
    return still_acting(memory.holds, newest, memory.whereabouts.time_s)


def named(species: tuple[int, ...], tracks: Tracks) -> Tracks:
    """Tracks with the operator's species of particles 0, 1, 2, ...; these need no classifier."""
    if not species:
        return tracks
    is_given = tracks.particle < len(species)  # [N]
    assigned = np.asarray(species)[np.minimum(tracks.particle, len(species) - 1)]
    state = np.where(is_given & (tracks.state == State.UNSORTED), np.uint8(State.GOOD), tracks.state)
    return replace(tracks, species=np.where(is_given, assigned, tracks.species), state=state)


def out_of_order(memory: LoopMemory, frame: Frame) -> bool:
    """Whether the frame is not newer than the newest one in the history."""
    sightings = memory.history.sightings
    return bool(sightings) and frame.time_s <= sightings[-1].time_s


def stale(machine: Machine, memory: LoopMemory, frame: Frame | None, now_s: float) -> tuple[str, ...]:
    """Doubts about the frame: missing, out of order or too old."""
    if frame is None:
        return ("the camera is silent",)
    if out_of_order(memory, frame):
        return (f"frame {frame.number} is not newer than the one before it",)
    age_s = now_s - frame.time_s
    if age_s > machine.stale_s:
        return (f"the newest frame is {age_s * 1e3:.0f} ms old, and {machine.stale_s * 1e3:.0f} ms is allowed",)
    return ()


def not_finite(forces: Forces) -> tuple[str, ...]:
    """Doubts about a policy's forces and rings that are not finite."""
    bad = ~np.isfinite(forces.force_pn).all(axis=1)  # [N]
    if bad.any():
        return (f"the policy's force on particle {forces.particle[bad][0]} is not finite",)
    rings = (forces.ring_um, forces.ring_radius_um, forces.ring_kt)
    if not all(np.isfinite(column).all() for column in rings):
        return ("the policy's ring of light is not finite",)
    return ()


WHY = {
    State.NEW: "new",
    State.UNCERTAIN: "its identity is uncertain",
    State.UNSORTED: "its species is not known",
}


def untrusted(tracks: Tracks) -> tuple[tuple[int, str], ...]:
    """(particle, reason) of all particles that get no light because of their state."""
    doubtful = np.flatnonzero(tracks.state != State.GOOD)
    reasons = [(int(tracks.particle[row]), WHY[State(int(tracks.state[row]))]) for row in doubtful]
    return (*reasons, *((int(particle), "lost") for particle in tracks.lost))
