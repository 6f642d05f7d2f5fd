"""Closing several devices: each is closed, and every error is reported, that of the laser first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from config.refused import Refused
from control.contract import STILL_LIT, Fault
from drivers.closing import Opened, close_all, closed_after, of_light

LIT = Fault(f"{STILL_LIT}: no answer")


def fails(error: BaseException) -> Callable[[], None]:
    def close() -> None:
        raise error

    return close


def test_each_device_is_closed_and_a_single_fault_is_raised_unchanged() -> None:
    closed: list[str] = []
    trouble = Fault("unplugged")
    with pytest.raises(Fault, match=r"^unplugged$") as raised:
        close_all(lambda: closed.append("a"), fails(trouble), lambda: closed.append("b"))
    assert closed == ["a", "b"]
    assert raised.value is trouble
    close_all()


def test_an_error_of_closing_is_a_fault_without_a_warning_of_light() -> None:
    with pytest.raises(Fault, match=r"^OSError: unplugged$"):
        of_light(lambda: close_all(fails(OSError("unplugged"))))()


def test_the_fault_of_the_laser_comes_first() -> None:
    with pytest.raises(Fault, match=f"^{STILL_LIT}: no answer; OSError: unplugged; not there$"):
        close_all(fails(OSError("unplugged")), fails(LIT), fails(Fault("not there")))


class Mute(Exception):
    """An error of a plug-in whose `str` fails."""

    def __str__(self) -> str:
        raise ValueError("mute")


def test_an_error_whose_str_fails_does_not_hide_a_lit_laser() -> None:
    with pytest.raises(Fault, match=f"^{STILL_LIT}: no answer; Mute: Mute$"):
        close_all(fails(Mute()), fails(LIT))
    with pytest.raises(Fault, match=f"^Mute; {STILL_LIT}: no answer$"), closed_after(fails(LIT), "the camera"):
        raise Mute


def test_any_error_while_a_laser_is_closed_warns_that_light_may_be_on() -> None:
    with pytest.raises(Fault, match=f"^{STILL_LIT}: ValueError: a fault of a driver$"):
        of_light(fails(ValueError("a fault of a driver")))()
    with pytest.raises(Fault, match=r"^the port is busy$"):  # a Fault of the driver already has the correct text
        of_light(fails(Fault("the port is busy")))()


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), SystemExit(143)])
def test_a_signal_while_a_laser_is_closed_warns_that_light_may_be_on(signal: BaseException) -> None:
    with pytest.raises(Fault, match=f"^{STILL_LIT}: {type(signal).__name__}: "):
        of_light(fails(signal))()


def test_an_interrupt_is_raised_again_unless_light_may_be_on() -> None:
    with pytest.raises(KeyboardInterrupt):
        close_all(fails(KeyboardInterrupt()), fails(Fault("unplugged")))
    with pytest.raises(Fault, match=STILL_LIT):
        close_all(fails(KeyboardInterrupt()), fails(LIT))


def opened_until(error: BaseException, *closings: Callable[[], object]) -> None:
    with Opened() as opened:
        for closing in closings:
            opened.add(closing)
        raise error


@pytest.mark.parametrize("error", [Refused("another one"), OSError("another one"), KeyboardInterrupt()])
def test_opened_devices_are_closed_in_reverse_and_the_error_is_kept(error: BaseException) -> None:
    closed: list[str] = []
    with pytest.raises(type(error)) as raised:
        opened_until(error, lambda: closed.append("mirror"), lambda: closed.append("laser"))
    assert raised.value is error
    assert closed == ["laser", "mirror"]


def test_a_failed_opening_states_first_its_cause_then_open_devices() -> None:
    with pytest.raises(Fault, match=f"^no camera; {STILL_LIT}: no answer; unplugged$"):
        opened_until(Refused("no camera"), fails(Fault("unplugged")), fails(LIT))


def test_kept_devices_are_closed_later_and_once() -> None:
    closed: list[str] = []
    with Opened() as opened:
        opened.add(lambda: closed.append("laser"))
        kept = opened.keep()
    assert closed == []
    kept.close()
    kept.close()
    assert closed == ["laser"]


LIT_WORDS = str(LIT)


def raises(error: BaseException | None) -> Callable[[], None]:
    def fail() -> None:
        if error is not None:
            raise error

    return fail


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        (None, OSError("gone"), "the camera was not closed (OSError: gone)"),
        (None, Fault("gone"), "gone"),
        (Fault(LIT_WORDS), OSError("gone"), f"{LIT_WORDS}; the camera was not closed (OSError: gone)"),
        (Fault(LIT_WORDS), None, LIT_WORDS),
        (Refused("no"), Fault(LIT_WORDS), f"no; {LIT_WORDS}"),
        (Fault(LIT_WORDS), SystemExit(143), f"{LIT_WORDS}; the camera was not closed (SystemExit: 143)"),
        (KeyboardInterrupt(), Fault(LIT_WORDS), f"KeyboardInterrupt; {LIT_WORDS}"),
    ],
)
def test_all_faults_are_joined_to_one(first: BaseException | None, then: BaseException | None, said: str) -> None:
    with pytest.raises(Fault) as raised, closed_after(raises(then), "the camera"):
        raises(first)()
    assert str(raised.value) == said


@pytest.mark.parametrize("first", [ZeroDivisionError("0"), KeyboardInterrupt(), Refused("no")])
def test_another_error_is_unchanged_and_has_a_note(first: BaseException) -> None:
    with pytest.raises(type(first)) as raised, closed_after(raises(OSError("gone")), "the camera"):
        raise first
    assert raised.value is first
    assert raised.value.__notes__ == ["the camera was not closed (OSError: gone)"]


def test_a_signal_ends_a_closing_after_another_fault() -> None:
    with pytest.raises(SystemExit), closed_after(raises(SystemExit(143)), "the camera"):
        raise Fault("no frame")


def test_a_device_is_closed_once_after_the_block() -> None:
    events = []
    with closed_after(lambda: events.append("closed"), "the camera"):
        events.append("block")
    assert events == ["block", "closed"]
