"""An open rig for a Python program, which requests each turn."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import repeat, starmap
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

from app.assembly.darken import put_out
from app.assembly.in_flight import require_same_devices
from app.assembly.instrument import Instrument
from app.assembly.machine import build_machine
from app.assembly.open import open_instrument, open_recorder, plan_after
from app.assembly.plan import flyable, require_plan
from app.assembly.rig import Plan
from app.assembly.warm_up import warm_up
from app.console.arguments import remark, whole_number
from app.running import stop_signals as signals
from app.running.headless import NO_RECORD, close_dark, leave_unfinished, refuse_unconfirmed, refuse_unheard
from app.running.thread import NoRecord
from config.reader import write
from config.refused import Refused
from config.words import text_of
from control.contract import STILL_LIT as STILL_LIT
from control.contract import Beam, Command, Level, Order, OrderKind, Recorder, says_lit
from control.contract import Ended as Ended
from control.contract import Fault as Fault
from control.contract import Turn as Turn
from control.loop import LoopMemory, Machine, act, applied, turn, wait
from drivers.closing import closed_after, in_words, value_of_light

CLOSED = "this rig is not open; use it in a block: with cybloids.open(plan) as rig"
WITHIN = "a turn can't be made in the middle of another one: step was called by the law of that turn, or by a handler"
FAILED = (Order(OrderKind.TRIP, "the program failed"),)
PATIENCE_S = 5.0  # for a turn in another thread to end when the rig is closed


exit_codes: list[int] = []  # of a program that did not close its rig itself; the last one is used


def _exit() -> None:
    """Exit with the last of `exit_codes`, after all other exit functions: their errors set no exit code."""
    if exit_codes:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(exit_codes[-1])


atexit.register(_exit)  # before the exit functions of all rigs, so that it is called after them


@dataclass
class _OpenRig:
    """The parts of an open rig that must be closed, also if its program drops the rig or ends without closing it.

    A thread waits for these cases. The garbage collection that finds a dropped rig can't start a thread, since it may
    run while locks of `threading` are held. It does not close the rig itself, since devices and disks are slow.
    """

    instrument: Instrument
    recorder: Recorder
    trips: list[str] = field(default_factory=list)
    row_due: bool = False  # a command may have been sent whose turn is not recorded yet
    _over: SimpleQueue[bool] = field(default_factory=SimpleQueue)  # whether the thread must end the rig

    def watch(self) -> None:
        """Start the thread. It is a daemon, so that the program can exit; `_at_exit` ends a rig that is still open."""
        self._ender = threading.Thread(target=self._end_lost, name="end of a lost rig", daemon=True)
        self._ender.start()
        atexit.register(self._at_exit)

    def close(self) -> None:
        """Darken, then close the record and the devices. Raises Fault."""
        try:
            with signals.held(), closed_after(self.instrument.camera.close, "the camera"):
                close_dark(self.instrument.beam, self.recorder, self.trips, [], [], lambda: self.row_due)
        finally:
            atexit.unregister(self._at_exit)
            self._over.put(False)

    def end(self) -> None:
        """Close an open rig, once, and release its signals. Raises Fault."""
        try:
            self.close()
        finally:
            signals.rig_closed()

    def lost(self) -> None:
        """Let the thread end the rig. This is safe during a garbage collection: a SimpleQueue takes no lock."""
        self._over.put(True)

    def _end_lost(self) -> None:
        if self._over.get():
            try:
                self.end()
            except BaseException:
                exit_codes.append(1)
                raise
            finally:
                signals.raise_waiting_again()

    def _at_exit(self) -> None:
        """Called after all non-daemon threads of the program have ended: one of them may still have used the rig."""
        try:
            with signals.held():
                self.lost()
                self._ender.join()
        except signals.Stopped as stopped:  # a second signal ended the wait
            exit_codes.append(128 + stopped.number)
        exit_codes.extend(128 + number for number in signals.taken_waiting())


@dataclass(frozen=True)
class _UntilStopped:
    """The beam of one turn. It stays dark if the light was stopped while the turn was computed."""

    beam: Beam
    why_stopped: Callable[[], str]

    def send(self, command: Command) -> Command:
        reason = self.why_stopped()
        return self.beam.dark(reason) if reason and len(command) else self.beam.send(command)

    def dark(self, reason: str) -> Command:
        return self.beam.dark(reason)

    def close(self) -> None:
        self.beam.close()


class LiveRig:
    """An open rig. The block `with cybloids.open(plan) as rig` opens it, and closes it, dark, however the block ends.

    The beam is dark until `arm`. Orders act in the next turn. They may come from any thread, and a `stop` during a turn
    darkens that turn, too. While the program requests no turn, the last command acts until the rig's guard darkens the
    beam (after `loop.stale_periods` frame periods); a simulated rig in lockstep waits. A signal that would end the
    program (SIGTERM) raises SystemExit instead, so that the rig is closed. Signals can't be caught for a rig that was
    opened outside of the main thread: `arm` then refuses a real laser, unless the program has handlers of its own (of
    SIGTERM, SIGHUP).

    Attributes:
        plan: the plan in force.
        newest: the newest turn; None before the first.
    """

    def __init__(self, plan: Plan, out: Path | None = None, frames: bool = True) -> None:
        self.plan = self._ordered = plan
        self.newest: Turn | None = None
        self._out, self._frames = out, frames
        self._open: _OpenRig | None = None
        self._turning = threading.RLock()  # held during each turn, and while the rig is closed
        self._in_turn = False  # whether a turn is being made
        self._closing = False
        self._signals_caught = False  # whether signals are caught for it

    def _begin(self, rig: _OpenRig) -> None:
        """Discard everything from an earlier opening, in particular its orders."""
        self._machine: Machine = rig.instrument.machine
        self._memory: LoopMemory = self._machine.start()
        self.newest = None
        self._ordered = self.plan  # plan in force after all waiting orders
        self._not_in_force = ""  # why the newest `apply` failed
        self._orders: deque[tuple[Order, Plan | None]] = deque()  # each with the plan that an APPLY puts in force
        self._faults: tuple[Order, ...] = ()
        # faults of sending or recording the newest turn, which the next turn shows
        self._newest_faults: tuple[Order, ...] = ()
        self._closing = False

    def __enter__(self) -> LiveRig:
        """Open the devices, dark. Raises Refused, Fault."""
        with self._turning:
            if self._open is not None:
                raise Refused("this rig is open already")
            self._open_caught()
        return self

    def _open_caught(self) -> None:
        """Open the rig with signals caught; after any error nothing is open, and no handler stays set."""
        counted = False
        try:
            with signals.obeyed_after():
                with signals.held():  # a signal that raised before `counted` would leave its handlers set
                    self._signals_caught = signals.rig_opened()
                    counted = True
                signals.obey_waiting()
                self._open_devices()
        except BaseException:
            if self._open is not None:  # a signal came when all was open
                with closed_after(self.close, "the rig"):
                    raise
            if counted:
                signals.rig_closed()
            raise

    def _open_devices(self) -> None:
        try:
            instrument = open_instrument(self.plan)
        except (Fault, Refused):
            raise
        except BaseException as error:  # a signal during the opening
            with signals.held():
                light = value_of_light(lambda: put_out(self.plan))
            if STILL_LIT in light:
                raise Fault(light) from error
            raise
        rig = _OpenRig(instrument, NoRecord())
        try:
            self._begin(rig)
            with signals.held():  # a file, once created, must be closed
                if self._out is not None:
                    rig.recorder = open_recorder(instrument, self._out, frames=self._frames)
                rig.watch()
            signals.obey_waiting()
            self._finalizer = weakref.finalize(self, rig.lost)
            self._finalizer.atexit = False  # `rig` has its own exit function
            self._open = rig
        except BaseException:
            with closed_after(rig.close, "the rig"):
                raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close(block_failed=error is not None)

    def close(self) -> None:
        """Darken, then close the record and the devices.

        Raises Fault if the laser could not be switched off, if the record is incomplete, or if sending or recording the
        newest turn failed, which the next turn would have shown. If the block has failed, its own error is raised
        instead of this last one, unless the laser may be on.

        A signal that comes meanwhile acts afterwards. One that comes signals.PATIENCE_S after the first ends the wait
        for a device or a disk that does not respond.
        """
        self._close(block_failed=False)

    def _close(self, block_failed: bool) -> None:
        with signals.obeyed_after(), signals.held():
            self._closing = True
            has_turn = self._turning.acquire(blocking=False)
            try:
                if not has_turn:  # a turn in another thread, whose law or camera may be slow
                    rig = self._open
                    if rig is not None:
                        rig.instrument.beam.dark("the rig is being closed")
                    has_turn = self._turning.acquire(timeout=PATIENCE_S)
            finally:  # also if a signal ended that wait
                self._end(has_turn, block_failed)

    def _end(self, has_turn: bool, block_failed: bool) -> None:
        try:
            rig, self._open = self._open, None
            if rig is not None:
                self._finalizer.detach()
                self._end_with_faults(rig, block_failed)
        finally:
            if has_turn:
                self._turning.release()

    def _end_with_faults(self, rig: _OpenRig, block_failed: bool) -> None:
        """End the rig. Raises Fault, also for faults of the newest turn, on which no later turn acts (as in `run`)."""
        tripped = self._memory.level is Level.TRIPPED
        texts = [] if tripped else [order.text for order in self._newest_faults]
        if block_failed and not any(STILL_LIT in text for text in texts):
            texts = []
        try:
            rig.end()
        except BaseException as error:
            texts = [text for text in texts if text.removeprefix(NO_RECORD) not in text_of(error)]
            if not texts or not (isinstance(error, Fault) or any(STILL_LIT in text for text in texts)):
                raise
            raise Fault("; ".join([*texts, in_words(error)])) from error
        if texts:
            raise Fault("; ".join(texts))

    def arm(self) -> None:
        """Allow light from the next turn on.

        Raises Refused if the rig's map is not confirmed; if the newest `apply` failed, since the program may believe
        that its law is in force; and for a real laser if a signal would leave it on, since the rig was opened outside
        of the main thread.
        """
        self._require_open()
        refuse_unheard(self.plan, self._signals_caught)
        refuse_unconfirmed(self._ordered, True)
        if self._not_in_force:
            raise Refused(f"the new settings are not in force: {self._not_in_force}; apply settings first")
        self._order(self._ordered.arming)

    def stop(self) -> None:
        """Dark from the next command on, including that of a turn in progress."""
        self._order(OrderKind.STOP)

    def reset(self) -> None:
        """Leave TRIPPED. The beam stays dark until `arm`."""
        self._order(OrderKind.RESET)

    def mark(self, text: str) -> None:
        """Write a remark into the record. Raises Refused if it is not a text in UTF-8, or is too long."""
        self._order(OrderKind.MARK, remark(text))

    def apply(self, plan: Plan) -> None:
        """Use the experiment of another plan from the next turn on. Identities and history stay; the law starts anew.

        If that turn fails, the previous settings stay in force, and `arm` is refused until an `apply` succeeds.

        Raises Refused if the plan can't run, or if its rig differs from the open rig in more than the experiment's
        `set`.
        """
        self._require_open()
        plan = flyable(require_plan("apply", plan), "the plan")
        text = write(plan.experiment)
        plan_before = self._ordered
        plan_after_apply = replace(plan_after(plan_before, text), given_law=plan.given_law)
        if plan_after_apply.rig != plan.rig:
            raise Refused(f"{plan.experiment.title}: its rig is another one than the open rig; close that one first")
        require_same_devices(plan_before.rig, plan_after_apply.rig)
        machine = build_machine(plan_after_apply)
        warm_up(plan_after_apply, machine)
        self._require_open()
        self._ordered, self._not_in_force = plan_after_apply, ""
        self._orders.append((Order(OrderKind.APPLY, text, machine), plan_after_apply))

    def turns(self, count: int | None = None) -> Iterator[Turn]:
        """The next `count` turns, each made when it is requested; None: until the camera has no more frames."""
        count = None if count is None else whole_number("count", count)
        number = 0
        while count is None or number < count:
            try:
                result = self.step()
            except Ended:
                return
            yield result
            number += 1

    def step(self) -> Turn:
        """One turn: frame, tracks, law, limits, interlock, light. The beam is dark after any error.

        Raises Ended if the camera has no more frames, and Fault. A Fault after which the laser may be on replaces any
        other error. Raises Refused if it is called during a turn of the same thread: by the law or by a signal handler.
        """
        with self._turning:
            if self._in_turn:
                raise Refused(WITHIN)
            rig = self._require_open()
            try:
                self._in_turn = True
                result = self._turn(rig)
            except BaseException as error:
                self._darken(rig, error)
                raise
            finally:
                self._in_turn = False
        signals.obey_waiting()  # signals that came while a kernel called Python
        return result

    def _turn(self, rig: _OpenRig) -> Turn:
        """One turn, as in control.loop.run. Until it is complete it counts as failed, and the next turn trips."""
        instrument = rig.instrument
        faults, self._faults = self._faults, self._faults or FAILED
        rig.row_due = False
        try:
            frame, silent = wait(instrument.camera)
        except Ended:
            self._faults = faults
            if faults and self._memory.level is not Level.TRIPPED:
                self._newest_faults = ()
                raise Fault("; ".join(order.text for order in faults)) from None
            raise
        level_before = self._memory.level
        entries: list[tuple[Order, Plan | None]] = []
        try:
            entries.extend(starmap(self._orders.popleft, repeat((), len(self._orders))))  # no signal comes within this
            orders = (*faults, *silent, *(order for order, _ in entries))
            machine, memory = applied(self._machine, self._memory, orders)
            memory, new_turn = turn(machine, memory, frame, instrument.clock.now_s(), orders)
            plan = next((after for _, after in reversed(entries) if after is not None), self.plan)
        except BaseException as error:
            with signals.held():
                self._give_back(entries, text_of(error) or type(error).__name__)
            raise
        self._machine, self._memory, self.plan = machine, memory, plan
        beam = _UntilStopped(instrument.beam, self._stop_reason)
        rig.row_due = True
        new_turn, new_faults = act(beam, instrument.clock, rig.recorder, new_turn, self._machine.stale_s)
        rig.row_due = False
        if new_turn.level is Level.TRIPPED and level_before is not Level.TRIPPED:
            rig.trips.append(new_turn.reason)
        self.newest, self._faults, self._newest_faults = new_turn, new_faults, new_faults
        return new_turn

    def _give_back(self, entries: list[tuple[Order, Plan | None]], reason: str) -> None:
        """Keep the orders of a failed turn, except settings: they may be the cause, and every turn would fail."""
        entries += [self._orders.popleft() for _ in range(len(self._orders))]  # also settings that build on them
        if any(after is not None for _, after in entries):
            self._ordered, self._not_in_force = self.plan, reason
        self._orders.extendleft((order, after) for order, after in reversed(entries) if after is None)

    def _stop_reason(self) -> str:
        """Why the turn in progress may give no light; empty: it may."""
        if self._closing:
            return "the rig is being closed"
        stopped = any(order.kind is OrderKind.STOP for order, _ in tuple(self._orders))
        return "stopped by the operator" if stopped else ""

    def _darken(self, rig: _OpenRig, error: BaseException) -> None:
        """Darken after a failed turn. The next turn trips: no light without RESET and ARM.

        Raises Fault if the laser may be on and `error` does not state this.
        """
        with signals.obeyed_after(), signals.held():
            reason = FAILED[0].text
            if isinstance(error, Ended | Fault | Refused):
                reason = text_of(error) or "the camera has no more frames"
            if rig.row_due:  # the command may have been sent
                leave_unfinished(rig.recorder)
            if self._faults is FAILED:
                self._faults = (Order(OrderKind.TRIP, reason),)
            dark = value_of_light(lambda: rig.instrument.beam.dark(reason))
            if says_lit(error):
                raise error  # no signal replaces it
            if dark.may_be_lit:
                raise Fault(dark.reason) from error

    def _order(self, kind: OrderKind, text: str = "") -> None:
        self._require_open()
        self._orders.append((Order(kind, text), None))

    def _require_open(self) -> _OpenRig:
        if self._open is None:
            raise Refused(CLOSED)
        return self._open
