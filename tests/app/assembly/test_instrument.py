"""What is closed at the end hides nothing that went wrong before, the light first of all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.assembly.instrument import closed_after
from config.refused import Refused
from control.contract import STILL_LIT, Fault

LIT = f"{STILL_LIT}: hung"


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
        (Fault(LIT), OSError("gone"), f"{LIT}; the camera was not closed (OSError: gone)"),
        (Fault(LIT), None, LIT),
        (Refused("no"), Fault(LIT), f"no; {LIT}"),
        (KeyboardInterrupt(), Fault(LIT), f"KeyboardInterrupt; {LIT}"),
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


def test_it_is_closed_once_after_the_block() -> None:
    events = []
    with closed_after(lambda: events.append("closed"), "the camera"):
        events.append("block")
    assert events == ["block", "closed"]
