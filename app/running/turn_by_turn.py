"""An open rig for a Python program, which asks for each turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from app.assembly.in_flight import require_same_devices
from app.assembly.instrument import Instrument
from app.assembly.machine import build_machine
from app.assembly.open import open_instrument, open_recorder, plan_after
from app.assembly.plan import flyable, require_plan
from app.assembly.rig import Plan
from app.assembly.warm_up import warm_up
from app.console.arguments import remark, whole_number
from app.running.headless import close_dark, leave_unfinished, refuse_unconfirmed
from app.running.thread import NoRecord
from config.reader import write
from config.refused import Refused
from control.contract import Ended as Ended
from control.contract import Fault as Fault
from control.contract import Level, Order, OrderKind, Recorder
from control.contract import Turn as Turn
from control.loop import LoopMemory, act, applied, turn, wait

CLOSED = "this rig is not open; use it in a block: with cybloids.open(plan) as rig"


class LiveRig:
    """An open rig. The block `with cybloids.open(plan) as rig` opens it, and closes it, dark, however the block ends.

    It is dark until `arm`. Orders are obeyed in the next turn. While the program asks for no turn, the last command
    acts until the rig's guard darkens it (`loop.stale_periods` frame periods); a simulated rig in lockstep waits.

    Attributes:
        plan: as it is in force.
        newest: the newest turn; None before the first.
    """

    def __init__(self, plan: Plan, out: Path | None = None, frames: bool = True) -> None:
        self.plan = plan
        self.newest: Turn | None = None
        self._out, self._frames = out, frames
        self._instrument: Instrument | None = None
        self._recorder: Recorder = NoRecord()
        self._memory: LoopMemory | None = None
        self._orders: list[Order] = []
        self._faults: tuple[Order, ...] = ()
        self._trips: list[str] = []

    def __enter__(self) -> LiveRig:
        """Open the devices, dark. Raises Refused, Fault."""
        if self._instrument is not None:
            raise Refused("this rig is open already")
        self._instrument = instrument = open_instrument(self.plan)
        try:
            self._machine = instrument.machine
            self._memory = self._machine.start()
            if self._out is not None:
                self._recorder = open_recorder(instrument, self._out, frames=self._frames)
        except BaseException:
            self._instrument = None
            instrument.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Dark, then the record and the devices are closed. Raises Fault where the laser could not be switched off."""
        instrument, self._instrument = self._instrument, None
        if instrument is None:
            return
        recorder, self._recorder = self._recorder, NoRecord()
        try:
            close_dark(instrument.beam, recorder, self._trips, [], [])
        finally:
            instrument.camera.close()

    def arm(self) -> None:
        """Light from the next turn on. Raises Refused where the rig's map is not confirmed."""
        self._require_open()
        refuse_unconfirmed(self.plan, True)
        self._orders.append(Order(self._machine.arming))

    def stop(self) -> None:
        """Dark from the next turn on."""
        self._order(OrderKind.STOP)

    def reset(self) -> None:
        """Leave TRIPPED, dark: `arm` gives light again."""
        self._order(OrderKind.RESET)

    def mark(self, text: str) -> None:
        """A remark in the record. Raises Refused for what is no text in UTF-8, or is too long."""
        self._order(OrderKind.MARK, remark(text))

    def apply(self, plan: Plan) -> None:
        """The experiment of another plan from the next turn on; identities and history stay, the law begins anew.

        Raises Refused where it can't fly, or where its rig differs in more than the experiment's `set`.
        """
        self._require_open()
        plan = flyable(require_plan("apply", plan), "the plan")
        text = write(plan.experiment)
        after = plan_after(self.plan, text)
        if after.rig != plan.rig:
            raise Refused(f"{plan.experiment.title}: its rig is another one than the open rig; close that one first")
        require_same_devices(self.plan.rig, after.rig)
        machine = build_machine(after)
        warm_up(after, machine)
        self._orders.append(Order(OrderKind.APPLY, text, machine))
        self.plan = after

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

        Raises Ended where the camera has no more frames, Fault.
        """
        instrument = self._require_open()
        try:
            return self._turn(instrument)
        except (Ended, Fault, Refused) as error:
            instrument.beam.dark(str(error) or "the camera has no more frames")
            if not isinstance(error, Ended):
                self._trip_next(str(error))
            raise
        except BaseException:
            instrument.beam.dark("the program failed")
            self._trip_next("the program failed")
            leave_unfinished(self._recorder)
            raise

    def _turn(self, instrument: Instrument) -> Turn:
        """As control.loop.run makes it."""
        assert self._memory is not None
        try:
            frame, silent = wait(instrument.camera)
        except Ended:
            if self._faults and self._memory.level is not Level.TRIPPED:
                raise Fault("; ".join(order.text for order in self._faults)) from None
            raise
        orders = (*self._faults, *silent, *self._orders)
        machine, memory = applied(self._machine, self._memory, orders)
        before = memory.level
        memory, done = turn(machine, memory, frame, instrument.clock.now_s(), orders)
        self._machine, self._memory, self._orders = machine, memory, []  # orders of a turn that failed stay
        done, self._faults = act(instrument.beam, instrument.clock, self._recorder, done)
        if done.level is Level.TRIPPED and before is not Level.TRIPPED:
            self._trips.append(done.reason)
        self.newest = done
        return done

    def _trip_next(self, reason: str) -> None:
        """A turn that failed is followed by a trip: no light without Reset and Arm."""
        self._faults = self._faults or (Order(OrderKind.TRIP, reason),)

    def _order(self, kind: OrderKind, text: str = "") -> None:
        self._require_open()
        self._orders.append(Order(kind, text))

    def _require_open(self) -> Instrument:
        if self._instrument is None:
            raise Refused(CLOSED)
        return self._instrument
