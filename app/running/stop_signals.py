"""Signals that stop the program: the beam is darkened, the record is closed, and one sentence reports it.

`main.py` catches the signals. While no loop runs, a signal raises Stopped in the main thread. While a loop runs, the
first signal requests its end, so that no exchange with a device is interrupted. If the loop has not ended PATIENCE_S
later, the next signal raises Stopped, or calls the `late` of `ending`. While devices and records are closed, signals
are only stored; `raise_if_stopped` raises afterwards. Once the beam is closed, a late signal ends the wait for a record
or a camera that hangs (`after_light`).

A script or a notebook that uses cybloids has handlers of its own, and continues after a run or an open rig:
`caught_in_program` and `rig_opened` are for it. Handlers can be set in the main thread only: in other threads there is
no light if `ends_at_once`.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from app.assembly.kernel_calls import loses_errors
from app.assembly.signal_actions import set_back
from config.words import text_of
from control.contract import Fault, says_lit

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Windows: no SIGHUP; SIGBREAK is Ctrl-Break and a closed console

PATIENCE_S = 2.0


class Stopped(SystemExit):
    """A signal stopped the program. The exit code is 128 + its number; `outcome`: laser and record, in words."""

    midway = False  # whether it ended the loop in the middle of a turn

    def __init__(self, number: int, outcome: str = "") -> None:
        super().__init__(128 + number)
        self.number, self.outcome = number, outcome

    def __str__(self) -> str:
        text = f"stopped by {signal.Signals(self.number).name}"
        return f"{text}; {self.outcome}" if self.outcome else text


@dataclass
class _State:
    came: list[int] = field(default_factory=list)  # signals that came, in sequence
    at_s: float = 0.0  # when the first of them came, or the last that ended a wait
    stop: Callable[[], None] | None = None  # called by the first signal, which then does not raise
    late: Callable[[], None] | None = None  # called by a late second one, which then does not raise
    held: int = 0  # number of closings in progress
    after_light: bool = False  # the beam is closed, and a part without light is being closed
    raised: bool = False


_state = _State()


@dataclass(eq=False)
class _Handler:
    """A signal handler of Cybloids, with the actions that it replaced: only those are called and restored."""

    act: Callable[[int, Any, Any], None]  # number, frame and the action that was replaced
    replaced: dict[int, Any] = field(default_factory=dict)  # by signal

    def __call__(self, number: int, frame: Any) -> None:
        self.act(number, frame, self.replaced.get(number, signal.SIG_DFL))

    def take(self) -> None:
        """Set it for each signal that the process does not ignore, unless the same action, or that of a run, is set."""
        with held():  # a signal that raised here would leave some of them set
            for number in numbers():
                action = signal.getsignal(number)
                kind = action.act if isinstance(action, _Handler) else None
                if action not in (signal.SIG_IGN, None) and kind not in (_end, self.act):
                    self.replaced[number] = action
                    signal.signal(number, self)

    def give_back(self) -> None:
        """Restore the replaced actions. A handler that was set after this one stays."""
        with held():
            set_back({number: action for number, action in self.replaced.items() if signal.getsignal(number) is self})


@dataclass
class _Program:
    """A script or a notebook with open rigs."""

    rigs: int = 0  # number of open rigs
    handlers: list[_Handler] = field(default_factory=list)  # set for them
    waiting: list[int] = field(default_factory=list)  # came during a darkening, a closing, a kernel or a finalizer
    since_s: float = 0.0  # when the first of them came
    in_finalizer: bool = False  # whether one of them came during a finalizer


_program = _Program()


def numbers() -> tuple[signal.Signals, ...]:
    """The signals that stop a program on this system."""
    return tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


def in_main_thread() -> bool:
    """Whether this is the main thread: only there are signals caught and acted on."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def caught() -> Iterator[None]:
    """Catch the signals of this process. Signals that it was started to ignore (nohup) stay ignored.

    After a signal the process is about to end. Further signals are then ignored, so that its exit code does not change.
    """
    handler = _Handler(_end)
    try:
        handler.take()
        raise_if_stopped()
        yield
        if not _state.raised:  # a signal that was only stored
            raise_if_stopped()
    finally:
        for number in handler.replaced if _state.came else ():
            signal.signal(number, signal.SIG_IGN)
        handler.give_back()


@contextmanager
def caught_in_program() -> Iterator[None]:
    """As `caught`, for a run inside of a script or a notebook, which continues after it: signals are then forgotten.

    The program's own handler acts after the run. After that, or without such a handler, SIGINT raises KeyboardInterrupt
    and any other signal Stopped. If light may be on, the error that states this is raised, and no handler acts. Signals
    that the program ignores stay ignored. Outside of the main thread no signal can be caught.
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
                came, _state.came, _state.raised = _sigint_last(_state.came), [], False
                if came and not says_lit(error):
                    _obey_after_run(came, error)


def _obey_after_run(came: list[int], error: BaseException | None) -> None:
    """Call the program's handlers, then raise KeyboardInterrupt or Stopped, unless `error` is this Stopped already."""
    for number in dict.fromkeys(came):
        action = _program_action(number)
        if callable(action) and action is not signal.default_int_handler:
            action(number, None)
    outcome = error.outcome if isinstance(error, Stopped) else "" if error is None else text_of(error)
    stopped = Stopped(came[0], outcome)
    if came[0] == signal.SIGINT:
        raise KeyboardInterrupt(str(stopped)) from error
    if not (isinstance(error, Stopped) and error.number == came[0]):
        raise stopped from error


def rig_opened() -> bool:
    """Catch signals for a rig that a program opens. Until `rig_closed` they raise, so that the rig is closed.

    While `held`, signals wait. Then the program's own handler acts; without one, SIGINT raises KeyboardInterrupt and
    any other signal Stopped. A signal PATIENCE_S after the first does not wait: a device that does not respond must not
    keep the program alive. Signals that the program ignores stay ignored. Call this while `held`, so that no signal
    raises before the caller has to call `rig_closed`. Returns whether signals are caught: in the main thread only.
    """
    if _program.rigs == 0:
        _program.waiting.clear()
    _restore_handlers()
    caught, handler = in_main_thread(), _Handler(_interrupt)
    try:
        _program.rigs += 1
        if caught:
            _program.handlers.append(handler)
            handler.take()
    except BaseException:  # raised by the program's own handler, before it was replaced
        rig_closed()
        raise
    return caught


def rig_closed() -> None:
    """Restore the program's own handlers after its last rig; in another thread, at the next call in the main thread."""
    _program.rigs -= 1
    _restore_handlers()


def _restore_handlers() -> None:
    while _program.rigs == 0 and in_main_thread() and _program.handlers:
        _program.handlers[-1].give_back()
        _program.handlers.pop()


def obey_waiting() -> None:
    """Act on the signals that came while a program's rig was darkened or closed, or while a kernel called Python.

    SIGINT comes last.
    """
    _restore_handlers()
    if not in_main_thread():
        return
    waiting, _program.waiting = _sigint_last(_program.waiting), []
    for number in waiting:
        _obey(number, None, _program_action(number))


def raise_waiting_again() -> None:
    """For the thread that closes a lost rig: send the signals that came in a finalizer again, to the main thread.

    Python ignores errors that are raised in a finalizer, and the program may make no further call that obeys a signal.
    """
    main, end_s = threading.main_thread().ident, time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        in_finalizer = _in_finalizer(sys._current_frames().get(main or 0))
        if _program.in_finalizer:
            _program.in_finalizer = False
            waiting, _program.waiting = _program.waiting, []
            for number in waiting:
                signal.raise_signal(number)  # if it comes in the finalizer again, it waits again
        elif not in_finalizer:
            return
        time.sleep(0.001)


@contextmanager
def obeyed_after() -> Iterator[None]:
    """Act on waiting signals after the block, also if it fails; if its error states that light may be on, drop them."""
    try:
        yield
    except BaseException as error:
        if says_lit(error):
            taken_waiting()
        obey_waiting()
        raise
    obey_waiting()


def taken_waiting() -> list[int]:
    """Take the waiting signals, to act on or drop. None while another rig is being closed, which acts on them."""
    if _state.held or not in_main_thread():
        return []
    waiting, _program.waiting = _program.waiting, []
    return waiting


def ends_at_once(caught: bool) -> str:
    """Name of the first signal that would end this program during a turn, with its light on; empty: none would.

    Args:
        caught: whether signals are caught for this rig or run. If not, only the program's own handlers count: those of
            another rig or run are removed with it.
    """
    action = signal.getsignal if caught else _program_action
    return next((number.name for number in numbers() if action(number) is signal.SIG_DFL), "")


@contextmanager
def ending(stop: Callable[[], None], late: Callable[[], None] | None = None) -> Iterator[None]:
    """The first signal calls `stop`, in the main thread between two Python instructions.

    Each signal from PATIENCE_S after the first on calls `late`; if that is None, it raises Stopped. In other threads
    this block has no effect.
    """
    if not in_main_thread():  # signals belong to the run in the main thread
        yield
        return
    previous = _state.stop, _state.late
    _state.stop, _state.late = stop, late
    try:
        yield
    finally:
        _state.stop, _state.late = previous


@contextmanager
def held() -> Iterator[None]:
    """For closing: signals are only stored."""
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
    """Within `held`, after the beam is closed, for parts without light: if one hangs, the program can still end.

    A signal PATIENCE_S after the first ends the wait. Raises Fault then, with the text that the end of `what` is not
    known.
    """
    if not in_main_thread():
        yield
        return
    try:
        _state.after_light = True
        yield
    except Stopped as stopped:
        if not _state.came:  # raised for a program's open rig
            raise
        raise Fault(f"a second signal ended the wait for {what}, whose end is not known") from stopped
    finally:
        _state.after_light = False


def came() -> int:
    """Number of the first signal that came; 0: none, or this is not the main thread."""
    return _state.came[0] if _state.came and in_main_thread() else 0


def raise_if_stopped() -> None:
    """Raises Stopped if a signal came."""
    if came():
        raise stopped("")


def stopped(outcome: str) -> Stopped:
    """A Stopped to raise in place of an error that came after a signal, or unnoticed before it. Call it if `came()`."""
    _state.raised = True
    return Stopped(_state.came[0], outcome)


def _end(number: int, frame: Any, replaced: Any) -> None:
    """Action of a signal during a run, or anywhere in `main.py`."""
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
    if not (loses_errors(frame) or _in_finalizer(frame)):  # there it is only stored
        raise stopped("")


def _interrupt(number: int, frame: Any, replaced: Any) -> None:
    """Action of a signal while a program has an open rig."""
    first = not _program.waiting
    if first:
        _program.since_s = time.monotonic()
    early = first or time.monotonic() - _program.since_s < PATIENCE_S
    in_finalizer = early and _in_finalizer(frame)  # one that the program calls itself may hang, and may raise
    if (_state.held and early) or in_finalizer or loses_errors(frame):
        _program.waiting.append(number)
        _program.in_finalizer |= in_finalizer
    else:
        _obey(number, frame, replaced)


def _in_finalizer(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not weakref.finalize.__call__.__code__:
        frame = frame.f_back
    return frame is not None


def _program_action(number: int) -> Any:
    """The program's own action for a signal, which the handlers of Cybloids (also that of a warm-up) replaced."""
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


def _sigint_last(came: list[int]) -> list[int]:
    """SIGINT last: a program may catch Ctrl-C and continue, so the signals that end it come first."""
    return sorted(came, key=lambda number: number == signal.SIGINT)
