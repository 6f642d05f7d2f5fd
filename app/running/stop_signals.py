"""What a signal that stops the program does: the beam goes dark, the record is closed, one sentence says so.

`main.py` catches the signals. Where nothing is lit, a signal raises Stopped in the main thread. While a loop turns, the
first signal asks it to end, so that no exchange with a device is cut in two; one that comes PATIENCE_S later, because
the loop did not end, raises, or does what `ending` says. While devices and records are closed, a signal is remembered;
`raise_if_stopped` raises it after that.

A script or a notebook that calls cybloids has handlers of its own, and goes on after a run or an open rig:
`caught_in_program` and `rig_opened` are for it. Handlers can be set in the main thread only: elsewhere no light is
given where `ends_at_once`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from control.contract import STILL_LIT

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


@dataclass
class _Program:
    """A script or a notebook that has rigs open."""

    rigs: int = 0  # how many
    actions: dict[int, Any] = field(default_factory=dict)  # its own handlers, by signal, while rigs are open
    waiting: list[int] = field(default_factory=list)  # signals that came while a rig was darkened or closed
    since_s: float = 0.0  # when the first of them came


_program = _Program()


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
def caught_in_program() -> Iterator[None]:
    """As `caught`, for a run inside of a script or a notebook, which goes on after it: then no signal counts as come.

    A handler of the program's own acts after the run. Then, and where there is none, SIGINT raises KeyboardInterrupt in
    place of Stopped. Where light may be on, the error that says so is raised, and no handler acts. A signal that the
    program ignores stays ignored. Outside of the main thread no signal can be caught.
    """
    actions = {number: signal.getsignal(number) for number in numbers()}
    mine = {number: action for number, action in actions.items() if action not in (signal.SIG_IGN, None, _handle)}
    if not mine or threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in mine:
        signal.signal(number, _handle)
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        came, _state.number, _state.raised = _state.number, 0, False
        for number, action in mine.items():
            signal.signal(number, action)
        if came and STILL_LIT not in str(error):
            own = _own(came)
            if callable(own) and own is not signal.default_int_handler:
                own(came, None)
            stopped = error if isinstance(error, Stopped) else Stopped(came, "" if error is None else str(error))
            if came == signal.SIGINT:
                raise KeyboardInterrupt(str(stopped)) from error
            if stopped is not error:
                raise stopped from error


def rig_opened() -> None:
    """A program opens a rig: until `rig_closed` a signal unwinds it, so that the rig is closed, and waits while `held`.

    Then the program's own handler acts; where there is none, SIGINT raises KeyboardInterrupt, any other Stopped. One
    that comes PATIENCE_S after the first does not wait: a device that does not answer keeps no program alive. A signal
    that the program ignores stays ignored.
    """
    if _program.rigs == 0:
        _program.waiting.clear()
    _program.rigs += 1
    if _program.actions or threading.current_thread() is not threading.main_thread():
        return
    for number in numbers():
        action = signal.getsignal(number)
        if action not in (signal.SIG_IGN, None, _handle, _interrupt):
            _program.actions[number] = action
            signal.signal(number, _interrupt)


def rig_closed() -> None:
    """After the last rig the program has its own handlers again."""
    _program.rigs -= 1
    if _program.rigs > 0 or threading.current_thread() is not threading.main_thread():
        return
    for number, action in _program.actions.items():
        if signal.getsignal(number) is _interrupt:
            signal.signal(number, action)
    _program.actions.clear()


def obey_waiting() -> None:
    """Obey the signals that came while a rig of a program was darkened or closed: of several, not SIGINT first."""
    if not _program.waiting or threading.current_thread() is not threading.main_thread():
        return
    waiting, _program.waiting = sorted(_program.waiting, key=lambda number: number == signal.SIGINT), []
    for number in waiting:
        _obey(number, None)


@contextmanager
def obeyed_after() -> Iterator[None]:
    """Obey them after the block, also where it fails; but where light may be on, the error says so in their place."""
    try:
        yield
    except BaseException as error:
        if STILL_LIT in str(error):
            taken_waiting()
        obey_waiting()
        raise
    obey_waiting()


def taken_waiting() -> list[int]:
    """Them, for the caller to obey or to drop; none while another rig is being closed, which obeys them."""
    if _state.held or threading.current_thread() is not threading.main_thread():
        return []
    waiting, _program.waiting = _program.waiting, []
    return waiting


def ends_at_once() -> bool:
    """Whether SIGTERM would end this program in the middle of a turn, with its light on."""
    return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


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


def _interrupt(number: int, frame: Any) -> None:
    """While a program has a rig open."""
    if not _state.held:
        _obey(number, frame)
    elif not _program.waiting:
        _program.waiting.append(number)
        _program.since_s = time.monotonic()
    elif time.monotonic() - _program.since_s < PATIENCE_S:
        _program.waiting.append(number)
    else:
        _obey(number, frame)


def _own(number: int) -> Any:
    """The program's own action for a signal."""
    action = signal.getsignal(number)
    return _program.actions.get(number, action) if action is _interrupt else action


def _obey(number: int, frame: Any) -> None:
    action = _own(number)
    if callable(action):
        action(number, frame)
    elif number == signal.SIGINT:
        raise KeyboardInterrupt
    else:
        raise Stopped(number)
