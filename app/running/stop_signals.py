"""What a signal that stops the program does: the beam goes dark, the record is closed, one sentence says so.

`main.py` catches the signals. Where nothing is lit, a signal raises Stopped in the main thread. While a loop turns, the
first signal asks it to end, so that no exchange with a device is cut in two; one that comes PATIENCE_S later, because
the loop did not end, raises, or does what `ending` says. While devices and records are closed, a signal is remembered;
`raise_if_stopped` raises it after that. Once the beam is closed, a late one ends the wait for a record or a camera that
hangs (`after_light`).

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

from app.assembly.kernel_calls import loses_errors
from app.assembly.signal_actions import set_back
from config.words import text_of
from control.contract import Fault, says_lit

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
    came: list[int] = field(default_factory=list)  # the signals that came, in their sequence
    at_s: float = 0.0  # when the first of them came
    stop: Callable[[], None] | None = None  # what the first signal calls instead of raising
    late: Callable[[], None] | None = None  # what a late second one calls instead of raising
    held: int = 0  # how many closings are going on
    after_light: bool = False  # whether what is closed now gives no light, and the beam is closed
    raised: bool = False


_state = _State()


@dataclass(eq=False)
class _Handler:
    """A handler of Cybloids, with the actions that it stands in place of: only those are acted on and set again."""

    act: Callable[[int, Any, Any], None]  # number, frame and the action that was replaced
    replaced: dict[int, Any] = field(default_factory=dict)  # by signal

    def __call__(self, number: int, frame: Any) -> None:
        self.act(number, frame, self.replaced.get(number, signal.SIG_DFL))

    def take(self) -> None:
        """Set it for each signal that the process does not ignore, unless one like it, or of a run, is set."""
        with held():  # a signal that raised here would leave some of them set
            for number in numbers():
                action = signal.getsignal(number)
                kind = action.act if isinstance(action, _Handler) else None
                if action not in (signal.SIG_IGN, None) and kind not in (_end, self.act):
                    self.replaced[number] = action
                    signal.signal(number, self)

    def give_back(self) -> None:
        """A handler that was set after this one stays."""
        with held():
            set_back({number: action for number, action in self.replaced.items() if signal.getsignal(number) is self})


@dataclass
class _Program:
    """A script or a notebook that has rigs open."""

    rigs: int = 0  # how many
    handlers: list[_Handler] = field(default_factory=list)  # that were set for them
    waiting: list[int] = field(default_factory=list)  # that came while a rig was darkened or closed, or in a kernel
    since_s: float = 0.0  # when the first of them came


_program = _Program()


def numbers() -> tuple[signal.Signals, ...]:
    """The signals that stop a program on this system."""
    return tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


def in_main_thread() -> bool:
    """Whether signals can be caught here, and belong to what is done here."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def caught() -> Iterator[None]:
    """Catch the signals of this process. What the process was started to ignore (nohup) stays ignored.

    After a signal the process is about to end: others are ignored then, so that its exit code stays what it is.
    """
    handler = _Handler(_end)
    try:
        handler.take()
        raise_if_stopped()
        yield
    finally:
        for number in handler.replaced if _state.came else ():
            signal.signal(number, signal.SIG_IGN)
        handler.give_back()


@contextmanager
def caught_in_program() -> Iterator[None]:
    """As `caught`, for a run inside of a script or a notebook, which goes on after it: then no signal counts as come.

    A handler of the program's own acts after the run. Then, and where there is none, SIGINT raises KeyboardInterrupt in
    place of Stopped. Where light may be on, the error that says so is raised, and no handler acts. A signal that the
    program ignores stays ignored. Outside of the main thread no signal can be caught.
    """
    handler = _Handler(_end)
    error: BaseException | None = None
    try:
        if in_main_thread():
            handler.take()
            raise_if_stopped()
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        try:
            handler.give_back()
        finally:
            if handler.replaced:
                came, _state.came, _state.raised = _not_first_sigint(_state.came), [], False
                if came and not says_lit(error):
                    _obey_after_run(came, error)


def _obey_after_run(came: list[int], error: BaseException | None) -> None:
    """Raises KeyboardInterrupt or Stopped, unless `error`, with which the run ended, is that already."""
    for number in dict.fromkeys(came):
        own = _own(number)
        if callable(own) and own is not signal.default_int_handler:
            own(number, None)
    outcome = error.outcome if isinstance(error, Stopped) else "" if error is None else text_of(error)
    stopped = Stopped(came[0], outcome)
    if came[0] == signal.SIGINT:
        raise KeyboardInterrupt(str(stopped)) from error
    if not (isinstance(error, Stopped) and error.number == came[0]):
        raise stopped from error


def rig_opened() -> bool:
    """A program opens a rig: until `rig_closed` a signal unwinds it, so that the rig is closed, and waits while `held`.

    Then the program's own handler acts; where there is none, SIGINT raises KeyboardInterrupt, any other Stopped. One
    that comes PATIENCE_S after the first does not wait: a device that does not answer keeps no program alive. A signal
    that the program ignores stays ignored. Call it while `held`, so that no signal raises before the caller knows that
    it has to call `rig_closed`. Returns whether signals are caught: in the main thread only.
    """
    if _program.rigs == 0:
        _program.waiting.clear()
    _set_again()
    caught, handler = in_main_thread(), _Handler(_interrupt)
    try:
        _program.rigs += 1
        if caught:
            _program.handlers.append(handler)
            handler.take()
    except BaseException:  # of the program's own handler, before it was replaced
        rig_closed()
        raise
    return caught


def rig_closed() -> None:
    """After the last rig the program has its own handlers again, if need be at the next call in the main thread."""
    _program.rigs -= 1
    _set_again()


def _set_again() -> None:
    while _program.rigs == 0 and in_main_thread() and _program.handlers:
        _program.handlers[-1].give_back()
        _program.handlers.pop()


def obey_waiting() -> None:
    """Obey the signals that came while a rig of a program was darkened or closed, or a kernel called Python.

    Of several, not SIGINT first.
    """
    _set_again()
    if not in_main_thread():
        return
    waiting, _program.waiting = _not_first_sigint(_program.waiting), []
    for number in waiting:
        _obey(number, None, _own(number))


@contextmanager
def obeyed_after() -> Iterator[None]:
    """Obey them after the block, also where it fails; but where light may be on, the error says so in their place."""
    try:
        yield
    except BaseException as error:
        if says_lit(error):
            taken_waiting()
        obey_waiting()
        raise
    obey_waiting()


def taken_waiting() -> list[int]:
    """Them, for the caller to obey or to drop; none while another rig is being closed, which obeys them."""
    if _state.held or not in_main_thread():
        return []
    waiting, _program.waiting = _program.waiting, []
    return waiting


def ends_at_once(caught: bool) -> str:
    """The first signal that would end this program in the middle of a turn, with its light on; empty: none would.

    Args:
        caught: whether signals are caught for this light. If not, the program's own handlers count alone: those of
            another rig, or run, end with it.
    """
    action = signal.getsignal if caught else _own
    return next((number.name for number in numbers() if action(number) is signal.SIG_DFL), "")


@contextmanager
def ending(stop: Callable[[], None], late: Callable[[], None] | None = None) -> Iterator[None]:
    """The first signal calls `stop`, in the main thread between two steps of Python.

    Each later one, from PATIENCE_S on, calls `late`; where that is None, it raises Stopped. In any other thread no
    signal does anything.
    """
    if not in_main_thread():  # a signal is that of the run in the main thread
        yield
        return
    before = _state.stop, _state.late
    _state.stop, _state.late = stop, late
    try:
        yield
    finally:
        _state.stop, _state.late = before


@contextmanager
def held() -> Iterator[None]:
    """For closing: a signal is remembered, and does nothing else."""
    if not in_main_thread():
        yield
        return
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1


@contextmanager
def after_light(what: str) -> Iterator[None]:
    """Within `held`, when the beam is closed, for what gives no light: if it hangs, it keeps no program alive.

    A signal that comes PATIENCE_S after the first ends the wait. Raises Fault then, which says that the end of
    `what` is not known.
    """
    if not in_main_thread():
        yield
        return
    try:
        _state.after_light = True
        yield
    except Stopped as stopped:
        if not _state.came:  # that of a program's open rig
            raise
        raise Fault(f"a second signal ended the wait for {what}, whose end is not known") from stopped
    finally:
        _state.after_light = False


def came() -> int:
    """The number of the first signal that came; 0: none did, or it came to another thread than this one."""
    return _state.came[0] if _state.came and in_main_thread() else 0


def raise_if_stopped() -> None:
    """Raises Stopped if a signal came."""
    if came():
        raise stopped("")


def stopped(outcome: str) -> Stopped:
    """To be raised in place of an error that came after a signal, or before it unnoticed. Call it where `came()`."""
    _state.raised = True
    return Stopped(_state.came[0], outcome)


def _end(number: int, frame: Any, replaced: Any) -> None:
    """What a signal does where a run is made, or anything of `main.py`."""
    _state.came.append(number)
    first = len(_state.came) == 1
    if first:
        _state.at_s = time.monotonic()
    if _state.held and _state.after_light and time.monotonic() - _state.at_s >= PATIENCE_S:
        _state.at_s = time.monotonic()  # something else may hang, too
        raise stopped("")
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
    if not loses_errors(frame):  # there it counts as come
        raise stopped("")


def _interrupt(number: int, frame: Any, replaced: Any) -> None:
    """What a signal does while a program has a rig open."""
    first = not _program.waiting
    if first:
        _program.since_s = time.monotonic()
    held = _state.held and (first or time.monotonic() - _program.since_s < PATIENCE_S)
    if held or loses_errors(frame):
        _program.waiting.append(number)
    else:
        _obey(number, frame, replaced)


def _own(number: int) -> Any:
    """The program's own action for a signal: what the handlers of Cybloids (that of a warm-up, too) replaced."""
    action: Any = signal.getsignal(number)
    while replaced := getattr(action, "replaced", None):
        action = replaced[number]
    return action


def _obey(number: int, frame: Any, action: Any) -> None:
    if callable(action):
        action(number, frame)
    elif number == signal.SIGINT:
        raise KeyboardInterrupt
    else:
        raise Stopped(number)


def _not_first_sigint(came: list[int]) -> list[int]:
    """Ctrl-C may be caught, and the program go on: what ends it comes first."""
    return sorted(came, key=lambda number: number == signal.SIGINT)
