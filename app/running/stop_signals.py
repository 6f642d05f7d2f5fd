"""What a signal that stops the program does: the beam goes dark, the record is closed, one sentence says so.

`main.py` catches the signals. Where nothing is lit, a signal raises Stopped in the main thread. While a loop turns, the
first signal asks it to end, so that no exchange with a device is cut in two; one that comes PATIENCE_S later, because
the loop did not end, raises, or does what `ending` says. While devices and records are closed, a signal is remembered;
`raise_if_stopped` raises it after that.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Windows: no SIGHUP; SIGBREAK is Ctrl-Break and a closed console

PATIENCE_S = 2.0


class Stopped(SystemExit):
    """A signal stopped the program. The exit code is 128 + its number; `outcome` says what was left behind."""

    midway = False  # whether it ended the loop in the middle of a turn

    def __init__(self, number: int, outcome: str = "") -> None:
        super().__init__(128 + number)
        self.number, self.outcome = number, outcome

    def __str__(self) -> str:
        said = f"stopped by {signal.Signals(self.number).name}"
        return f"{said}; {self.outcome}" if self.outcome else said


@dataclass
class _State:
    number: int = 0  # of the first signal that came; 0: none
    at_s: float = 0.0  # when it came
    stop: Callable[[], None] | None = None  # what the first signal calls instead of raising
    late: Callable[[], None] | None = None  # what a late second one calls instead of raising
    held: int = 0  # how many closings are going on
    raised: bool = False


_state = _State()


def numbers() -> tuple[signal.Signals, ...]:
    """The signals that stop a program on this system."""
    return tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


@contextmanager
def caught() -> Iterator[None]:
    """Catch the signals of this process. What the process was started to ignore (nohup) stays ignored.

    After a signal the process is about to end: others are ignored then, so that its exit code stays what it is.
    """
    before = {number: signal.getsignal(number) for number in numbers()}
    mine = [number for number, action in before.items() if action is not signal.SIG_IGN]
    for number in mine:
        signal.signal(number, _handle)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_IGN if _state.number else before[number] or signal.SIG_DFL)


@contextmanager
def ending(stop: Callable[[], None], late: Callable[[], None] | None = None) -> Iterator[None]:
    """The first signal calls `stop`, in the main thread between two steps of Python.

    Each later one, from PATIENCE_S on, calls `late`; where that is None, it raises Stopped.
    """
    before = _state.stop, _state.late
    _state.stop, _state.late = stop, late
    try:
        yield
    finally:
        _state.stop, _state.late = before


@contextmanager
def held() -> Iterator[None]:
    """For closing: a signal is remembered, and does nothing else."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1


def came() -> int:
    """The number of the first signal that came; 0: none did."""
    return _state.number


def raise_if_stopped() -> None:
    """Raises Stopped if a signal came."""
    if _state.number and threading.current_thread() is threading.main_thread():
        _state.raised = True
        raise Stopped(_state.number)


def stopped(outcome: str) -> Stopped:
    """To be raised in place of an error that came after a signal, or before it unnoticed. Call it where `came()`."""
    _state.raised = True
    return Stopped(_state.number, outcome)


def _handle(number: int, frame: object) -> None:
    first = _state.number == 0
    if first:
        _state.number, _state.at_s = number, time.monotonic()
    if _state.held or _state.raised:
        return
    if _state.stop is None:
        pass
    elif first:
        _state.stop()
        return
    elif time.monotonic() - _state.at_s < PATIENCE_S:
        return
    elif _state.late is not None:
        _state.late()
        return
    _state.raised = True
    raise Stopped(_state.number)
