"""Closing several devices: each is closed, every trouble is said, that of the light first."""

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


def test_each_is_closed_and_one_trouble_alone_is_raised_as_it_is() -> None:
    closed: list[str] = []
    trouble = Fault("unplugged")
    with pytest.raises(Fault, match=r"^unplugged$") as raised:
        close_all(lambda: closed.append("a"), fails(trouble), lambda: closed.append("b"))
    assert closed == ["a", "b"]
    assert raised.value is trouble
    close_all()


def test_an_error_of_any_kind_is_a_fault_and_says_nothing_of_the_light() -> None:
    with pytest.raises(Fault, match=r"^OSError: unplugged$"):
        of_light(lambda: close_all(fails(OSError("unplugged"))))()


def test_the_light_is_the_first_trouble() -> None:
    with pytest.raises(Fault, match=f"^{STILL_LIT}: no answer; OSError: unplugged; not there$"):
        close_all(fails(OSError("unplugged")), fails(LIT), fails(Fault("not there")))


class Mute(Exception):
    """An error of a plug-in whose own words fail."""

    def __str__(self) -> str:
        raise ValueError("mute")


def test_an_error_without_words_hides_no_light() -> None:
    with pytest.raises(Fault, match=f"^{STILL_LIT}: no answer; Mute: Mute$"):
        close_all(fails(Mute()), fails(LIT))
    with pytest.raises(Fault, match=f"^Mute; {STILL_LIT}: no answer$"), closed_after(fails(LIT), "the camera"):
        raise Mute


def test_any_error_of_a_lasers_closing_says_that_light_may_be_on() -> None:
    with pytest.raises(Fault, match=f"^{STILL_LIT}: ValueError: a fault of a driver$"):
        of_light(fails(ValueError("a fault of a driver")))()
    with pytest.raises(Fault, match=r"^the port is busy$"):  # the driver knows what its Fault says
        of_light(fails(Fault("the port is busy")))()


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), SystemExit(143)])
def test_a_signal_in_a_lasers_closing_says_that_light_may_be_on(signal: BaseException) -> None:
    with pytest.raises(Fault, match=f"^{STILL_LIT}: {type(signal).__name__}: "):
        of_light(fails(signal))()


def test_an_interrupt_goes_on_unless_light_may_be_on() -> None:
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
def test_what_was_opened_is_closed_in_reverse_and_hides_nothing(error: BaseException) -> None:
    closed: list[str] = []
    with pytest.raises(type(error)) as raised:
        opened_until(error, lambda: closed.append("mirror"), lambda: closed.append("laser"))
    assert raised.value is error
    assert closed == ["laser", "mirror"]


def test_an_opening_that_fails_says_first_why_and_then_what_was_not_closed() -> None:
    with pytest.raises(Fault, match=f"^no camera; {STILL_LIT}: no answer; unplugged$"):
        opened_until(Refused("no camera"), fails(Fault("unplugged")), fails(LIT))


def test_what_is_kept_is_closed_later_and_once() -> None:
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
def test_all_troubles_are_one_fault(first: BaseException | None, then: BaseException | None, said: str) -> None:
    with pytest.raises(Fault) as raised, closed_after(raises(then), "the camera"):
        raises(first)()
    assert str(raised.value) == said


@pytest.mark.parametrize("first", [ZeroDivisionError("0"), KeyboardInterrupt(), Refused("no")])
def test_another_error_stays_as_it_is_with_a_note(first: BaseException) -> None:
    with pytest.raises(type(first)) as raised, closed_after(raises(OSError("gone")), "the camera"):
        raise first
    assert raised.value is first
    assert raised.value.__notes__ == ["the camera was not closed (OSError: gone)"]


def test_a_signal_ends_a_closing_after_another_fault() -> None:
    with pytest.raises(SystemExit), closed_after(raises(SystemExit(143)), "the camera"):
        raise Fault("no frame")


def test_it_is_closed_once_after_the_block() -> None:
    events = []
    with closed_after(lambda: events.append("closed"), "the camera"):
        events.append("block")
    assert events == ["block", "closed"]
