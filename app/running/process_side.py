"""The process with the loop: it opens the instrument, receives orders from one pipe and sends turns to another."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.assembly.correction_images import with_corrections
from app.assembly.in_flight import require_same_devices
from app.assembly.instrument import Instrument
from app.assembly.machine import build_machine, ready_for_learned
from app.assembly.open import open_recorder, plan_after
from app.assembly.plan import plan_from
from app.assembly.python_law import allow, allowed
from app.assembly.rig import Plan
from app.assembly.warm_up import listeners, warm_up
from app.console.error_words import sentence
from app.running import stop_signals as signals
from app.running.heartbeat import Heartbeat, Watcher
from app.running.overload import Judge
from app.running.process_priority import Precedence
from app.running.settings_in_force import InForce
from app.running.shared_images import Pictures, Place
from app.running.stop_signals import Stopped
from app.running.stopwatch import Stopwatch
from app.running.thread import DARKENS, RECORD_S, LoopThread
from app.running.turn_buffer import REMEMBERED
from config.reader import write
from config.refused import Refused
from control.contract import STILL_LIT, Fault, Order, OrderKind, Turn
from drivers.closing import close_all
from drivers.readback import Returned

CRASHED = 1  # exit code after which light may be on: the window's process tries to switch it off
LATE_S = 1.0  # an order for light that waited longer is too old and is not obeyed
PACE_S = 0.01  # shortest time between two messages with news
SILENCE_S = 0.1  # longest
LOOK_S = 0.5  # time between two checks whether the loop keeps up
TIDY_DARK_S, TIDY_LIT_S = 5.0, 600.0  # time between two garbage collections; a turn makes no garbage
SWITCH_S = 1e-4  # longest time for which Python code of the sending thread delays the loop
MOST_TOLD = 100  # turns in one message: more would delay the window
FINAL_REPORT_S = 5.0  # for the main thread to end after a signal
CLOSING = "the rig is being closed"  # Note that confirms the order to end
ORPHAN_S = 60.0  # for the opening of a rig to end after its window is gone
EMPTY = np.empty((0, 0), np.uint8)
Opening = Callable[[Plan], Instrument]


@dataclass(frozen=True)
class PlanTexts:
    """A plan as texts."""

    rig: str
    experiment: str
    folder: str
    python: tuple[str, ...] = ()  # modules of laws that may run

    @classmethod
    def of(cls, plan: Plan) -> PlanTexts:
        return cls(write(plan.rig), write(plan.experiment), str(plan.folder), allowed())

    def read(self) -> Plan:
        """The plan. Its Python laws are then allowed in this process, too. Raises Refused."""
        allow(self.python)
        return with_corrections(plan_from(self.rig, self.experiment, Path(self.folder)))


@dataclass(frozen=True)
class RecordOrder:
    """An order to record every turn in a new file; None ends the record. The answer is a Reply."""

    path: Path | None


@dataclass(frozen=True)
class Permission:
    """Modules of Python laws that the user has allowed; sent before the settings that may name them."""

    modules: tuple[str, ...]


@dataclass(frozen=True)
class Reply:
    """Result of the opening or of a RecordOrder: `trouble` is empty if it succeeded."""

    trouble: str = ""
    refused: bool = False
    details: str = ""


@dataclass(frozen=True)
class Note:
    """Present step of the opening of the instrument, in words; or CLOSING."""

    text: str


@dataclass(frozen=True)
class News:
    """The turns since the last News, with empty images; the image of the last turn is in the ring."""

    turns: tuple[Turn, ...]
    place: Place | None
    sequence: int
    recording: bool
    recorder_trouble: str
    returned: tuple[Returned, ...]
    stopwatch: Stopwatch = field(default_factory=Stopwatch)  # wall time of each stage of all turns
    in_force: InForce = InForce()  # results of the APPLY orders
    dark: bool = False  # the loop has ended and the beam is closed; a slow disk may still have the record
    lit: bool = False  # the laser may be on after that


@dataclass(frozen=True)
class Over:
    """Last message: the loop has ended. `trouble`: its errors, with STILL_LIT if light may be on; empty: none."""

    trouble: str
    details: str


def serve(orders: Connection, news: Connection, beats: Any, written: PlanTexts, opening: Opening) -> None:
    """The process, from beginning to end. However the window's process ends, the beam is dark afterwards.

    `beats`: number of the window's heartbeats, in shared memory.
    """
    instrument_open, parent = threading.Event(), parent_process()
    if parent is not None:
        threading.Thread(
            target=_end_orphan, args=(parent.sentinel, instrument_open), name="orphan", daemon=True
        ).start()
    try:
        host = _open_host(orders, news, beats, written, opening)
        instrument_open.set()
    except Stopped:  # the laser may be on, and the exit code of a signal would mean that it is off
        sys.exit(CRASHED)
    if host is None:
        return
    gc.collect()
    gc.freeze()  # present objects stay; later collections skip them
    gc.disable()  # a collection stops every thread for milliseconds; the Host chooses when
    host.precedence.take()
    news.send(Reply())
    host.serve()


def _end_orphan(window: int, instrument_open: threading.Event) -> None:
    """End this process, which has the ports, if the window is gone and the opening of a device hangs."""
    connection.wait([window])
    if not instrument_open.wait(ORPHAN_S):
        os._exit(CRASHED)


def _open_host(orders: Connection, news: Connection, beats: Any, written: PlanTexts, opening: Opening) -> Host | None:
    """The open instrument, in a Host that handles signals; None if it can't be opened and no light is on.

    Raises SystemExit if light may be on.
    """
    for number in signals.numbers():
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else _end)  # Ctrl-C is for the window
    cv2.setNumThreads(1)
    sys.setswitchinterval(SWITCH_S)
    try:
        ready_for_learned()
        plan = written.read()
        with noted(news):
            instrument = opening(plan)
        host = Host(instrument, plan, orders, news, beats)
    except BaseException as error:  # noqa: BLE001  any error: the operator reads it
        message = f"the loop's process was {error}" if isinstance(error, Stopped) else sentence(error)
        with suppress(OSError):  # the window may be gone, too
            news.send(Reply(message, isinstance(error, Refused), traceback.format_exc()))
        if not isinstance(error, Refused | Fault) or STILL_LIT in message:  # the laser may be on
            sys.exit(CRASHED)
        return None
    for number in signals.numbers():
        if number != signal.SIGINT:
            signal.signal(number, host.stopped_by)
    return host


@contextmanager
def noted(news: Connection) -> Iterator[None]:
    """Send the notes of the warm-up also to the window, while no other thread uses the pipe."""

    def tell(text: str) -> None:
        with suppress(OSError):  # the window is gone; the next message finds that
            news.send(Note(text))

    listeners.append(tell)
    try:
        yield
    finally:
        listeners.remove(tell)


def _end(number: int, frame: object) -> None:
    """Signal handler during the opening. It acts once, so that a second signal does not interrupt the closing."""
    for each in signals.numbers():
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


class Host:
    """A Live with the two pipes. The loop's thread never waits for a pipe, and a STOP never waits for another order."""

    def __init__(
        self, instrument: Instrument, plan: Plan, orders: Connection, news: Connection, beats: Any = None
    ) -> None:
        self._instrument, self._plan, self._orders_pipe, self._news_pipe = instrument, plan, orders, news
        self._in_force = InForce()
        self._live = LoopThread(
            instrument.machine, instrument.camera, instrument.beam, instrument.clock, self._add_turn
        )
        self._news_due, self._closing, self._window_gone = threading.Event(), threading.Event(), False
        self._turns: deque[Turn] = deque(maxlen=REMEMBERED)  # not yet sent; a window that hangs misses the oldest
        self._pictures = Pictures(lambda reason: self._live.order(OrderKind.MARK, reason))
        self._sending = threading.Lock()
        self._collected_s = self._looked_s = time.monotonic()
        self.precedence, self._judge = Precedence(), Judge()
        self._waiting: deque[tuple[Order | RecordOrder, float]] = deque()  # orders and their arrival times
        self._waiting_changed = threading.Condition()
        self._signal = 0  # number of the signal that ends this process
        self._must_end = False  # the watcher ends this process, even if it hangs
        self._heart = Heartbeat(
            plan.rig.loop.window_timeout_s,
            lambda: 0 if beats is None else int(beats.value),
            lambda: self._live.newest,
            lambda reason: self._live.order(OrderKind.TRIP, reason),
        )
        self._watcher: Watcher | None = None

    def serve(self) -> None:
        """Run until the loop ends, the window orders it, the window's process is gone, or a signal comes."""
        self._obey_early_orders()
        self._live.start()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()
        threading.Thread(target=self._carry_out_waiting, name="settings", daemon=True).start()
        self._watcher = Watcher(self._look)
        try:
            while self._live.running and not self._closing.is_set():
                self._send_news()
                self._collect_garbage()
                self._adapt_priority()
                time.sleep(PACE_S)
                self._news_due.clear()
                self._news_due.wait(SILENCE_S)  # news is sent right after a turn, when the loop has time
        finally:
            self._close()

    def stopped_by(self, number: int, frame: object) -> None:
        """Signal handler, which may interrupt the main thread anywhere: the watcher's thread acts on the signal."""
        self._signal = self._signal or number

    def _look(self) -> None:
        """Check heartbeat and signals every few hundredths of a second, in a thread that no pipe or order can block."""
        self._heart.look()
        if (self._signal or self._window_gone) and not self._must_end:
            self._must_end = True
            self._closing.set()
            self._news_due.set()
            with suppress(BaseException):  # the main thread, which closes too, reports it; a plug-in may call sys.exit
                self._live.close()
            time.sleep(FINAL_REPORT_S)
            os._exit(self._exit_code)  # the main thread waits for a device, or for a window that does not read

    # orders ---------------------------------------------------------------------------------------------------------

    def _obey_early_orders(self) -> None:
        """Orders from before the start act in the first turn, except those for light behind settings that took long."""
        began_s = time.monotonic()
        try:
            while self._orders_pipe.poll():
                if (order := self._next_order()) is None:
                    self._closing.set()
                else:
                    self._do(in_time(order, time.monotonic() - began_s))
        except (EOFError, OSError):
            self._window_gone = True
            self._closing.set()

    def _listen(self) -> None:
        """Receive orders. If the window's process dies, the system closes the other end at once: this thread wakes."""
        try:
            while not self._closing.is_set():
                self._obey(self._next_order())
        except (EOFError, OSError):
            self._window_gone = True
            self._closing.set()
        self._news_due.set()
        self._send(Note(CLOSING))  # at once, also if the loop hangs

    def _next_order(self) -> Order | RecordOrder | None:
        """The next order; a Permission before it takes effect at once."""
        while isinstance(message := self._orders_pipe.recv(), Permission):
            allow(message.modules)
        order: Order | RecordOrder | None = message
        return order

    def _obey(self, order: Order | RecordOrder | None) -> None:
        """Orders that darken act first and cancel all waiting orders for light; the others keep their sequence."""
        with self._waiting_changed:
            if order is None:
                self._closing.set()
            elif isinstance(order, Order) and order.kind in DARKENS:
                self._waiting = deque(entry for entry in self._waiting if not lights(entry[0]))
                self._live.order(order.kind, order.text)
            else:
                self._waiting.append((order, time.monotonic()))
            self._waiting_changed.notify()

    def _carry_out_waiting(self) -> None:
        """Carry out waiting orders, in a thread of its own: building a machine may compile for a minute."""
        while not self._closing.is_set():
            with self._waiting_changed:
                if not self._waiting:
                    self._waiting_changed.wait(SILENCE_S)
                    continue
                order, since_s = self._waiting.popleft()
                order = in_time(order, time.monotonic() - since_s)
                if not takes_long(order):
                    self._do(order)  # under the lock: a STOP comes either before it or after it
                    continue
            self._do(order)

    def _do(self, order: Order | RecordOrder) -> None:
        if isinstance(order, RecordOrder):
            self._send(self._record(order.path))
        elif order.kind is OrderKind.APPLY:
            self._apply(order)
        else:
            order = self._in_force.held(order)
            self._live.order(order.kind, order.text)

    def _apply(self, order: Order) -> None:
        """Build the machine from the text, as `verify` will build it. The window built one before it sent the order.

        The previous machine stays in use until everything is compiled.
        """
        try:
            plan = plan_after(self._plan, order.text)
            require_same_devices(self._plan.rig, plan.rig)
            machine = build_machine(plan, "the experiment panel")
            warm_up(plan, machine)
        except BaseException as error:  # noqa: BLE001  the law in force would differ from the one in the window: dark
            self._in_force = self._in_force.failed(sentence(error))
            self._live.order(OrderKind.TRIP, self._in_force.trouble)
            return
        self._plan = plan
        self._live.apply(machine, order.text)
        self._in_force = self._in_force.succeeded()

    def _record(self, path: Path | None) -> Reply:
        try:
            plan = replace(self._instrument, plan=self._plan)
            self._live.record(None if path is None else open_recorder(plan, path, frames=True))
        except BaseException as error:  # noqa: BLE001  the window waits for an answer, and other orders for this one
            return Reply(sentence(error), isinstance(error, Refused))
        return Reply()

    # news -----------------------------------------------------------------------------------------------------------

    def _add_turn(self, turn: Turn) -> None:
        """Called in the loop's thread."""
        self._turns.append(turn)
        self._news_due.set()

    def _send_news(self) -> None:
        turns = [self._turns.popleft() for _ in range(min(len(self._turns), MOST_TOLD))]
        frame = turns[-1].frame if turns else None
        place, sequence = self._pictures.put(frame.image) if frame is not None else (None, 0)
        live = self._live
        returned = tuple(self._instrument.returned())
        slim = tuple(slimmed(turn) for turn in turns)
        watch = live.stopwatch
        spent = Stopwatch(watch.spent_s.copy(), watch.calls.copy(), watch.running)
        state = (live.recording, live.recorder_trouble, returned, spent, self._in_force, live.dark, live.lit)
        self._send(News(slim, place, sequence, *state))

    def _collect_garbage(self) -> None:
        """Collect garbage every TIDY_DARK_S while the beam is dark, every TIDY_LIT_S while it is lit."""
        newest = self._live.newest
        wait_s = TIDY_LIT_S if newest is not None and len(newest.sent) else TIDY_DARK_S
        if time.monotonic() - self._collected_s > wait_s:
            gc.collect()
            self._collected_s = time.monotonic()

    def _adapt_priority(self) -> None:
        """Lower the priority of a loop that does not keep up with its camera, so that the window can run."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        slow = self._judge.look(self._plan.rig, now_s, self._live.pace().turns, self._live.stopwatch)
        self.precedence.follow(keeps_up=slow is None)

    def _send(self, message: Any) -> None:
        try:
            with self._sending:
                self._news_pipe.send(message)
        except OSError:  # the window is gone
            self._window_gone = True
            self._closing.set()

    def _close(self) -> None:
        """Darken, close the record, and then send the last messages."""
        troubles = [f"the loop's process was {Stopped(self._signal)}"] if self._signal else []
        try:
            close_all(self._live.darken, self._wait_for_record)
        except Exception as error:  # noqa: BLE001  any error: the window shows it
            troubles.append(sentence(error))
        troubles += [self._live.trouble] if self._live.trouble else []
        self._send_news()
        while self._turns and not self._window_gone:
            self._send_news()
        self._send(Over("; ".join(troubles), self._live.details))
        self._pictures.close(everywhere=self._window_gone)
        if self._live.running:
            os._exit(self._exit_code)  # a device or the disk hangs: do not wait for it
        if not self._is_dark:
            sys.exit(CRASHED)
        if self._signal:
            raise Stopped(self._signal)

    def _wait_for_record(self) -> None:
        """Wait for the record; meanwhile the news states that the beam is dark. Does not wait if the loop hangs."""
        until_s = time.monotonic() + RECORD_S
        while self._live.dark and not self._live.ended(SILENCE_S) and time.monotonic() < until_s:
            self._send_news()
        self._live.require_record_closed(0.0)

    @property
    def _is_dark(self) -> bool:
        """Whether the loop has ended and its laser is confirmed to be off."""
        return self._live.dark and STILL_LIT not in self._live.trouble

    @property
    def _exit_code(self) -> int:
        """The exit code of this process. After CRASHED the window's process tries to switch the laser off."""
        if not self._is_dark:
            return CRASHED
        return 128 + self._signal if self._signal else 0


def lights(order: Order | RecordOrder) -> bool:
    """Whether the order leads to light: ARM, PROBE or RESET."""
    return isinstance(order, Order) and order.kind in (OrderKind.ARM, OrderKind.PROBE, OrderKind.RESET)


def in_time(order: Order | RecordOrder, waited_s: float) -> Order | RecordOrder:
    """The order itself; for light that has waited longer than LATE_S, a MARK with this reason."""
    if not lights(order) or waited_s <= LATE_S or isinstance(order, RecordOrder):
        return order
    text = f"{order.kind} was not obeyed: it waited {waited_s:.1f} s for new settings to be ready; give it again"
    return Order(OrderKind.MARK, text)


def takes_long(order: Order | RecordOrder) -> bool:
    return isinstance(order, RecordOrder) or order.kind is OrderKind.APPLY


def slimmed(turn: Turn) -> Turn:
    """The turn without image and without the machines of its orders, which do not go through a pipe."""
    orders = tuple(replace(order, machine=None) for order in turn.orders)
    return replace(turn, orders=orders, frame=replace(turn.frame, image=EMPTY) if turn.frame is not None else None)
