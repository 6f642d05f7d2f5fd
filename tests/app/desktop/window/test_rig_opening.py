"""An opening of a rig in the background: polled, failed, cancelled."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.desktop.window.rig_opening import RigOpening
from config.refused import Refused
from control.contract import STILL_LIT, Fault
from tests.patience import PATIENCE_S, until


class Loop:
    """A loop whose opening and closing are controlled by the test."""

    note = "compiling"

    def __init__(self) -> None:
        self.open, self.begun, self.closed = False, False, False
        self.error: Exception | None = None
        self.may_close = threading.Event()
        self.closing_error: Fault | None = None

    def begin(self) -> None:
        self.begun = True

    def opened(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.open

    def close(self) -> None:
        assert self.may_close.wait(PATIENCE_S)
        self.closed = True
        if self.closing_error is not None:
            raise self.closing_error


def begun() -> tuple[Any, Any]:
    """An opening and its loop, typed as Any because their states change between two checks."""
    opening, loop = RigOpening(), Loop()
    opening.begin(loop)  # type: ignore[arg-type]
    return opening, loop


def test_an_open_loop_is_returned_once() -> None:
    opening, loop = begun()
    assert loop.begun
    assert (opening.poll(), opening.note) == (None, "compiling")
    assert opening.duration_s is not None
    loop.open = True
    assert opening.poll() is loop
    assert (opening.poll(), opening.duration_s, opening.note) == (None, None, "")


def test_a_failed_opening_ends_and_its_loop_is_known() -> None:
    opening, loop = begun()
    loop.error = Refused("there is no such bench")
    with pytest.raises(Refused, match="no such bench"):
        opening.poll()
    assert opening.failed is loop
    assert (opening.poll(), opening.duration_s) == (None, None)


def test_the_next_opening_waits_for_the_end_of_a_cancelled_one() -> None:
    opening, loop = begun()
    in_doubt: list[tuple[Any, str]] = []
    assert opening.cancel(lambda *said: in_doubt.append(said))
    assert not opening.cancel(lambda *said: in_doubt.append(said))
    assert (opening.poll(), opening.duration_s) == (None, None)
    assert opening.ending
    assert opening.unfinished
    assert not opening.cancelled()
    loop.closing_error = Fault(f"{STILL_LIT}: no answer")
    loop.may_close.set()
    until(lambda: not opening.ending)
    assert in_doubt == [(loop, f"{STILL_LIT}: no answer")]
    assert opening.cancelled()
    assert not opening.cancelled()  # once
    assert not opening.unfinished
    other = Loop()
    opening.begin(other)
    opening.cancel(lambda *said: None)
    threading.Timer(0.05, other.may_close.set).start()
    opening.begin(Loop())
    assert other.closed  # before the next one began
