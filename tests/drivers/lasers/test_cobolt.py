"""The driver of the Cobolt laser against its emulator; the emulated galvo dims the beam."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from config.geometry import Affine
from config.reader import Document, build
from config.refused import Refused
from control.contract import STILL_LIT, Command, Fault
from drivers.deflectors.serial_galvo import SerialGalvo, SerialGalvoDriver
from drivers.emulate.cobolt import CoboltDevice
from drivers.guard import Guard, GuardLimits
from drivers.lasers.cobolt import QUESTIONS, Cobolt, CoboltDriver, put_out
from drivers.sim.clock import PacedClock
from tests.drivers.emulated import Emulated, beam_of, eventually
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_time

Bench = tuple[SerialGalvoDriver, CoboltDriver]


@pytest.fixture
def bench(emulated: Emulated) -> Iterator[Bench]:
    galvo = emulated.open_galvo()
    laser = emulated.open_laser(galvo, max_power_mw=150.0)
    yield galvo, laser
    with suppress(Fault):  # of a laser that a test has made silent
        laser.close()
    galvo.close()


def shine(bench: Bench, *power_mw: float) -> np.ndarray:
    galvo, laser = bench
    galvo.steer(np.zeros((len(power_mw), 2)), np.full(len(power_mw), 1e-4))
    return laser.shine(np.array(power_mw), 1.0)


def shine_often(bench: Bench, turns: int) -> None:
    for _ in range(turns):
        shine(bench, 10.0)


def test_the_laser_reports_firmware_set_point_and_status(bench: Bench, emulated: Emulated) -> None:
    assert "EMULATED" in bench[1].firmware
    assert bench[1].set_point_mw == pytest.approx(150.0)
    assert bench[1].status() == "ready"
    assert beam_of(emulated.laser)["beam"] == "dark"


def test_powers_are_fractions_of_the_set_point(bench: Bench, emulated: Emulated) -> None:
    given_mw = shine(bench, 15.0, 150.0, 200.0)
    assert given_mw == pytest.approx([15.0, 150.0, 150.0], abs=150.0 / 65535)
    assert emulated.becomes(True)
    np.testing.assert_allclose(
        np.array(beam_of(emulated.galvo)["fraction"]) * beam_of(emulated.laser)["power_mw"], given_mw, rtol=1e-9
    )
    assert bench[1].actual_power_mw() == pytest.approx(150.0)


def test_off_closes_both_shutters(bench: Bench, emulated: Emulated) -> None:
    shine(bench, 10.0)
    bench[1].off()
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")
    assert eventually(lambda: beam_of(emulated.galvo)["beam"] == "dark")


def test_emission_may_stay_on_behind_a_closed_modulator(emulated: Emulated) -> None:
    galvo = emulated.open_galvo()
    laser = emulated.open_laser(galvo, linger_s=60.0)
    shine((galvo, laser), 10.0)
    laser.off()
    assert eventually(lambda: beam_of(emulated.galvo)["beam"] == "dark")
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "lit")  # its log may arrive later
    emulated.order(emulated.galvo, "disconnect")
    laser.off()  # the modulator is not confirmed, so the emission is switched off
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")
    laser.close()
    galvo.close()


def test_one_working_shutter_suffices_and_none_is_a_fault(bench: Bench, emulated: Emulated) -> None:
    shine(bench, 10.0)
    emulated.order(emulated.laser, "disconnect")
    bench[1].off()
    assert eventually(lambda: beam_of(emulated.galvo)["beam"] == "dark")
    emulated.order(emulated.galvo, "disconnect")
    with pytest.raises(Fault, match=r"galvo.*; the laser.*"):
        bench[1].off()


def test_an_open_interlock_is_a_fault_until_it_is_closed_and_cleared(bench: Bench, emulated: Emulated) -> None:
    shine(bench, 10.0)
    emulated.order(emulated.laser, "interlock open")
    assert emulated.becomes(False)
    with pytest.raises(Fault, match="interlock"):
        shine_often(bench, len(QUESTIONS))  # the interlock is read within so many turns
    bench[1].off()
    assert bench[1].status() == "interlock open"
    with pytest.raises(Fault, match="interlock is open"):
        shine(bench, 10.0)
    emulated.order(emulated.laser, "interlock closed")
    assert shine(bench, 10.0) == pytest.approx([10.0], abs=0.01)


def test_an_unreported_fault_is_raised_before_there_is_light(bench: Bench, emulated: Emulated) -> None:
    bench[1].off()
    emulated.order(emulated.laser, "interlock open")
    emulated.order(emulated.laser, "interlock closed")
    assert bench[1].status() == "fault: interlock"
    with pytest.raises(Fault, match="the fault 'interlock'"):
        shine(bench, 10.0)
    assert shine(bench, 10.0) == pytest.approx([10.0], abs=0.01)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("power 10", r"measures 1500 mW of its light at a set point of 150 mW \(allowed: 100 to 225 mW\)"),
        ("power 1.51", r"measures 226\.5 mW"),
        ("power 0.66", r"measures 99 mW"),
        ("power 0", r"measures 0 mW of its light at a set point of 150 mW"),
    ],
)
def test_a_measured_power_far_from_the_set_point_is_a_fault(emulated: Emulated, order: str, said: str) -> None:
    galvo = emulated.open_galvo()
    laser = emulated.open_laser(galvo, max_power_mw=150.0, power_settle_s=0.0)
    shine_often((galvo, laser), 2 * len(QUESTIONS))
    emulated.order(emulated.laser, order)
    with pytest.raises(Fault, match=said):
        shine_often((galvo, laser), 3)  # the power is read in every third turn or sooner
    laser.off()
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")
    emulated.order(emulated.laser, "power 1")
    shine_often((galvo, laser), 2 * len(QUESTIONS))
    laser.close()
    galvo.close()


@pytest.mark.parametrize("factor", [1.49, 0.68])
def test_a_measured_power_within_the_factor_is_no_fault(emulated: Emulated, factor: float) -> None:
    galvo = emulated.open_galvo()
    laser = emulated.open_laser(galvo, max_power_mw=150.0, power_settle_s=0.0)
    emulated.order(emulated.laser, f"power {factor}")
    shine_often((galvo, laser), 2 * len(QUESTIONS))
    laser.close()
    galvo.close()


def test_a_warming_laser_may_be_too_weak_but_not_too_strong(emulated: Emulated) -> None:
    galvo = emulated.open_galvo()
    laser = emulated.open_laser(galvo, max_power_mw=150.0, power_settle_s=3600.0)
    emulated.order(emulated.laser, "power 0.1")
    shine_often((galvo, laser), 2 * len(QUESTIONS))
    laser.off()
    emulated.order(emulated.laser, "power 10")
    with pytest.raises(Fault, match="measures 1500 mW"):
        shine((galvo, laser), 10.0)  # in the first turn with light
    laser.close()
    galvo.close()


def test_a_changed_mode_is_a_fault_and_is_set_again_afterwards(bench: Bench, emulated: Emulated) -> None:
    shine_often(bench, 2 * len(QUESTIONS))
    emulated.order(emulated.laser, "mode 0")
    with pytest.raises(Fault, match=r"its mode is 0 \(constant current\), and it was set to 1 \(constant power\)"):
        shine_often(bench, len(QUESTIONS))
    bench[1].off()
    shine_often(bench, 2 * len(QUESTIONS))  # by the operator, with RESET and ARM


def test_a_mode_changed_in_the_dark_is_a_fault_before_there_is_light(bench: Bench, emulated: Emulated) -> None:
    shine(bench, 10.0)
    bench[1].off()
    emulated.order(emulated.laser, "mode 2")
    with pytest.raises(Fault, match=r"its mode is 2 \(modulation\)"):
        shine(bench, 10.0)
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")
    shine(bench, 10.0)


def test_the_readback_costs_one_query_a_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One query in each turn, whatever the number of monitored values."""
    asked: list[bytes] = []
    shine(bench, 10.0)
    asks = bench[1]._line.ask

    def count(request: bytes, *others: Any, **named: Any) -> Any:
        asked.append(request)
        return asks(request, *others, **named)

    monkeypatch.setattr(bench[1]._line, "ask", count)
    shine_often(bench, 5 * len(QUESTIONS))
    assert len(asked) == 5 * len(QUESTIONS)
    assert {request.decode().strip() for request in asked} == set(QUESTIONS)


@pytest.mark.parametrize("way", ["silence", "garbage", "half", "late 1.5", "disconnect"])
def test_bad_answers_of_the_laser_are_a_fault_and_it_can_be_used_again(emulated: Emulated, way: str) -> None:
    galvo = emulated.open_galvo()
    laser = emulated.open_laser(galvo)
    shine((galvo, laser), 10.0)
    emulated.order(emulated.laser, way)
    with pytest.raises(Fault, match="the laser"):
        shine((galvo, laser), 10.0)
    laser.off()  # by the modulator
    assert eventually(lambda: beam_of(emulated.galvo)["beam"] == "dark")
    with pytest.raises(Fault):
        shine((galvo, laser), 10.0)
    laser.off()  # as the guard after each Fault; otherwise the watchdog of the galvo acts
    emulated.order(emulated.laser, "connect" if way == "disconnect" else "well")
    assert eventually(lambda: laser.status() == "ready")
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")
    assert shine((galvo, laser), 10.0) == pytest.approx([10.0], abs=0.01)
    laser.close()
    galvo.close()


@pytest.mark.parametrize("turns", range(1, 1 + len(QUESTIONS)))
def test_an_unsolicited_answer_is_not_taken_for_the_next_answer(bench: Bench, emulated: Emulated, turns: int) -> None:
    """Answers do not name their request. Before, an earlier '0' hid the open interlock from `f?` and `ilk?`."""
    laser = bench[1]
    shine_often(bench, turns)
    assert laser._line.write_blind(b"@cobas?\r")  # its '0' comes without an open request
    assert eventually(lambda: laser._line._serial is not None and laser._line._serial.in_waiting == len(b"0\r\n"))
    emulated.order(emulated.laser, "interlock open")
    with pytest.raises(Fault, match=r"the laser at .* sent '0' when nothing had been asked"):
        shine(bench, 10.0)
    laser.off()
    assert eventually(lambda: laser.status() == "interlock open")


def test_the_off_command_is_sent_despite_an_unsolicited_answer(bench: Bench, emulated: Emulated) -> None:
    laser = bench[1]
    laser._sent_blind = True  # as after an earlier blind off command
    shine(bench, 10.0)
    assert laser._line.write_blind(b"@cobas?\r")
    assert eventually(lambda: laser._line._serial is not None and laser._line._serial.in_waiting == len(b"0\r\n"))
    laser.off()
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")


def test_a_different_laser_at_the_same_port_is_not_lit(bench: Bench, emulated: Emulated) -> None:
    """The map and the powers were confirmed with the previous laser."""
    laser = bench[1]
    before = laser._firmware.replace("EMULATED", "111-A")
    laser._firmware = before
    laser._line.lost("unplugged")
    other = "another device answers, 'Cobolt .* EMULATED', and the rig was opened with 'Cobolt .* 111-A'"
    assert eventually(lambda: re.search(other, laser.status()))
    with pytest.raises(Fault, match=other):
        shine(bench, 10.0)
    assert laser._firmware == before
    assert beam_of(emulated.laser)["beam"] == "dark"


def test_a_power_above_that_of_the_laser_is_a_fault(emulated: Emulated) -> None:
    galvo = emulated.open_galvo()
    with pytest.raises(Fault, match=r"max_power_mw is 201, and it gives 200 mW"):
        emulated.open_laser(galvo, max_power_mw=201.0)
    galvo.close()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"?", b"OK"), (b"l0", b"OK"), (b"l?", b"0"), (b"ilk?", b"0"), (b"f?", b"0"), (b"p 0.05", b"OK"),
        (b"p?", b"0.05000"), (b"pa?", b"0.00000"), (b"gmlp?", b"200.0"), (b"gom?", b"0"), (b"gam?", b"1"),
        (b"p 9", b"Syntax error: illegal command"), (b"p x", b"Syntax error: illegal command"),
        (b"fire", b"Syntax error: illegal command"), (b"", b"Syntax error: illegal command"),
    ],
)  # fmt: skip
def test_the_emulator_answers_each_command(command: bytes, answer: bytes) -> None:
    device = CoboltDevice(200.0, lambda said: None, 0)
    device.receive(b"p 0.05\r", 0)
    assert device.receive(command + b"\r", 0) == [answer + b"\r\n"]


def test_after_a_lost_answer_closing_ends_the_emission(bench: Bench, emulated: Emulated) -> None:
    shine(bench, 10.0)
    emulated.order(emulated.laser, "silence")
    with pytest.raises(Fault, match="no answer"):
        shine_often(bench, len(QUESTIONS))
    emulated.order(emulated.laser, "well")
    bench[1].off()
    bench[1].close()
    bench[1].close()
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")


def test_a_silent_laser_is_switched_off_blind_and_reported(bench: Bench, emulated: Emulated) -> None:
    shine(bench, 10.0)
    emulated.order(emulated.laser, "silence")
    emulated.order(emulated.galvo, "silence")
    with pytest.raises(Fault, match=r"no answer.*; .*no answer"):
        bench[1].off()
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")
    with pytest.raises(Fault, match=f"^{STILL_LIT}: the laser at .*no answer"):
        bench[1].close()


def test_with_a_lost_laser_line_the_modulator_stays_closed(
    bench: Bench, emulated: Emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emission may be on. Before, the modulator opened first, and the laser was queried after that."""
    galvo, laser = bench
    shine(bench, 10.0)
    emulated.order(emulated.laser, "disconnect")
    with pytest.raises(Fault):
        shine(bench, 10.0)
    laser.off()
    opened: list[Any] = []
    monkeypatch.setattr(galvo, "modulate", lambda *given: opened.append(given))
    with pytest.raises(Fault, match="the laser at"):
        shine(bench, 10.0)
    assert not opened
    assert laser.unconfirmed


def test_a_laser_that_is_still_on_is_reported_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, the answer to the blind `l0` counted as unsolicited."""
    laser = bench[1]
    shine(bench, 10.0)
    asked = laser._text
    monkeypatch.setattr(laser, "_text", lambda command, expect="": "1" if command == "l?" else asked(command, expect))
    laser.off()
    monkeypatch.undo()
    again: list[str] = []

    def ends() -> bool:
        try:
            laser._line.connect()
            laser._end()
        except Fault as fault:
            again.append(str(fault))
            return False
        return True

    assert eventually(ends)
    assert all("says that it is on" in said for said in again)


def test_a_silent_laser_of_a_killed_program_is_switched_off_blind(bench: Bench, emulated: Emulated) -> None:
    shine(bench, 10.0)
    bench[1]._line.close()  # as the system does for a killed program
    emulated.order(emulated.laser, "silence")
    with pytest.raises(Fault, match="no answer"):
        put_out(bench[1]._made)
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")


def test_emission_ends_while_the_galvo_blocks_another_thread(emulated: Emulated) -> None:
    """Called by the watchdog: the line of the modulator is busy, and the shutter of the laser must not wait for it."""
    galvo = emulated.open_galvo(timeout_s=PATIENCE_S)
    laser = emulated.open_laser(galvo)
    shine((galvo, laser), 10.0)
    assert emulated.becomes(True)
    emulated.order(emulated.galvo, "silence")
    said: list[str] = []

    def hang() -> None:
        try:
            shine((galvo, laser), 10.0)
        except Fault as fault:
            said.append(str(fault))

    def batches() -> int:
        return sum(event["event"] == "batch" for event in emulated.galvo.events)

    before, hung = batches(), threading.Thread(target=hang, daemon=True)
    hung.start()
    assert eventually(lambda: batches() > before)
    laser.off()
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")
    assert hung.is_alive()
    emulated.order(emulated.galvo, "disconnect")
    hung.join(PATIENCE_S)
    assert "the galvo" in said[0]
    laser.close()
    galvo.close()


def test_lingering_emission_ends_while_the_loop_hangs(emulated: Emulated) -> None:
    """After the heartbeat the modulator closes, and 1 s later the emission ends. Before, the emission stayed on."""
    galvo = emulated.open_galvo()
    laser = emulated.open_laser(galvo, linger_s=1.0)
    bounds = GuardLimits(low_um=(-1.0, -1.0), high_um=(1.0, 1.0), power_mw=20.0, heartbeat_s=0.3)
    guard = Guard(galvo, laser, PacedClock(1.0), Affine.scale("um", "v", 1.0), bounds, watch=True)
    spot = Command(np.zeros((1, 2)), np.array([10.0]), np.array([1e-4]), np.array([0]))
    guard.send(spot)
    assert emulated.becomes(True)
    assert eventually(lambda: beam_of(emulated.galvo)["beam"] == "dark")
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark", 20.0)
    with pytest.raises(Fault, match="no command came"):
        guard.send(spot)
    guard.close()


def test_an_error_in_one_shutter_still_closes_the_other_one(bench: Bench, emulated: Emulated) -> None:
    shine(bench, 10.0)

    def broken() -> None:
        raise OverflowError("a fault of a driver")

    bench[0].blank = broken  # type: ignore[method-assign]
    bench[1].off()
    assert eventually(lambda: beam_of(emulated.laser)["beam"] == "dark")
    del bench[0].blank


@pytest.mark.parametrize("baud", [0, 3_000_000_000])
def test_an_impossible_baud_rate_is_refused(baud: int) -> None:
    for cls in (Cobolt, SerialGalvo):
        with pytest.raises(Refused, match="baud"):
            build(Document("rig", {"port": "/dev/null", "baud": baud}, {}), cls)
