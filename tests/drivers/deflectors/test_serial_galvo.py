"""The serial galvo's driver against its emulator, over a pseudo-terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from control.contract import Fault
from drivers.deflectors.serial_galvo import SerialGalvoDriver
from tests.drivers.emulated import Emulated, beam_of, eventually

pytestmark = pytest.mark.real_time

SPOTS_V = np.array([[0.5, -1.0], [2.0, 3.0], [-4.0, 0.0]])
DWELL_S = np.array([1e-4, 2e-4, 3e-4])
POWER = np.array([0.1, 0.2, 1.0])


@pytest.fixture
def galvo(emulated: Emulated) -> Iterator[SerialGalvoDriver]:
    driver = emulated.open_galvo()
    yield driver
    driver.close()


def light(galvo: SerialGalvoDriver, at_most_s: float = 1.0) -> np.ndarray:
    galvo.steer(SPOTS_V, DWELL_S)
    return galvo.modulate(POWER, at_most_s)


def test_the_galvo_reports_firmware_range_and_status(galvo: SerialGalvoDriver) -> None:
    assert "emulated galvo" in galvo.firmware
    assert galvo.low_v == pytest.approx((-10.0, -10.0))
    assert galvo.high_v == pytest.approx((10.0, 10.0))
    assert galvo.status() == "ready"


def test_the_readback_equals_the_state_of_the_device(galvo: SerialGalvoDriver, emulated: Emulated) -> None:
    steered = galvo.steer(SPOTS_V, DWELL_S)
    given = galvo.modulate(POWER, 1.0)
    beam = beam_of(emulated.galvo)
    assert eventually(lambda: beam_of(emulated.galvo)["beam"] == "lit")
    beam = beam_of(emulated.galvo)
    np.testing.assert_allclose(beam["position_v"], steered.position_v, atol=1e-12)
    np.testing.assert_allclose(beam["fraction"], given, atol=1e-12)
    np.testing.assert_allclose(np.array(beam["dwell_ns"]) * 1e-9, steered.dwell_s, rtol=1e-12)
    assert np.abs(steered.position_v - SPOTS_V).max() <= 10.0 / 32767 / 2 * (1 + 1e-9)
    assert ((POWER - given >= 0) & (POWER - given < 1 / 65535)).all()
    assert beam["until_ns"] == beam["received_ns"] + 1_000_000_000


def test_short_dwells_are_lengthened_and_reported(galvo: SerialGalvoDriver) -> None:
    assert galvo.steer(SPOTS_V, np.full(3, 1e-9)).dwell_s == pytest.approx([2e-5] * 3)


def test_the_watchdog_blanks_in_time_and_is_reported_at_the_next_batch(
    galvo: SerialGalvoDriver, emulated: Emulated
) -> None:
    light(galvo, at_most_s=0.05)
    batch = emulated.galvo.wait_for("batch")
    dark = emulated.galvo.wait_for("dark", cause="WATCHDOG")
    assert batch is not None
    assert dark is not None
    assert dark["time_ns"] == batch["received_ns"] + 50_000_000
    with pytest.raises(Fault, match="its watchdog had not heard of us"):
        light(galvo)
    assert eventually(lambda: emulated.galvo.events[-1]["event"] == "dark")
    since = emulated.galvo.events[emulated.galvo.events.index(dark) :]
    assert "batch" not in [event["event"] for event in since]  # the late one was not sent
    light(galvo)


def test_a_late_answer_does_not_make_the_watchdog_later(emulated: Emulated) -> None:
    """The device counts from the request: after its watchdog no batch lights the beam, however late its answers are."""
    galvo = emulated.open_galvo(timeout_s=1.0)
    emulated.order(emulated.galvo, "late 0.25")
    light(galvo, at_most_s=0.3)
    emulated.order(emulated.galvo, "well")
    dark = emulated.galvo.wait_for("dark", cause="WATCHDOG")
    assert dark is not None
    with pytest.raises(Fault, match="its watchdog had not heard of us"):
        light(galvo)
    assert eventually(lambda: emulated.galvo.events[-1]["event"] == "dark")
    since = emulated.galvo.events[emulated.galvo.events.index(dark) :]
    assert "batch" not in [event["event"] for event in since]


@pytest.mark.parametrize("way", ["silence", "garbage", "half", "late 1"])
def test_bad_answers_of_the_galvo_are_a_fault_and_it_can_be_used_again(emulated: Emulated, way: str) -> None:
    galvo = emulated.open_galvo(timeout_s=0.05)
    light(galvo)
    emulated.order(emulated.galvo, way)
    with pytest.raises(Fault, match=r"no answer within 50 ms"):
        light(galvo)
    with pytest.raises(Fault):  # no light until the line was opened again while dark
        light(galvo)
    emulated.order(emulated.galvo, "well")
    assert eventually(lambda: galvo.status() == "ready")
    assert eventually(lambda: beam_of(emulated.galvo)["beam"] == "dark")
    galvo.blank()  # as the guard at RESET: the watchdog may have acted meanwhile
    light(galvo)
    galvo.close()


def test_a_late_answer_is_not_taken_for_the_next_answer(emulated: Emulated) -> None:
    galvo = emulated.open_galvo(timeout_s=0.2)
    emulated.order(emulated.galvo, "late 0.25")
    np.testing.assert_allclose(light(galvo), POWER, atol=1e-4)  # answered during the second attempt
    emulated.order(emulated.galvo, "well")
    for _ in range(5):
        light(galvo)
    galvo.blank()
    assert eventually(lambda: beam_of(emulated.galvo)["beam"] == "dark")
    galvo.close()


def test_a_request_repeated_after_a_lost_answer_acts_once(emulated: Emulated) -> None:
    galvo = emulated.open_galvo(timeout_s=0.2)
    before = len([event for event in emulated.galvo.events if event["event"] == "batch"])
    emulated.order(emulated.galvo, "late 0.3")  # both attempts reach the device
    light(galvo)
    emulated.order(emulated.galvo, "well")
    galvo.blank()
    after = len([event for event in emulated.galvo.events if event["event"] == "batch"])
    assert after == before + 1
    galvo.close()


def test_an_unplugged_cable_is_a_fault_until_it_is_connected_again(
    galvo: SerialGalvoDriver, emulated: Emulated
) -> None:
    light(galvo)
    emulated.order(emulated.galvo, "disconnect")
    with pytest.raises(Fault, match="it is gone"):
        light(galvo)
    with pytest.raises(Fault, match=r"gone|can't be opened"):
        galvo.blank()
    emulated.order(emulated.galvo, "connect")
    assert eventually(lambda: galvo.status() == "ready")
    light(galvo)


def test_a_different_galvo_at_the_same_port_gives_no_light(emulated: Emulated) -> None:
    galvo = emulated.open_galvo()
    galvo._info = replace(galvo.info, name="the galvo of before")
    galvo._line.lost("unplugged")
    other = "another device answers, 'Cybloids emulated galvo .*', and the rig was opened with 'the galvo of before'"
    assert eventually(lambda: re.search(other, galvo.status()))
    with pytest.raises(Fault, match=other):
        light(galvo)
    galvo.close()


@pytest.mark.parametrize(
    ("spots_v", "powers", "said"),
    [
        (np.array([[10.1, 0.0]]), np.ones(1), "outside of the field"),
        (np.array([[np.nan, 0.0]]), np.ones(1), "outside of the field"),
        (np.zeros((513, 2)), np.ones(513), "holds 512"),
        (np.zeros((1, 2)), np.array([1.01]), "between nothing and"),
        (np.zeros((1, 2)), np.array([-0.01]), "between nothing and"),
        (np.zeros((1, 2)), np.ones(2), "before it was steered"),
    ],
)
def test_commands_beyond_the_abilities_of_the_galvo_are_faults(
    galvo: SerialGalvoDriver, spots_v: np.ndarray, powers: np.ndarray, said: str
) -> None:
    def ask() -> None:
        galvo.steer(spots_v, np.full(len(spots_v), 1e-4))
        galvo.modulate(powers, 1.0)

    with pytest.raises(Fault, match=said):
        ask()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settle_s": 1e-6}, "deflector.settle_s is 1e-06 s, and the device needs 1e-05 s"),
        ({"min_dwell_s": 1e-6}, "deflector.min_dwell_s"),
        ({"delay_s": 1e-6}, "deflector.delay_s"),
    ],
)
def test_settings_beyond_the_abilities_of_the_galvo_are_faults(
    emulated: Emulated, changes: dict[str, float], said: str
) -> None:
    with pytest.raises(Fault, match=said):
        emulated.open_galvo(**changes)


def test_an_open_port_cannot_be_opened_again(galvo: SerialGalvoDriver, emulated: Emulated) -> None:
    with pytest.raises(Fault, match="can't be opened"):
        emulated.open_galvo()


def test_round_trips_are_measured(galvo: SerialGalvoDriver) -> None:
    for _ in range(200):
        light(galvo)
    p50_s, p99_s = np.percentile(galvo.round_trip_s, [50, 99])
    print(f"galvo round trip: p50 {p50_s * 1e6:.0f} us, p99 {p99_s * 1e6:.0f} us")
    assert 0 < p50_s <= p99_s


def test_a_closed_galvo_is_dark(emulated: Emulated) -> None:
    galvo = emulated.open_galvo()
    light(galvo)
    galvo.close()
    assert eventually(lambda: beam_of(emulated.galvo).get("cause") == "BLANKED")
    with pytest.raises(Fault, match="closed"):
        light(galvo)
    assert "closed" in galvo.status()
