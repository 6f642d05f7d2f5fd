"""An open rig for a Python program, which asks for each turn."""

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
PATIENCE_S = 5.0  # for a turn of another thread, when the rig is closed


exit_codes: list[int] = []  # of a program whose rig had to be ended for it: the last one counts


def _exit() -> None:
    """After all else at the exit, which can't change its exit code by an error."""
    if exit_codes:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(exit_codes[-1])


atexit.register(_exit)  # before the exit functions of any rig, so that it is called after them


@dataclass
class _OpenRig:
    """What has to be closed of an open rig, also where its program loses it, or ends without closing it.

    A thread waits for that. A garbage collection, which finds the lost rig, can't start one: it may come where locks of
    `threading` are held. Nor does it close anything, since devices and disks take their time.
    """

    instrument: Instrument
    recorder: Recorder
    trips: list[str] = field(default_factory=list)
    row_due: bool = False  # a command was sent, perhaps, and its turn is not recorded yet
    _over: SimpleQueue[bool] = field(default_factory=SimpleQueue)  # whether the thread has to end the rig

    def watch(self) -> None:
        """Start the thread. It is a daemon, so that the exit comes, and tells it to end a rig that is open still."""
        self._ender = threading.Thread(target=self._end_lost, name="end of a lost rig", daemon=True)
        self._ender.start()
        atexit.register(self._at_exit)

    def close(self) -> None:
        """Dark, then the record and the devices are closed. Raises Fault."""
        try:
            with signals.held(), closed_after(self.instrument.camera.close, "the camera"):
                close_dark(self.instrument.beam, self.recorder, self.trips, [], [], lambda: self.row_due)
        finally:
            atexit.unregister(self._at_exit)
            self._over.put(False)

    def end(self) -> None:
        """`close`, once, of a rig that was opened. Raises Fault."""
        try:
            self.close()
        finally:
            signals.rig_closed()

    def lost(self) -> None:
        """The thread ends the rig. This is safe in the middle of a garbage collection: a SimpleQueue takes no lock."""
        self._over.put(True)

    def _end_lost(self) -> None:
        if self._over.get():
            try:
                self.end()
            except BaseException:
                exit_codes.append(1)
                raise

    def _at_exit(self) -> None:
        """After all threads of the program that are no daemons: one of them may have used the rig until now."""
        try:
            with signals.held():
                self.lost()
                self._ender.join()
        except signals.Stopped as stopped:  # a second signal ended the wait
            exit_codes.append(128 + stopped.number)
        exit_codes.extend(128 + number for number in signals.taken_waiting())


@dataclass(frozen=True)
class _UntilStopped:
    """The beam of one turn. It stays dark where the light was stopped while the turn was computed."""

    beam: Beam
    why_stopped: Callable[[], str]

    def send(self, command: Command) -> Command:
        why = self.why_stopped()
        return self.beam.dark(why) if why and len(command) else self.beam.send(command)

    def dark(self, reason: str) -> Command:
        return self.beam.dark(reason)

    def close(self) -> None:
        self.beam.close()


class LiveRig:
    """An open rig. The block `with cybloids.open(plan) as rig` opens it, and closes it, dark, however the block ends.

    It is dark until `arm`. Orders are obeyed in the next turn; they may come from any thread, and a `stop` during a
    turn darkens that turn, too. While the program asks for no turn, the last command acts until the rig's guard
    darkens it (`loop.stale_periods` frame periods); a simulated rig in lockstep waits. A signal that would end the
    program (SIGTERM) unwinds it instead, so that the rig is closed: it raises SystemExit. No signal can be caught for a
    rig that is opened outside of the main thread: there `arm` refuses a real laser, unless the program has handlers of
    its own (of SIGTERM, SIGHUP).

    Attributes:
        plan: as it is in force.
        newest: the newest turn; None before the first.
    """

    def __init__(self, plan: Plan, out: Path | None = None, frames: bool = True) -> None:
        self.plan = plan
        self.newest: Turn | None = None
        self._out, self._frames = out, frames
        self._open: _OpenRig | None = None
        self._turning = threading.RLock()  # held for each turn, and when the rig is closed
        self._within = False  # whether a turn is being made
        self._closing = False
        self._caught = False  # whether signals are caught for it

    def _begin(self, opened: _OpenRig) -> None:
        """Nothing of an earlier opening is left, in particular no order."""
        self._machine: Machine = opened.instrument.machine
        self._memory: LoopMemory = self._machine.start()
        self.newest = None
        self._ordered = self.plan  # in force when all orders were obeyed
        self._not_in_force = ""  # why the newest `apply` failed
        self._orders: deque[tuple[Order, Plan | None]] = deque()  # each with the plan that an APPLY puts in force
        self._faults: tuple[Order, ...] = ()
        self._found: tuple[Order, ...] = ()  # faults of the newest turn's command and row, which no turn shows yet
        self._closing = False

    def __enter__(self) -> LiveRig:
        """Open the devices, dark. Raises Refused, Fault."""
        with self._turning:
            if self._open is not None:
                raise Refused("this rig is open already")
            self._open_caught()
        return self

    def _open_caught(self) -> None:
        """Open it with its signals caught; after any error nothing is open, and no handler is left set."""
        counted = False
        try:
            with signals.obeyed_after():
                with signals.held():  # a signal that raised before `counted` would leave its handlers set
                    self._caught = signals.rig_opened()
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
        except BaseException as error:  # a signal, in the middle of the opening
            with signals.held():
                light = value_of_light(lambda: put_out(self.plan))
            if STILL_LIT in light:
                raise Fault(light) from error
            raise
        opened = _OpenRig(instrument, NoRecord())
        try:
            self._begin(opened)
            with signals.held():  # a file that is begun must be closed
                if self._out is not None:
                    opened.recorder = open_recorder(instrument, self._out, frames=self._frames)
                opened.watch()
            signals.obey_waiting()
            self._lost = weakref.finalize(self, opened.lost)
            self._lost.atexit = False  # `opened` has its own
            self._open = opened
        except BaseException:
            with closed_after(opened.close, "the rig"):
                raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close(block_failed=error is not None)

    def close(self) -> None:
        """Dark, then the record and the devices are closed.

        Raises Fault where the laser could not be switched off, the record is not whole, or the newest turn's command
        failed, which the next turn would have shown. Where the block fails already, its own error is raised instead of
        the latter, unless the laser may be on.

        A signal that comes meanwhile is obeyed after that. One that comes signals.PATIENCE_S after the first ends the
        wait for the device, or the disk, that does not answer.
        """
        self._close(block_failed=False)

    def _close(self, block_failed: bool) -> None:
        with signals.obeyed_after(), signals.held():
            self._closing = True
            has_turn = self._turning.acquire(blocking=False)
            try:
                if not has_turn:  # another thread makes one, and its law, or its camera, may take its time
                    opened = self._open
                    if opened is not None:
                        opened.instrument.beam.dark("the rig is being closed")
                    has_turn = self._turning.acquire(timeout=PATIENCE_S)
            finally:  # also where a signal ended that wait
                self._end(has_turn, block_failed)

    def _end(self, has_turn: bool, block_failed: bool) -> None:
        try:
            opened, self._open = self._open, None
            if opened is not None:
                self._lost.detach()
                self._end_saying(opened, block_failed)
        finally:
            if has_turn:
                self._turning.release()

    def _end_saying(self, opened: _OpenRig, block_failed: bool) -> None:
        """Raises Fault, with the faults of the newest turn, too, that no later turn can show (as control.loop.run)."""
        tripped = self._memory.level is Level.TRIPPED
        texts = [] if tripped else [order.text for order in self._found]
        if block_failed and not any(STILL_LIT in text for text in texts):
            texts = []
        try:
            opened.end()
        except BaseException as error:
            texts = [text for text in texts if text.removeprefix(NO_RECORD) not in text_of(error)]
            if not texts or not (isinstance(error, Fault) or any(STILL_LIT in text for text in texts)):
                raise
            raise Fault("; ".join([*texts, in_words(error)])) from error
        if texts:
            raise Fault("; ".join(texts))

    def arm(self) -> None:
        """Light from the next turn on.

        Raises Refused where the rig's map is not confirmed; where the newest `apply` failed, since the program may take
        its law for the one in force; and for a real laser where a signal would leave it on, since the rig was opened
        outside of the main thread.
        """
        self._require_open()
        refuse_unheard(self.plan, self._caught)
        refuse_unconfirmed(self.plan, True)
        if self._not_in_force:
            raise Refused(f"the new settings are not in force: {self._not_in_force}; apply settings first")
        self._order(self._machine.arming)

    def stop(self) -> None:
        """Dark from the next command on, also of a turn that is being made."""
        self._order(OrderKind.STOP)

    def reset(self) -> None:
        """Leave TRIPPED, dark: `arm` gives light again."""
        self._order(OrderKind.RESET)

    def mark(self, text: str) -> None:
        """A remark in the record. Raises Refused for what is no text in UTF-8, or is too long."""
        self._order(OrderKind.MARK, remark(text))

    def apply(self, plan: Plan) -> None:
        """The experiment of another plan from the next turn on; identities and history stay, the law begins anew.

        Where that turn fails, the settings of before stay in force, and `arm` is refused until an `apply` succeeds.

        Raises Refused where it can't fly, or where its rig differs in more than the experiment's `set`.
        """
        self._require_open()
        plan = flyable(require_plan("apply", plan), "the plan")
        text = write(plan.experiment)
        before = self._ordered
        after = replace(plan_after(before, text), given_law=plan.given_law)
        if after.rig != plan.rig:
            raise Refused(f"{plan.experiment.title}: its rig is another one than the open rig; close that one first")
        require_same_devices(before.rig, after.rig)
        machine = build_machine(after)
        warm_up(after, machine)
        self._require_open()
        self._ordered, self._not_in_force = after, ""
        self._orders.append((Order(OrderKind.APPLY, text, machine), after))

    def turns(self, count: int | None = None) -> Iterator[Turn]:
        """The next `count` turns, each made when it is asked for; None: until the camera has no more frames."""
        count = None if count is None else whole_number("count", count)
        made = 0
        while count is None or made < count:
            try:
                done = self.step()
            except Ended:
                return
            yield done
            made += 1

    def step(self) -> Turn:
        """One turn: frame, tracks, law, limits, interlock, light. The beam is dark after any error.

        Raises Ended where the camera has no more frames, Fault. A Fault that says that the laser may be on comes in
        place of any other error. Raises Refused in the middle of a turn of the same thread: in its law, or in a handler
        of a signal.
        """
        with self._turning:
            if self._within:
                raise Refused(WITHIN)
            opened = self._require_open()
            try:
                self._within = True
                done = self._turn(opened)
            except BaseException as error:
                self._darken(opened, error)
                raise
            finally:
                self._within = False
        signals.obey_waiting()  # that came while a kernel called Python
        return done

    def _turn(self, opened: _OpenRig) -> Turn:
        """As control.loop.run makes it. Until it is over it counts as failed: the next one trips."""
        instrument = opened.instrument
        faults, self._faults = self._faults, self._faults or FAILED
        opened.row_due = False
        try:
            frame, silent = wait(instrument.camera)
        except Ended:
            self._faults = faults
            if faults and self._memory.level is not Level.TRIPPED:
                self._found = ()
                raise Fault("; ".join(order.text for order in faults)) from None
            raise
        before = self._memory.level
        taken: list[tuple[Order, Plan | None]] = []
        try:
            taken.extend(starmap(self._orders.popleft, repeat((), len(self._orders))))  # no signal comes within this
            orders = (*faults, *silent, *(order for order, _ in taken))
            machine, memory = applied(self._machine, self._memory, orders)
            memory, done = turn(machine, memory, frame, instrument.clock.now_s(), orders)
            plan = next((after for _, after in reversed(taken) if after is not None), self.plan)
        except BaseException as error:
            with signals.held():
                self._give_back(taken, text_of(error) or type(error).__name__)
            raise
        self._machine, self._memory, self.plan = machine, memory, plan
        beam = _UntilStopped(instrument.beam, self._why_stopped)
        opened.row_due = True
        done, found = act(beam, instrument.clock, opened.recorder, done, self._machine.stale_s)
        opened.row_due = False
        if done.level is Level.TRIPPED and before is not Level.TRIPPED:
            opened.trips.append(done.reason)
        self.newest, self._faults, self._found = done, found, found
        return done

    def _give_back(self, taken: list[tuple[Order, Plan | None]], why: str) -> None:
        """Orders of a turn that failed stay, but for settings: they may be the reason, and would fail each turn."""
        taken += [self._orders.popleft() for _ in range(len(self._orders))]  # settings that were made for those, too
        if any(after is not None for _, after in taken):
            self._ordered, self._not_in_force = self.plan, why
        self._orders.extendleft((order, after) for order, after in reversed(taken) if after is None)

    def _why_stopped(self) -> str:
        """Why the turn that is being made gives no light; empty where it may."""
        if self._closing:
            return "the rig is being closed"
        stopped = any(order.kind is OrderKind.STOP for order, _ in tuple(self._orders))
        return "stopped by the operator" if stopped else ""

    def _darken(self, opened: _OpenRig, error: BaseException) -> None:
        """Dark after a turn that failed; the next one trips: no light without Reset and Arm.

        Raises Fault where the laser may be on, and `error` does not say so.
        """
        with signals.obeyed_after(), signals.held():
            reason = FAILED[0].text
            if isinstance(error, Ended | Fault | Refused):
                reason = text_of(error) or "the camera has no more frames"
            if opened.row_due:  # the command may have been sent
                leave_unfinished(opened.recorder)
            if self._faults is FAILED:
                self._faults = (Order(OrderKind.TRIP, reason),)
            dark = value_of_light(lambda: opened.instrument.beam.dark(reason))
            if says_lit(error):
                raise error  # no signal comes in its place
            if dark.may_be_lit:
                raise Fault(dark.reason) from error

    def _order(self, kind: OrderKind, text: str = "") -> None:
        self._require_open()
        self._orders.append((Order(kind, text), None))

    def _require_open(self) -> _OpenRig:
        if self._open is None:
            raise Refused(CLOSED)
        return self._open
