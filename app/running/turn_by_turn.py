"""An open rig for a Python program, which asks for each turn."""

from __future__ import annotations

import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import repeat, starmap
from pathlib import Path
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
from app.running.headless import close_dark, leave_unfinished, refuse_unconfirmed, refuse_unheard
from app.running.thread import NoRecord
from config.reader import write
from config.refused import Refused
from control.contract import STILL_LIT as STILL_LIT
from control.contract import Beam, Command, Level, Order, OrderKind, Recorder
from control.contract import Ended as Ended
from control.contract import Fault as Fault
from control.contract import Turn as Turn
from control.loop import LoopMemory, Machine, act, applied, turn, wait
from drivers.closing import closed_after, of_light, value_of_light

CLOSED = "this rig is not open; use it in a block: with cybloids.open(plan) as rig"
WITHIN = "a turn can't be made in the middle of another one: step was called by the law of that turn, or by a handler"
FAILED = (Order(OrderKind.TRIP, "the program failed"),)
PATIENCE_S = 5.0  # for a turn of another thread, when the rig is closed


@dataclass
class _OpenRig:
    """What has to be closed of an open rig, also where its program has lost it."""

    instrument: Instrument
    recorder: Recorder
    trips: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Dark, then the record and the devices are closed. Raises Fault."""
        with signals.held(), closed_after(self.instrument.camera.close, "the camera"):
            close_dark(self.instrument.beam, self.recorder, self.trips, [], [])

    def end(self) -> None:
        """`close`, once, of a rig that was opened. Raises Fault."""
        try:
            self.close()
        finally:
            signals.rig_closed()

    def lost(self) -> None:
        """`end` of a rig that its program lost, perhaps in the middle of a garbage collection: only dark at once.

        A disk may take minutes to end the record, so that this has a thread of its own, but at the program's exit.
        Raises Fault.
        """
        if not threading.main_thread().is_alive():  # the exit: it waits for no new thread
            self.end()
            return
        said = ""
        try:
            with signals.held():
                of_light(self.instrument.beam.close)()
        except Fault as fault:
            said = str(fault)
            raise
        finally:
            signals.rig_closed()
            waiting = signals.taken_waiting()  # what is raised here would be ignored
            left = () if STILL_LIT in said else tuple(waiting)
            threading.Thread(target=self._end_lost, args=left, name="end of a lost rig").start()

    def _end_lost(self, *waiting: int) -> None:
        """Record and camera. The signals are obeyed after that, in the main thread."""
        try:
            self.close()
        finally:
            for number in waiting:
                signal.raise_signal(number)


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
        self._closing = False
        self._row_due = False  # a command was sent, perhaps, and its turn is not recorded yet

    def __enter__(self) -> LiveRig:
        """Open the devices, dark. Raises Refused, Fault."""
        with self._turning:
            if self._open is not None:
                raise Refused("this rig is open already")
            with signals.obeyed_after():
                self._caught = signals.rig_opened()
                try:
                    opened = self._opened()
                except BaseException:
                    signals.rig_closed()
                    raise
                self._lost = weakref.finalize(self, opened.lost)
                self._open = opened
        return self

    def _opened(self) -> _OpenRig:
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
            if self._out is not None:
                with signals.held():  # a file that is begun must be closed
                    opened.recorder = open_recorder(instrument, self._out, frames=self._frames)
                signals.obey_waiting()
        except BaseException:
            with closed_after(opened.close, "the rig"):
                raise
        return opened

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Dark, then the record and the devices are closed. Raises Fault where the laser could not be switched off.

        A signal that comes meanwhile is obeyed after that. One that comes signals.PATIENCE_S after the first ends the
        wait for the device, or the disk, that does not answer.
        """
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
                self._end(has_turn)

    def _end(self, has_turn: bool) -> None:
        try:
            opened, self._open = self._open, None
            if opened is not None:
                self._lost.detach()
                opened.end()
        finally:
            if has_turn:
                self._turning.release()

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
        self._row_due = False
        try:
            frame, silent = wait(instrument.camera)
        except Ended:
            self._faults = faults
            if faults and self._memory.level is not Level.TRIPPED:
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
                self._give_back(taken, str(error) or type(error).__name__)
            raise
        self._machine, self._memory, self.plan = machine, memory, plan
        beam = _UntilStopped(instrument.beam, self._why_stopped)
        self._row_due = True
        done, found = act(beam, instrument.clock, opened.recorder, done, self._machine.stale_s)
        self._row_due = False
        if done.level is Level.TRIPPED and before is not Level.TRIPPED:
            opened.trips.append(done.reason)
        self.newest, self._faults = done, found
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
                reason = str(error) or "the camera has no more frames"
            if self._row_due:  # the command may have been sent
                leave_unfinished(opened.recorder)
            if self._faults is FAILED:
                self._faults = (Order(OrderKind.TRIP, reason),)
            dark = value_of_light(lambda: opened.instrument.beam.dark(reason))
            if STILL_LIT in str(error):
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
