"""Turn and run with substitutes for all plugs: latching, faults, missing frames, apply; the run always ends dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from control.allocate import LightModel
from control.contract import (
    NOTHING_EXPECTED,
    Command,
    Ended,
    Expected,
    Fault,
    Forces,
    Frame,
    Level,
    Order,
    OrderKind,
    Seen,
    State,
    Tracks,
    Turn,
    dark,
)
from control.limits import Limits
from control.loop import Machine, run, turn
from control.plant import Plant

PICTURE = np.zeros((4, 4), np.uint8)
ARM, STOP, RESET = Order(OrderKind.ARM), Order(OrderKind.STOP), Order(OrderKind.RESET)


@dataclass(frozen=True)
class OneBead:
    """A tracker that always finds one particle, at a position given by the frame number."""

    state: State = State.GOOD

    def start(self) -> int:
        return 0

    def step(self, memory: int, frame: Frame, expected: Expected = NOTHING_EXPECTED) -> tuple[int, Tracks]:
        one = np.zeros(1, np.int64)
        position_um = np.array([[1.0 + 0.01 * frame.number, 2.0]])
        return memory + 1, Tracks(frame.time_s, one, position_um, np.array([self.state], np.uint8), one, one)


@dataclass(frozen=True)
class Push:
    """A policy that pushes every particle by a number of pN along x."""

    force_pn: float = 0.01
    longest_delay_s: float = 0.0

    def start(self) -> None:
        return None

    def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
        number = len(seen.tracks)
        force_pn = np.tile([self.force_pn, 0.0], (number, 1))
        return None, Forces(seen.tracks.particle, force_pn, np.full(number, np.nan), np.zeros(number, np.bool_))


MACHINE = Machine(
    OneBead(),
    Push(),
    LightModel(waist_um=0.6, depth_kt_per_mw=5.0, kt_pn_um=4e-3, power_mw=200.0),
    Limits((0.0, 0.0), (10.0, 10.0), 200.0),
    latency_s=0.005,
    hold_s=0.01,
    stale_s=0.05,
)


@dataclass
class Bench:
    """Camera, beam, clock and recorder of one run; each can be set to fail at a turn."""

    frames: int = 10
    silent: tuple[int, ...] = ()
    camera_fault: int = -1
    beam_fault: int = -1
    record_fault: int = -1
    late_s: float = 0.0
    orders: dict[int, tuple[Order, ...]] = field(default_factory=dict)
    count: int = -1
    lit: bool = False
    turns: list[Turn] = field(default_factory=list)

    def read(self) -> Frame | None:
        self.count += 1
        if self.count >= self.frames:
            raise Ended
        if self.count == self.camera_fault:
            raise Fault("unplugged")
        return None if self.count in self.silent else Frame(self.count, 0.01 * self.count, PICTURE)

    def now_s(self) -> float:
        return 0.01 * self.count + 0.004 + self.late_s

    def send(self, command: Command) -> Command:
        if self.count == self.beam_fault:
            raise Fault("no answer")
        self.lit = len(command) > 0
        return replace(command, effect_s=self.now_s() + 0.005)

    def dark(self, reason: str) -> Command:
        self.lit = False
        return dark(reason)

    def write(self, done: Turn) -> None:
        if self.count == self.record_fault:
            raise Fault("the disk is full")

    def close(self) -> None:
        self.lit = False

    def told(self) -> tuple[Order, ...]:
        return self.orders.get(self.count, ())

    def run(self, machine: Machine = MACHINE, watch: Callable[[Turn], None] | None = None) -> list[Turn]:
        run(machine, self, self, self, self, self.told, watch or self.turns.append)
        return self.turns


def levels(turns: list[Turn]) -> list[Level]:
    return [done.level for done in turns]


def test_light_only_between_arm_and_stop_and_dark_at_the_end() -> None:
    bench = Bench(orders={2: (ARM,), 6: (STOP,)})
    turns = bench.run()
    assert [len(done.allowed) for done in turns] == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
    assert turns[7].allowed.reason == "stopped by the operator"
    assert not bench.lit


def test_a_turn_records_wanted_allowed_and_sent() -> None:
    done = Bench(orders={0: (ARM,)}).run()[3]
    np.testing.assert_allclose(done.wanted.force_pn, [[0.01, 0.0]])
    np.testing.assert_allclose(done.allowed.position_um, [[1.03 + 0.01 / MACHINE.light.stiffness_pn_per_um, 2.0]])
    assert done.sent.effect_s == pytest.approx(done.effect_s)
    assert done.sent_s >= done.now_s


@pytest.mark.parametrize(
    ("bench", "reason", "at"),
    [
        (Bench(silent=(4,)), "the camera is silent", 4),
        (Bench(camera_fault=4), "camera: unplugged", 4),
        (Bench(beam_fault=4), "beam: no answer", 5),
        (Bench(record_fault=4), "no record, no beam: the disk is full", 5),
        (Bench(late_s=0.1), "100 ms", 0),
    ],
)
def test_a_doubt_makes_the_beam_dark_and_is_latched(bench: Bench, reason: str, at: int) -> None:
    bench.orders = {0: (ARM,), 7: (STOP, ARM), 8: (ARM,)}
    turns = bench.run()
    assert all(done.level is Level.ARMED for done in turns[:at])
    assert all(done.level is Level.TRIPPED for done in turns[at:])
    assert all(len(done.allowed) == 0 and (reason in done.allowed.reason or at == 0) for done in turns[at:])
    assert not bench.lit


def test_after_a_fault_of_beam_or_record_the_beam_is_dark_at_once() -> None:
    for bench in (Bench(beam_fault=4), Bench(record_fault=4)):
        lit: list[bool] = []

        def watch(done: Turn, bench: Bench = bench, lit: list[bool] = lit) -> None:
            lit.append(bench.lit)

        bench.orders = {0: (ARM,)}
        bench.run(watch=watch)
        assert lit == [True] * 4 + [False] * 6


class SlowBench(Bench):
    """The law takes 60 ms in turn 4."""

    def read(self) -> Frame | None:
        self.late_s = 0.0
        return super().read()


@dataclass(frozen=True)
class Slow(Push):
    bench: Bench = field(default_factory=Bench)

    def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
        self.bench.late_s = 0.06 if self.bench.count == 4 else 0.0
        return super().step(memory, seen)


def test_a_command_decided_too_slowly_is_not_sent_and_trips() -> None:
    """Also from the dark, where the guard has no heartbeat: the frame is then too old."""
    bench = SlowBench(orders={4: (ARM,)})
    turns = bench.run(replace(MACHINE, policy=Slow(bench=bench)))
    assert len(turns[4].allowed) == 1
    assert len(turns[4].sent) == 0
    said = "the turn took 60 ms, and 50 ms is allowed"
    assert turns[4].sent.reason == said
    assert (turns[5].level, turns[5].reason) == (Level.TRIPPED, f"beam: {said}")
    assert turns[5].orders == (Order(OrderKind.TRIP, f"beam: {said}"),)


def test_a_slow_dark_turn_does_not_trip() -> None:
    bench = SlowBench()
    turns = bench.run(replace(MACHINE, policy=Slow(bench=bench)))
    assert all(done.level is Level.SAFE for done in turns)


class Overcrowded(OneBead):
    """Frame 4 has too many features to track."""

    def step(self, memory: Any, frame: Frame, expected: Expected = NOTHING_EXPECTED) -> tuple[Any, Tracks]:
        if frame.number == 4:
            raise Fault("too many features")
        return super().step(memory, frame, expected)


def test_a_frame_that_can_not_be_tracked_trips_once() -> None:
    bench = Bench(orders={0: (ARM,)})
    turns = bench.run(replace(MACHINE, tracker=Overcrowded()))
    assert levels(turns) == [Level.ARMED] * 4 + [Level.TRIPPED] * 6
    assert {done.reason for done in turns[4:]} == {"tracking: too many features"}
    assert (len(turns[4].tracks), len(turns[4].sent)) == (0, 0)
    assert [len(done.tracks) for done in turns[5:]] == [1] * 5
    assert not bench.lit


def test_reset_then_arm_leaves_a_trip() -> None:
    bench = Bench(silent=(2,), orders={0: (ARM,), 5: (RESET,), 6: (ARM,)})
    expected = [Level.ARMED] * 2 + [Level.TRIPPED] * 3 + [Level.SAFE] + [Level.ARMED] * 4
    assert levels(bench.run()) == expected


def test_a_policy_that_returns_nan_trips() -> None:
    bench = Bench(orders={0: (ARM,)})
    turns = bench.run(replace(MACHINE, policy=Push(float("nan"))))
    assert levels(turns) == [Level.TRIPPED] * 10
    assert "force on particle 0 is not finite" in turns[0].reason


@pytest.mark.parametrize(("state", "why"), [(State.NEW, "new"), (State.UNCERTAIN, "its identity is uncertain")])
def test_an_untrusted_particle_gets_no_spot_with_a_reason_but_no_trip(state: State, why: str) -> None:
    turns = Bench(orders={0: (ARM,)}).run(replace(MACHINE, tracker=OneBead(state)))
    assert levels(turns) == [Level.ARMED] * 10
    assert all(len(done.allowed) == 0 and done.withheld == ((0, why),) for done in turns)


def test_positions_before_a_doubt_are_not_in_the_history() -> None:
    sure, unsure = replace(MACHINE), replace(MACHINE, tracker=OneBead(State.UNCERTAIN))
    memory = MACHINE.start()
    for number in range(8):
        machine = unsure if number == 4 else sure
        memory, _ = turn(machine, memory, Frame(number, 0.01 * number, PICTURE), 0.01 * number, ())
    past_um = [memory.history.at(0.01 * number, np.zeros(1, np.int64))[0, 0] for number in range(8)]
    np.testing.assert_allclose(past_um, [*[np.nan] * 4, 1.04, 1.05, 1.06, 1.07])


def test_apply_replaces_the_law_between_turns_and_keeps_the_history() -> None:
    stronger = replace(MACHINE, policy=Push(0.02, longest_delay_s=3.0))
    bench = Bench(orders={0: (ARM,), 5: (Order(OrderKind.APPLY, "force_pn: 0.02", stronger),)})
    turns = bench.run()
    assert [done.wanted.force_pn[0, 0] for done in turns] == [0.01] * 5 + [0.02] * 5
    assert levels(turns) == [Level.ARMED] * 10


def test_dropped_frames_are_counted() -> None:
    def skipping() -> Iterator[Frame]:
        for number in (0, 1, 4, 5, 9):
            yield Frame(number, 0.01 * number, PICTURE)

    memory = MACHINE.start()
    for frame in skipping():
        memory, done = turn(MACHINE, memory, frame, frame.time_s, ())
    assert done.dropped == 5


def test_a_frame_that_is_not_newer_is_a_doubt() -> None:
    memory, _ = turn(MACHINE, MACHINE.start(), Frame(0, 1.0, PICTURE), 1.0, (ARM,))
    _, done = turn(MACHINE, memory, Frame(1, 1.0, PICTURE), 1.0, ())
    assert (done.level, done.reason) == (Level.TRIPPED, "frame 1 is not newer than the one before it")


def test_an_exception_leaves_the_beam_dark() -> None:
    class Broken(Push):
        def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
            if seen.tracks.time_s > 0.05:
                raise ZeroDivisionError
            return super().step(memory, seen)

    bench = Bench(orders={0: (ARM,)})
    with pytest.raises(ZeroDivisionError):
        bench.run(replace(MACHINE, policy=Broken()))
    assert not bench.lit


def test_a_turn_is_a_pure_function() -> None:
    memory = MACHINE.start()
    frame = Frame(0, 0.0, PICTURE)
    first, second = (turn(MACHINE, memory, frame, 0.004, (ARM,))[1] for _ in range(2))
    np.testing.assert_array_equal(first.allowed.position_um, second.allowed.position_um)
    assert memory == MACHINE.start()


PROBE = Order(OrderKind.PROBE)


def test_an_unconfirmed_map_is_probed_at_probe_power_and_never_armed() -> None:
    calibration = replace(MACHINE, confirmed=False, probe_mw=2.0)
    turns = Bench(orders={0: (ARM,), 3: (PROBE,), 6: (ARM,), 8: (STOP, ARM)}).run(calibration)
    assert levels(turns) == [Level.SAFE] * 3 + [Level.PROBING] * 5 + [Level.SAFE] * 2
    assert all("not confirmed" in done.reason and not len(done.allowed) for done in (*turns[:3], *turns[8:]))
    assert all(done.allowed.power_mw.max() == 2.0 for done in turns[3:8])
    assert all(any("power clipped" in note for note in done.notes) for done in turns[3:8])


def test_a_confirmed_map_is_armed_at_full_power_and_not_probed() -> None:
    assert levels(Bench(orders={0: (PROBE,)}).run()) == [Level.SAFE] * 10
    armed = Bench(orders={0: (ARM,)}).run(replace(MACHINE, probe_mw=2.0))
    assert levels(armed) == [Level.ARMED] * 10
    assert armed[0].allowed.power_mw.max() > 2.0


def test_applying_an_unconfirmed_machine_trips_an_armed_instrument() -> None:
    doubtful = replace(MACHINE, confirmed=False)
    bench = Bench(orders={0: (ARM,), 5: (Order(OrderKind.APPLY, "map: unconfirmed", doubtful),)})
    assert levels(bench.run()) == [Level.ARMED] * 5 + [Level.TRIPPED] * 5
    assert not bench.lit


def test_a_particle_of_unknown_species_gets_no_light_with_a_reason() -> None:
    machine = replace(MACHINE, tracker=OneBead(State.UNSORTED))
    frame = Frame(0, 0.0, PICTURE)
    memory, _ = turn(machine, machine.start(), frame, 0.001, (ARM,))
    _, done = turn(machine, memory, Frame(1, 0.01, PICTURE), 0.011, ())
    assert done.level is Level.ARMED
    assert len(done.allowed) == 0
    assert (0, "its species is not known") in done.withheld
    named = replace(machine, species=(2,))  # set by the operator
    _, lit = turn(named, memory, Frame(1, 0.01, PICTURE), 0.011, ())
    assert lit.tracks.species.tolist() == [2]
    assert len(lit.allowed) == 1


# tests against mutants of the loop that passed all other tests -----------------------------------------------------


def orders_of(done: Turn) -> list[tuple[str, str]]:
    return [(order.kind.value, order.text) for order in done.orders]


def test_a_turn_records_faults_before_orders_in_their_sequence() -> None:
    """Faults of beam and recorder in the last turn, then of the camera in this turn, then orders of the operator."""
    bench = Bench(beam_fault=4, record_fault=4, camera_fault=5, orders={0: (ARM,), 5: (Order(OrderKind.MARK, "hm"),)})
    turns = bench.run()
    assert orders_of(turns[5]) == [
        ("TRIP", "beam: no answer"), ("TRIP", "no record, no beam: the disk is full"), ("TRIP", "camera: unplugged"),
        ("MARK", "hm"),
    ]  # fmt: skip
    assert turns[5].reason == "beam: no answer"
    assert not any(orders_of(done) for done in turns[6:])  # each is recorded once


def test_a_fault_with_reset_and_arm_in_one_turn_ends_tripped() -> None:
    bench = Bench(beam_fault=4, orders={0: (ARM,), 5: (RESET, ARM), 6: (RESET, ARM)})
    turns = bench.run()
    assert levels(turns) == [Level.ARMED] * 5 + [Level.TRIPPED] + [Level.ARMED] * 4
    assert turns[5].reason == "beam: no answer"
    assert orders_of(turns[5])[0] == ("TRIP", "beam: no answer")
    assert not len(turns[5].sent)


def test_after_a_fault_of_the_beam_the_dark_command_is_recorded_as_sent() -> None:
    turns = Bench(beam_fault=4, orders={0: (ARM,)}).run()
    assert (len(turns[4].allowed), len(turns[4].sent), turns[4].sent.reason) == (1, 0, "no answer")
    assert turns[4].sent_s == pytest.approx(0.044)


def aged(age_s: float) -> Turn:
    """The second turn of an armed machine, with a frame of this age."""
    memory, _ = turn(MACHINE, MACHINE.start(), Frame(0, 0.0, PICTURE), 0.004, (ARM,))
    return turn(MACHINE, memory, Frame(1, 0.5, PICTURE), 0.5 + age_s, ())[1]


def test_a_frame_may_be_as_old_as_stale_s_and_no_older() -> None:
    assert aged(0.0499).level is Level.ARMED
    late = aged(0.0501)
    assert late.level is Level.TRIPPED
    assert late.reason == "the newest frame is 50 ms old, and 50 ms is allowed"
    exact = replace(MACHINE, stale_s=0.5)
    memory, _ = turn(exact, exact.start(), Frame(0, 0.0, PICTURE), 0.004, (ARM,))
    assert turn(exact, memory, Frame(1, 1.0, PICTURE), 1.5, ())[1].level is Level.ARMED  # exactly


def test_probe_power_is_capped_by_the_limits_and_by_itself() -> None:
    for probe_mw, cap_mw, allowed_mw in ((7.0, 3.0, 3.0), (2.0, 200.0, 2.0)):
        weak = replace(MACHINE, probe_mw=probe_mw, limits=replace(MACHINE.limits, power_mw=cap_mw))
        probing, done = turn(weak, weak.start(), Frame(0, 0.0, PICTURE), 0.004, (PROBE,))
        assert done.level is Level.PROBING
        assert done.allowed.power_mw.max() == allowed_mw
        # for any power in the command
        asked = replace(done.allowed, power_mw=np.full(len(done.allowed), 500.0))
        assert weak.permitted(probing.level, asked)[0].power_mw.max() == allowed_mw
        assert weak.permitted(Level.ARMED, asked) == (asked, ())


def test_a_spot_outside_of_the_field_is_not_sent() -> None:
    small = replace(MACHINE, limits=replace(MACHINE.limits, high_um=(1.0, 10.0)))
    done = Bench(orders={0: (ARM,)}).run(small)[3]
    assert (len(done.allowed), done.level) == (0, Level.ARMED)
    assert "1 spots outside of the field were left out" in done.notes


def test_each_turn_begins_with_the_memory_of_the_previous_one() -> None:
    """`before` is called once in each turn, after the orders are read, with the memory of the previous turn."""
    called: list[tuple[int, Level, int]] = []
    bench = Bench(frames=4, orders={0: (ARM,)})

    def told() -> tuple[Order, ...]:
        called.append((-1, Level.SAFE, bench.count))
        return bench.told()

    run(
        MACHINE, bench, bench, bench, bench, told, bench.turns.append,
        lambda memory: called.append((memory.number, memory.level, bench.count)),
    )  # fmt: skip
    assert called[1::2] == [(0, Level.SAFE, 0), (1, Level.ARMED, 1), (2, Level.ARMED, 2), (3, Level.ARMED, 3)]
    assert called[::2] == [(-1, Level.SAFE, count) for count in range(4)]


def test_an_older_frame_is_neither_tracked_nor_counted() -> None:
    memory, _ = turn(MACHINE, MACHINE.start(), Frame(5, 1.0, PICTURE), 1.0, (ARM,))
    after, done = turn(MACHINE, memory, Frame(9, 0.5, PICTURE), 1.01, ())
    assert (after.last_frame, after.dropped, len(after.history.sightings), len(done.tracks)) == (5, 0, 1, 0)


def test_a_policy_whose_rings_are_not_finite_trips() -> None:
    @dataclass(frozen=True)
    class Ring(Push):
        ring: tuple[float, float, float] = (1.0, 1.0, 5.0)

        def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
            x_um, radius_um, depth_kt = self.ring
            return None, Forces(
                ring_particle=np.array([-1]), ring_um=np.array([[x_um, 2.0]]), ring_radius_um=np.array([radius_um]),
                ring_kt=np.array([depth_kt]), ring_delay_s=np.array([np.nan]),
            )  # fmt: skip

    good = turn(replace(MACHINE, policy=Ring()), MACHINE.start(), Frame(0, 0.0, PICTURE), 0.004, (ARM,))[1]
    assert good.level is Level.ARMED
    for ring in ((np.nan, 1.0, 5.0), (1.0, 1.0, np.nan), (1.0, 1.0, np.inf)):
        machine = replace(MACHINE, policy=Ring(ring=ring))
        with np.errstate(invalid="ignore"):
            bad = turn(machine, MACHINE.start(), Frame(0, 0.0, PICTURE), 0.004, (ARM,))[1]
        assert (bad.level, bad.reason) == (Level.TRIPPED, "the policy's ring of light is not finite")


def test_acting_commands_are_remembered_if_the_plant_is_known() -> None:
    known = replace(MACHINE, plant=Plant())
    memory, done = turn(known, known.start(), Frame(0, 0.0, PICTURE), 0.004, (ARM,))
    assert [hold.effect_s for hold in memory.holds] == [done.effect_s]
    assert memory.holds[0].particle.tolist() == [0]
    np.testing.assert_array_equal(memory.holds[0].trap_um, done.allowed.position_um)
    assert (memory.whereabouts.time_s, memory.whereabouts.particle.tolist()) == (0.0, [0])
    memory, done = turn(known, memory, Frame(1, 0.02, PICTURE), 0.024, ())
    assert [hold.effect_s for hold in memory.holds] == pytest.approx([0.009, 0.029])
    there = memory.whereabouts.at(0.04, memory.holds)
    assert there.expected.particle.tolist() == [0]
    unknown, _ = turn(MACHINE, MACHINE.start(), Frame(0, 0.0, PICTURE), 0.004, (ARM,))
    assert unknown.holds == ()
    assert len(unknown.whereabouts.particle) == 0
    assert unknown.allowed.effect_s == pytest.approx(0.009)
    assert len(unknown.allowed) == 1


def test_a_turn_has_the_notes_of_all_its_stages() -> None:
    @dataclass(frozen=True)
    class Says(OneBead):
        def step(self, memory: int, frame: Frame, expected: Expected = NOTHING_EXPECTED) -> tuple[int, Tracks]:
            memory, tracks = super().step(memory, frame, expected)
            return memory, replace(tracks, notes=("of the tracker",), lost=np.array([7]))

    @dataclass(frozen=True)
    class SaysToo(Push):
        def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
            _, wanted = super().step(memory, seen)
            wanted = replace(wanted, withheld=((3, "by the law"),), notes=("of the law",))
            spots_um, nobody = np.array([[1.0, 1.0], [50.0, 1.0]]), np.array([-1, -1])
            kt, nan = np.array([900.0, 900.0]), np.full(2, np.nan)
            wanted = replace(wanted, ring_um=spots_um, ring_particle=nobody)
            return None, replace(wanted, ring_radius_um=np.zeros(2), ring_kt=kt, ring_delay_s=nan)

    machine = replace(MACHINE, tracker=Says(), policy=SaysToo(1.0), probe_mw=1.0)
    _, done = turn(machine, machine.start(), Frame(0, 0.0, PICTURE), 0.004, (PROBE,))
    begins = ("of the tracker", "of the law", "1 force clipped", "power: ", "1 spots outside", "power clipped")
    assert len(done.notes) == len(begins)
    assert all(note.startswith(begin) for note, begin in zip(done.notes, begins, strict=True)), done.notes
    assert done.withheld == ((7, "lost"), (3, "by the law"))


def test_a_command_with_a_negative_power_trips() -> None:
    wrong = replace(MACHINE.light, efficiency=lambda place_um: -np.ones(len(place_um)))
    turns = Bench(orders={0: (ARM,)}).run(replace(MACHINE, light=wrong))
    assert levels(turns) == [Level.TRIPPED] * 10
    assert turns[0].reason == "a spot's power is negative"


def test_tracker_and_policy_receive_their_own_memory() -> None:
    @dataclass(frozen=True)
    class Counting(Push):
        def start(self) -> Any:
            return 0

        def step(self, memory: Any, seen: Seen) -> tuple[Any, Forces]:
            _, wanted = super().step(None, seen)
            return memory + 1, replace(wanted, notes=(f"turn {memory} of the law",))

    machine = replace(MACHINE, policy=Counting())
    turns = Bench(frames=4).run(machine)
    assert [done.notes for done in turns] == [(f"turn {number} of the law",) for number in range(4)]
    memory, _ = turn(machine, replace(machine.start(), tracker=5), Frame(0, 0.0, PICTURE), 0.004, ())
    assert (memory.tracker, memory.policy, memory.number, memory.last_frame) == (6, 1, 1, 0)


@pytest.mark.parametrize(
    ("bench", "words"),
    [
        (Bench(orders={0: (ARM,)}, beam_fault=9), "beam: no answer"),
        (Bench(orders={0: (ARM,)}, record_fault=9), "no record, no beam: the disk is full"),
    ],
)
def test_a_fault_in_the_last_turn_is_raised(bench: Bench, words: str) -> None:
    """There is no later turn in which the interlock could trip."""
    with pytest.raises(Fault, match=f"^{words}$"):
        bench.run()
    assert not bench.lit
    assert bench.turns[-1].level is Level.ARMED


def test_a_recorder_that_always_fails_trips_the_run() -> None:
    bench = Bench(orders={0: (ARM,)})
    bench.write = refuse  # type: ignore[method-assign]
    turns = bench.run()
    assert turns[-1].reason.startswith("no record, no beam")


def refuse(done: Turn) -> None:
    raise Fault("the disk is full")
