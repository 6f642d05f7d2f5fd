"""The guard: in any doubt the beam is dark."""

import atexit
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from config.geometry import Affine
from control.contract import STILL_LIT, Command, Fault, Floats, dark
from drivers.guard import ROUNDING, Guard, GuardLimits
from drivers.light_protocols import DeflectorReadback

pytestmark = pytest.mark.real_time

BOUNDS = GuardLimits(low_um=(0.0, 0.0), high_um=(20.0, 20.0), power_mw=100.0, heartbeat_s=0.5)


class Time:
    def __init__(self) -> None:
        self.at_s = 0.0

    def now_s(self) -> float:
        return self.at_s


class Mirror:
    """A deflector that rounds to tenths of a volt."""

    firmware, low_v, high_v = "mirror", (-5.0, -5.0), (5.0, 5.0)
    identity, returned = "", ()
    fails: BaseException | None = None
    closed = False

    def steer(self, position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        if self.fails:
            raise self.fails
        return DeflectorReadback(np.round(position_v, 1), np.maximum(dwell_s, 1e-5), 1.5)

    def status(self) -> str:
        return "ready"

    def close(self) -> None:
        self.closed = True


class Lamp:
    """A laser that gives nine tenths of the commanded power, and records whether it is lit."""

    firmware, max_power_mw = "lamp", 200.0
    identity, returned = "", ()
    fails: BaseException | None = None
    stuck: BaseException | None = None
    lit = True  # as an earlier program may have left it
    closed = False

    def shine(self, power_mw: Floats, at_most_s: float) -> Floats:
        self.lit = True
        if self.fails:
            raise self.fails
        return 0.9 * power_mw

    def off(self) -> None:
        if self.stuck:
            raise self.stuck
        self.lit = False

    def status(self) -> str:
        return "ready"

    def close(self) -> None:
        self.closed = True


def make(watch: bool = False, heartbeat_s: float = 0.5) -> tuple[Guard, Mirror, Lamp, Time]:
    mirror, lamp, clock = Mirror(), Lamp(), Time()
    um_to_v = Affine.scale("um", "v", 0.5, (-5.0, -5.0))
    bounds = replace(BOUNDS, heartbeat_s=heartbeat_s)
    return Guard(mirror, lamp, clock, um_to_v, bounds, watch=watch), mirror, lamp, clock


def two(**changes: Any) -> Command:
    command = Command(
        np.array([[4.03, 5.0], [6.0, 7.0]]), np.array([10.0, 20.0]), np.array([1e-4, 1e-6]), np.array([3, 5])
    )
    return replace(command, **changes)


def test_the_guard_is_dark_when_made() -> None:
    guard, _, lamp, _ = make()
    assert not lamp.lit
    guard.close()


def test_send_returns_the_command_as_carried_out() -> None:
    guard, _, lamp, _ = make()
    sent = guard.send(two())
    assert lamp.lit
    np.testing.assert_allclose(sent.position_um, [[4.0, 5.0], [6.0, 7.0]])
    np.testing.assert_allclose(sent.power_mw, [9.0, 18.0])
    np.testing.assert_allclose(sent.dwell_s, [1e-4, 1e-5])
    assert sent.particle.tolist() == [3, 5]
    assert sent.effect_s == 1.5
    assert sent.reason == ""
    guard.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"position_um": np.array([[np.nan, 5.0], [6.0, 7.0]])}, "position is not finite"),
        ({"power_mw": np.array([np.inf, 1.0])}, "power is not finite"),
        ({"dwell_s": np.array([np.nan, 1.0])}, "dwell is not finite"),
        ({"dwell_s": np.array([0.0, 1.0])}, "not a positive time"),
        ({"power_mw": np.array([-1.0, 1.0])}, "negative"),
        ({"power_mw": np.array([100.1, 1.0])}, "100 mW is allowed"),
        ({"position_um": np.array([[4.0, 5.0], [20.1, 7.0]])}, "outside of the field"),
        ({"position_um": np.array([[4.0, 5.0]])}, "shapes"),
        ({"dwell_s": np.array([1e-4])}, "shapes"),
        ({"particle": np.array([1])}, "shapes"),
    ],
)
def test_a_command_in_doubt_is_a_fault_and_dark(changes: dict[str, Any], said: str) -> None:
    guard, _, lamp, _ = make()
    guard.send(two())
    with pytest.raises(Fault, match=said):
        guard.send(two(**changes))
    assert not lamp.lit
    assert guard.send(two()).reason == ""  # only the interlock is latched, the guard is not
    guard.close()


def test_a_position_out_of_range_of_the_deflector_is_a_fault() -> None:
    mirror, lamp = Mirror(), Lamp()
    guard = Guard(mirror, lamp, Time(), Affine.scale("um", "v", 1.0), BOUNDS, watch=False)
    with pytest.raises(Fault, match="range of volts"):
        guard.send(two())
    assert not lamp.lit
    guard.close()


@pytest.mark.parametrize("trouble", [Fault("no answer"), OSError("port gone"), ZeroDivisionError("bug")])
@pytest.mark.parametrize("device", ["mirror", "lamp"])
def test_a_failing_device_is_a_fault_and_dark(trouble: Exception, device: str) -> None:
    guard, mirror, lamp, _ = make()
    guard.send(two())
    (mirror if device == "mirror" else lamp).fails = trouble
    with pytest.raises(Fault, match=str(trouble)):
        guard.send(two())
    assert not lamp.lit
    guard.close()


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupt_makes_the_beam_dark_and_is_raised_again(interrupt: BaseException) -> None:
    guard, mirror, lamp, _ = make()
    guard.send(two())
    mirror.fails = interrupt
    with pytest.raises(type(interrupt)):
        guard.send(two())
    assert not lamp.lit
    guard.close()


def test_dark_never_raises_and_reports_a_laser_that_stays_on() -> None:
    guard, _, lamp, _ = make()
    guard.send(two())
    lamp.stuck = OSError("cable")
    said = guard.dark("the run is over").reason
    assert said.startswith("the run is over")
    assert "could not be put out: cable" in said
    with pytest.raises(Fault, match="could not be put out"):
        guard.send(two())
    lamp.stuck = None
    guard.close()
    assert not lamp.lit


def test_a_command_without_spots_is_dark_and_keeps_its_reason() -> None:
    guard, _, lamp, _ = make()
    guard.send(two())
    assert guard.send(dark("stopped")).reason == "stopped"
    assert not lamp.lit
    guard.close()


def test_closing_is_dark_and_final() -> None:
    guard, mirror, lamp, _ = make()
    guard.send(two())
    guard.close()
    assert (lamp.lit, lamp.closed, mirror.closed) == (False, True, True)
    with pytest.raises(Fault, match="closed"):
        guard.send(two())
    guard.close()


def test_an_exception_in_the_block_makes_the_beam_dark() -> None:
    guard, _, lamp, _ = make()

    def fly() -> None:
        with guard:
            guard.send(two())
            raise RuntimeError("elsewhere")

    with pytest.raises(RuntimeError, match="elsewhere"):
        fly()
    assert not lamp.lit


def test_a_missed_heartbeat_is_reported_once() -> None:
    guard, _, lamp, clock = make()
    guard.send(two())
    clock.at_s = 0.51
    with pytest.raises(Fault, match=r"no command came for 0\.51 s"):
        guard.send(two())
    assert not lamp.lit
    guard.send(two())
    clock.at_s = 1.0
    guard.send(dark("waiting"))
    clock.at_s = 9.0  # a dark beam needs no heartbeat
    guard.send(two())
    guard.close()


def eventually(true: Callable[[], bool]) -> bool:
    for _ in range(1000):
        if true():
            return True
        time.sleep(0.01)
    return False


def test_the_watchdog_darkens_a_beam_without_commands() -> None:
    guard, _, lamp, clock = make(watch=True, heartbeat_s=0.04)
    guard.send(two())
    clock.at_s = 1.0
    assert eventually(lambda: not lamp.lit)
    with pytest.raises(Fault, match="no command came"):
        guard.send(two())
    guard.close()


def test_the_watchdog_darkens_a_beam_whose_deflector_hangs() -> None:
    guard, mirror, lamp, clock = make(watch=True, heartbeat_s=0.04)
    guard.send(two())
    seen_dark = []

    def hang(position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        clock.at_s = 1.0
        seen_dark.append(eventually(lambda: not lamp.lit))
        raise Fault("came back late")

    mirror.steer = hang  # type: ignore[method-assign]
    said = r"^a device did not answer within the heartbeat, and the beam went dark \(came back late\)$"
    with pytest.raises(Fault, match=said):
        guard.send(two())
    assert seen_dark == [True]
    mirror.steer = Mirror().steer  # type: ignore[method-assign]
    guard.send(two())  # the fault was reported once
    guard.close()


@pytest.mark.parametrize("forgotten", [False, True])
def test_light_of_a_slow_laser_after_the_watchdog_acted_is_a_fault(forgotten: bool) -> None:
    """The laser responds slowly, and lights after the watchdog has made it dark."""
    guard, _, lamp, clock = make(watch=True, heartbeat_s=0.04)
    if not forgotten:
        guard.send(two())
    lights = lamp.shine
    seen_dark = []

    def hang(power_mw: Floats, at_most_s: float) -> Floats:
        clock.at_s += 1.0
        lamp.lit = True
        seen_dark.append(eventually(lambda: not lamp.lit))
        return lights(power_mw, at_most_s)

    lamp.shine = hang  # type: ignore[method-assign]
    with pytest.raises(Fault, match="did not answer within the heartbeat"):
        guard.send(two())
    assert seen_dark == [True]
    assert not lamp.lit
    guard.close()


def test_the_heartbeat_starts_anew_with_the_first_light() -> None:
    """However old the last command is: the beam must not count as hung while it is being lit."""
    guard, _, lamp, clock = make(watch=True, heartbeat_s=0.04)
    clock.at_s = 1000.0
    lights = lamp.shine

    def slow(power_mw: Floats, at_most_s: float) -> Floats:
        time.sleep(0.1)  # many periods of the watchdog thread, and none on its clock
        return lights(power_mw, at_most_s)

    lamp.shine = slow  # type: ignore[method-assign]
    guard.send(two())
    guard.send(two())  # the next command is accepted, too
    assert lamp.lit
    guard.close()


def test_a_slow_deflector_of_a_dark_beam_is_no_missed_heartbeat() -> None:
    guard, mirror, lamp, clock = make(watch=True, heartbeat_s=0.04)
    clock.at_s = 1000.0
    steers = mirror.steer

    def slow(position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        time.sleep(0.2)  # many periods of the watchdog thread, which waits for the lock meanwhile
        return steers(position_v, dwell_s)

    mirror.steer = slow  # type: ignore[method-assign]
    guard.send(two())
    assert lamp.lit
    guard.close()


def test_a_hung_beam_that_could_not_be_switched_off_is_reported() -> None:
    guard, mirror, lamp, clock = make(watch=True, heartbeat_s=0.04)
    guard.send(two())
    lamp.stuck = STUCK
    named = []

    def hang(position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        clock.at_s = 1.0
        named.append(eventually(lambda: STILL_LIT in guard._silent))
        lamp.stuck = None
        raise Fault("came back late")

    mirror.steer = hang  # type: ignore[method-assign]
    with pytest.raises(Fault, match="a device did not answer"):
        guard.send(two())
    assert named == [True]
    assert not lamp.lit
    guard.close()


def test_the_watchdog_is_optional_and_does_not_keep_the_process_alive() -> None:
    guard, *_ = make(watch=False)
    assert guard._watcher is None
    guard.close()
    guard, *_ = make(watch=True)
    assert guard._watcher is not None
    assert guard._watcher.daemon
    guard.close()


def test_the_map_must_convert_um_to_volts() -> None:
    with pytest.raises(ValueError, match="from um to v"):
        Guard(Mirror(), Lamp(), Time(), Affine.scale("px", "v", 1.0), BOUNDS, watch=False)
    with pytest.raises(ValueError, match="from um to v"):
        Guard(Mirror(), Lamp(), Time(), Affine.scale("um", "px", 1.0), BOUNDS, watch=False)


class Mute(Exception):
    """An error of a driver whose `str` fails."""

    def __str__(self) -> str:
        raise ValueError("mute")


STUCK = Fault("the galvo is gone; the laser is gone")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Fault("no answer"), "no answer"),
        (OSError("port gone"), r"port gone \(OSError\)"),
        (Mute(), r"Mute \(Mute\)"),
    ],
)
def test_a_fault_states_that_the_laser_could_not_be_switched_off(trouble: Exception, words: str) -> None:
    guard, mirror, lamp, _ = make()
    guard.send(two())
    mirror.fails, lamp.stuck = trouble, STUCK
    with pytest.raises(Fault, match=f"^{words}; {STILL_LIT}: {STUCK}$"):
        guard.send(two())
    mirror.fails = lamp.stuck = None
    guard.send(two())  # reported once, and not again for a laser that answers
    guard.close()


def test_after_an_error_whose_str_fails_the_beam_is_dark() -> None:
    """Before, the beam stayed lit."""
    guard, mirror, lamp, _ = make()
    guard.send(two())
    mirror.fails = Mute()
    with pytest.raises(Fault, match=r"^Mute \(Mute\)$"):
        guard.send(two())
    assert not lamp.lit
    mirror.fails = None
    guard.send(two())
    lamp.stuck = Mute()
    assert guard.dark("stopped").reason == f"stopped; {STILL_LIT}: Mute"
    lamp.stuck = None
    guard.close()


def test_a_dark_command_that_fails_is_a_fault_that_light_may_be_on() -> None:
    guard, _, lamp, _ = make()
    guard.send(two())
    lamp.stuck = STUCK
    with pytest.raises(Fault, match=f"{STILL_LIT}: {STUCK}$"):
        guard.send(dark("no particles"))
    lamp.stuck = None
    guard.close()


def test_a_missed_heartbeat_and_a_laser_that_stays_on_are_both_reported() -> None:
    guard, _, lamp, clock = make()
    guard.send(two())
    clock.at_s, lamp.stuck = 1.0, STUCK
    with pytest.raises(Fault, match=f"^no command came for 1 s; {STILL_LIT}: {STUCK}$"):
        guard.send(two())
    lamp.stuck = None
    guard.close()


def test_a_laser_left_on_by_an_interrupt_is_reported_at_the_next_command() -> None:
    guard, mirror, lamp, _ = make()
    guard.send(two())
    mirror.fails, lamp.stuck = KeyboardInterrupt(), STUCK
    with pytest.raises(KeyboardInterrupt):
        guard.send(two())
    mirror.fails = lamp.stuck = None
    with pytest.raises(Fault, match=STILL_LIT):
        guard.send(two())
    guard.close()


def test_switching_off_is_repeated_until_the_laser_answers() -> None:
    """The laser counts as lit until it is confirmed dark; the watchdog tries again in each of its periods."""
    guard, _, lamp, clock = make(watch=True, heartbeat_s=0.04)
    guard.send(two())
    lamp.stuck = STUCK
    guard.dark("stopped")
    clock.at_s = 1.0
    lamp.stuck = None
    assert eventually(lambda: not lamp.lit)
    with pytest.raises(Fault, match=r"^no command came for 1 s, and the beam went dark$"):
        guard.send(two())
    guard.close()


def hanging(mirror: Mirror, guard: Guard) -> tuple[threading.Event, threading.Event, threading.Thread]:
    """A call of `steer` in a separate thread that does not return until `release`: it holds the lock of the guard."""
    began, release = threading.Event(), threading.Event()

    def hang(position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        began.set()
        release.wait(60.0)
        raise Fault("came back late")

    def send() -> None:
        with pytest.raises(Fault):
            guard.send(two())

    mirror.steer = hang  # type: ignore[method-assign]
    thread = threading.Thread(target=send)
    thread.start()
    assert began.wait(60.0)
    return began, release, thread


def test_the_watchdog_runs_while_close_waits_for_a_device_that_hangs() -> None:
    guard, mirror, lamp, clock = make(watch=True, heartbeat_s=0.04)
    guard.send(two())
    _, release, sending = hanging(mirror, guard)
    closing = threading.Thread(target=guard.close)
    closing.start()
    assert eventually(lambda: guard._closing)
    clock.at_s = 1.0
    dark_meanwhile = eventually(lambda: not lamp.lit)
    release.set()
    closing.join(60.0)
    sending.join(60.0)
    assert dark_meanwhile
    assert (lamp.closed, mirror.closed, closing.is_alive()) == (True, True, False)
    watcher = guard._watcher
    assert watcher is not None
    assert eventually(lambda: not watcher.is_alive())


def test_a_command_during_close_gives_no_light() -> None:
    """Here the command comes while `close` switches the laser off."""
    guard, _, lamp, _ = make()
    puts_out, said = lamp.off, []

    def off() -> None:
        lamp.off = puts_out  # type: ignore[method-assign]
        with pytest.raises(Fault, match="the beam is closed"):
            guard.send(two())
        said.append(lamp.lit)
        puts_out()

    guard.send(two())
    lamp.off = off  # type: ignore[method-assign]
    guard.close()
    assert said == [False]


def test_after_a_missed_heartbeat_there_is_no_light_before_the_fault() -> None:
    guard, _, lamp, clock = make()
    guard.send(two())
    lit: list[bool] = []
    lights = lamp.shine

    def count(power_mw: Floats, at_most_s: float) -> Floats:
        lit.append(True)
        return lights(power_mw, at_most_s)

    lamp.shine = count  # type: ignore[method-assign]
    clock.at_s = 0.51
    with pytest.raises(Fault, match="no command came"):
        guard.send(two())
    assert lit == []
    guard.send(two())
    guard._silent = "the watchdog put it out"
    with pytest.raises(Fault, match=r"^the watchdog put it out$"):
        guard.send(two())
    assert lit == [True]
    guard.close()


def test_the_time_of_a_hung_laser_counts_from_the_last_command() -> None:
    """Light that is on gets no second heartbeat while the laser carries out the next command."""
    guard, _, lamp, clock = make(watch=True, heartbeat_s=0.04)
    guard.send(two())
    clock.at_s = 0.03  # in time
    seen_dark = []

    def hang(power_mw: Floats, at_most_s: float) -> Floats:
        clock.at_s = 0.05  # too late after the last command, but not after this one
        seen_dark.append(eventually(lambda: not lamp.lit))
        raise Fault("came back late")

    lamp.shine = hang  # type: ignore[method-assign]
    with pytest.raises(Fault, match="did not answer within the heartbeat"):
        guard.send(two())
    assert seen_dark == [True]
    guard.close()


def test_a_second_close_returns_only_when_the_devices_are_closed() -> None:
    """Not while another thread still closes them: the devices would be busy when they are opened next."""
    guard, mirror, lamp, _ = make()
    began, release, closed_then = threading.Event(), threading.Event(), []

    def slow() -> None:
        began.set()
        release.wait(60.0)
        lamp.lit = False

    lamp.off = slow  # type: ignore[method-assign]
    first = threading.Thread(target=guard.close)
    first.start()
    assert began.wait(60.0)

    def again() -> None:
        guard.close()
        closed_then.append((lamp.closed, mirror.closed))

    second = threading.Thread(target=again)
    second.start()
    second.join(0.3)
    release.set()
    second.join(60.0)
    first.join(60.0)
    assert closed_then == [(True, True)]


@pytest.mark.parametrize("trouble", [Fault("stuck"), OSError("gone"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("where", ["off", "close"])
def test_both_devices_are_closed_whatever_the_laser_raises(trouble: BaseException, where: str) -> None:
    guard, mirror, lamp, _ = make()
    guard.send(two())
    closes = lamp.close

    def failing() -> None:
        closes()
        raise trouble

    if where == "off":
        lamp.stuck = trouble
    else:
        lamp.close = failing  # type: ignore[method-assign]
    with pytest.raises(BaseException, match=str(trouble) or None):
        guard.close()
    assert (lamp.closed, mirror.closed) == (True, True)
    guard.close()  # and the guard is closed
    with pytest.raises(Fault, match="closed"):
        guard.send(two())


def test_close_reports_that_the_laser_could_not_be_switched_off() -> None:
    guard, mirror, lamp, _ = make()
    guard.send(two())
    lamp.stuck = STUCK
    with pytest.raises(Fault, match=f"{STILL_LIT}: {STUCK}"):
        guard.close()
    assert (lamp.closed, mirror.closed) == (True, True)
    with pytest.raises(Fault, match=f"the beam is closed; {STILL_LIT}"):
        guard.send(two())
    assert STILL_LIT in guard.dark("stopped").reason


def test_an_unconfirmed_dark_beam_is_marked_as_may_be_lit() -> None:
    guard, _, lamp, _ = make()
    guard.send(two())
    lamp.stuck = STUCK
    assert guard.dark("stopped").may_be_lit
    lamp.stuck = None
    answer = guard.dark(f"{STILL_LIT}: {STUCK}")  # the text of an old reason does not count
    assert not answer.may_be_lit
    with pytest.raises(Fault, match=STILL_LIT):  # once
        guard.send(two())
    guard.send(two())
    lamp.stuck = STUCK
    with pytest.raises(Fault):
        guard.close()
    assert guard.dark("stopped").may_be_lit


def test_a_beam_that_is_confirmed_dark_is_closed_without_its_devices() -> None:
    """Devices that were unplugged after the light was off: there is no danger to report."""
    guard, _, lamp, _ = make()
    guard.send(two())
    guard.dark("stopped")
    lamp.stuck = STUCK
    guard.close()
    assert guard.dark("stopped").reason == "stopped"  # no device is called any more
    with pytest.raises(Fault, match=r"^the beam is closed$"):
        guard.send(two())


def test_close_waits_for_its_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    guard, *_ = make(watch=True)
    joined: list[float] = []
    assert guard._watcher is not None
    monkeypatch.setattr(guard._watcher, "join", lambda timeout: joined.append(timeout))
    guard.close()
    assert len(joined) == 1


def test_a_closed_guard_removes_its_exit_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(atexit, "register", kept.append)
    monkeypatch.setattr(atexit, "unregister", kept.remove)
    guard, *_ = make()
    assert kept == [guard._close_at_exit]
    guard.close()
    assert kept == []


@pytest.mark.parametrize(
    ("changes", "fine"),
    [
        ({"power_mw": np.array([0.0, 100.0])}, True),
        ({"power_mw": np.array([0.0, 100.0 * (1 + 0.5 * ROUNDING)])}, True),
        ({"power_mw": np.array([0.0, 100.0 * (1 + 3 * ROUNDING)])}, False),
        ({"power_mw": np.array([-1e-12, 1.0])}, False),
        ({"dwell_s": np.array([1e-300, 1.0])}, True),
        ({"dwell_s": np.array([-1e-300, 1.0])}, False),
        ({"dwell_s": np.array([np.inf, 1.0])}, False),
        ({"position_um": np.array([[0.0, 0.0], [20.0, 20.0]])}, True),
        ({"position_um": np.array([[0.0, -3 * ROUNDING], [20.0, 20.0]])}, False),
        ({"position_um": np.array([[0.0, 0.0], [20.0 + 3 * ROUNDING, 20.0]])}, False),
        ({"position_um": np.array([[0.0, 0.0], [-5.0, 20.0]])}, False),
        ({"position_um": np.array([[0.0, np.inf], [1.0, 2.0]])}, False),
    ],
)
def test_commands_at_and_beyond_the_limits(changes: dict[str, Any], fine: bool) -> None:
    guard, _, lamp, _ = make()
    if fine:
        assert guard.send(two(**changes)).reason == ""
    else:
        with pytest.raises(Fault):
            guard.send(two(**changes))
    assert lamp.lit is fine
    guard.close()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("place_um", "fine"),
    [
        (0.0 - ROUNDING, True), (20.0 + ROUNDING, True), (0.0 - 5 * ROUNDING, False), (20.0 + 5 * ROUNDING, False),
    ],
)  # fmt: skip
def test_positions_at_and_beyond_the_edges_of_the_field(place_um: float, fine: bool, axis: int) -> None:
    """With a deflector whose range is larger than the field."""
    mirror, lamp = Mirror(), Lamp()
    mirror.low_v, mirror.high_v = (-99.0, -99.0), (99.0, 99.0)
    guard = Guard(mirror, lamp, Time(), Affine.scale("um", "v", 1.0), BOUNDS, watch=False)
    position_um = np.full((2, 2), 3.0)
    position_um[1, axis] = place_um
    if fine:
        guard.send(two(position_um=position_um))
    else:
        with pytest.raises(Fault, match="outside of the field"):
            guard.send(two(position_um=position_um))
    assert lamp.lit is fine
    guard.close()


@pytest.mark.parametrize(("place_um", "fine"), [(5.0, True), (5.1, False), (-5.0, True), (-5.1, False)])
@pytest.mark.parametrize("axis", [0, 1])
def test_positions_at_and_beyond_the_range_of_the_deflector(place_um: float, fine: bool, axis: int) -> None:
    lamp = Lamp()
    bounds = replace(BOUNDS, low_um=(-20.0, -20.0))
    guard = Guard(Mirror(), lamp, Time(), Affine.scale("um", "v", 1.0), bounds, watch=False)
    position_um = np.zeros((2, 2))
    position_um[1, axis] = place_um
    if fine:
        guard.send(two(position_um=position_um))
    else:
        with pytest.raises(Fault, match=f"{place_um:g}.*range of volts"):
            guard.send(two(position_um=position_um))
    assert lamp.lit is fine
    guard.close()


def test_a_command_just_in_time_is_no_missed_heartbeat() -> None:
    guard, _, lamp, clock = make()
    for beat in range(5):
        clock.at_s = 0.5 * beat  # each as late as allowed: the heartbeat counts from the previous command
        guard.send(two())
    assert lamp.lit
    guard.close()


def test_the_heartbeat_is_the_time_limit_of_the_laser() -> None:
    guard, _, lamp, _ = make(heartbeat_s=0.25)
    asked: list[float] = []
    lights = lamp.shine

    def remember(power_mw: Floats, at_most_s: float) -> Floats:
        asked.append(at_most_s)
        return lights(power_mw, at_most_s)

    lamp.shine = remember  # type: ignore[method-assign]
    guard.send(two())
    guard.close()
    assert asked == [0.25]


def test_a_dark_command_has_its_effect_time_and_reason() -> None:
    guard, _, _, clock = make()
    guard.send(two())
    clock.at_s = 0.25
    for done in (guard.send(dark("")), guard.dark("stopped")):
        assert (len(done), done.effect_s) == (0, 0.25)
        assert done.reason in ("no spots", "stopped")
    guard.close()


PROGRAM = """
import sys
from tests.drivers.test_guard import Lamp, make, two
def off(self):
    self.lit = False
    sys.stdout.write("off ")
Lamp.off = off
guard, *_ = make()
guard.send(two())
sys.stdout.write("lit ")
sys.stdout.flush()
{end}
"""


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "1 / 0"])
def test_the_beam_is_dark_at_the_end_of_the_process(end: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(end=end)], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["off", "lit", "off"]


INTERRUPTED = """
import signal
import sys
from tests.drivers.test_guard import Lamp, make, two
def stop(number, frame):
    raise SystemExit(f"stopped by {number}")
def off(self):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.raise_signal(number)
    self.lit = False
    sys.stdout.write("off ")
guard, *_ = make()
guard.send(two())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, stop)
Lamp.off = off
"""


def test_signals_do_not_interrupt_switching_off_at_exit() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["off"], "")


def test_a_mirror_that_fails_to_close_does_not_hide_a_lit_laser() -> None:
    """The fault of the laser comes first, whatever fails after it, and the guard remembers it."""
    guard, mirror, lamp, _ = make()
    guard.send(two())

    def fail(words: str) -> Callable[[], None]:
        def close() -> None:
            raise Fault(words)

        return close

    mirror.close = fail("the mirror does not answer")  # type: ignore[method-assign]
    lamp.close = fail(f"{STILL_LIT}: no answer")  # type: ignore[method-assign]
    with pytest.raises(Fault, match=f"{STILL_LIT}: no answer; the mirror does not answer$"):
        guard.close()
    assert guard.dark("stopped").may_be_lit


def test_any_error_while_the_laser_is_closed_means_it_may_be_lit() -> None:
    guard, mirror, lamp, _ = make()

    def close() -> None:
        raise RuntimeError("a fault of a driver")

    lamp.close = close  # type: ignore[method-assign]
    with pytest.raises(Fault, match=f"{STILL_LIT}: RuntimeError: a fault of a driver$"):
        guard.close()
    assert mirror.closed


def test_a_command_delayed_by_the_deflector_gives_no_light() -> None:
    guard, mirror, lamp, clock = make()
    steers = mirror.steer

    def late(position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        clock.at_s += 0.6  # longer than the heartbeat, from the dark
        return steers(position_v, dwell_s)

    mirror.steer = late  # type: ignore[method-assign]
    lamp.shine = lambda power_mw, at_most_s: pytest.fail("it was lit")  # type: ignore[method-assign]
    with pytest.raises(Fault, match=r"the deflector took 0\.6 s for a command, and 0\.5 s is allowed"):
        guard.send(two())
    guard.close()


def test_a_beam_being_closed_is_not_lit_by_a_running_command() -> None:
    guard, mirror, lamp, _ = make()
    steers, closing = mirror.steer, threading.Thread(target=guard.close)

    def closed_meanwhile(position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        closing.start()
        assert eventually(lambda: guard._closing)
        return steers(position_v, dwell_s)

    mirror.steer = closed_meanwhile  # type: ignore[method-assign]
    lamp.shine = lambda power_mw, at_most_s: pytest.fail("it was lit")  # type: ignore[method-assign]
    with pytest.raises(Fault, match="the beam is closed"):
        guard.send(two())
    closing.join()


def test_unconfirmed_emission_is_switched_off_again_without_a_command() -> None:
    """Behind a dark modulator the beam counts as dark. Before, only the next turn tried again."""
    guard, _, lamp, clock = make()
    guard.send(two())
    offs: list[float] = []
    laser: Any = lamp
    laser.unconfirmed, laser.off = True, lambda: offs.append(clock.at_s)
    guard.dark("stopped")
    for clock.at_s in (0.4, 0.6, 0.8):
        guard._end_lingering()
    laser.unconfirmed = False
    for clock.at_s in (1.2, 1.8, 2.4):
        guard._end_lingering()
    assert offs == [0.0, 0.6, 1.2]
    guard.close()
