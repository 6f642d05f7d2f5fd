"""The loop in a child process, with the same interface as `LoopThread`. A busy window does not delay it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing import connection, get_context, process
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.darken import put_out
from app.assembly.open import open_instrument
from app.assembly.python_law import allowed
from app.assembly.rig import Plan
from app.running import stop_signals as signals
from app.running.light_wording import Light
from app.running.pipe_ends import ReceivingEnd, SendingEnd
from app.running.process_side import (
    CLOSING,
    News,
    Note,
    Opening,
    Over,
    Permission,
    PlanTexts,
    RecordOrder,
    Reply,
    serve,
)
from app.running.rescue import RESCUE_S, switch_off_in_time
from app.running.settings_in_force import InForce
from app.running.shared_images import Place, Ring
from app.running.stopwatch import Stopwatch
from app.running.turn_buffer import Pace, TurnBuffer
from config.reader import write
from config.refused import Refused
from control.contract import STILL_LIT, Fault, Order, OrderKind, Turn
from control.loop import Machine
from drivers.readback import Returned

START_S = 600.0  # longest time to open the instrument: a first start compiles kernels; STOP ends it
ANSWER_S = 15.0
SILENT_S = 2.0  # without news; a loop sends news about every 0.1 s
HEAR_S = 0.02  # longest time of reading messages in one call, and pause after it
EXIT_S = 0.2  # for a process to exit after it has closed its pipe
HUNG_S = 1.0  # for a loop to reply to the order to end, if it has sent no news for SILENT_S
REPLY_S = 5.0  # for any other loop to reply to it
SLICE_S = 0.1  # longest single wait for the loop's end
TERMINATE_S = 2.0  # for a process to exit after SIGTERM
CLOSES_S = 8.0  # the same after a reply, while it closes its record; after LAST_WORDS_S it exits by itself
OPENING_S = 2.0  # for a process that is still opening to close its devices


class LoopProcess:
    """One run of an instrument, in a spawned process that opens the instrument itself from its plan.

    Orders go over a pipe and act in the next turn. An APPLY is sent as text; the machine is built from it there, as
    `verify` builds it. Turns return over another pipe, in batches; the newest image returns through shared memory.
    Recorders are there, too. Call all methods from one thread; only `start`, `record` and `close` wait. It has many
    methods since it fills `RunningLoop`.

    If that process dies, `running` is False and `trouble` gives the reason. Its light then depends on the devices
    (their `dead_man`). A thread here, which has no other task, therefore tries at once to switch a real laser off, and
    `trouble` gives the result. It does the same if that process ended and its laser had not confirmed that it is off.
    `light` is the resulting state of the laser. If this process dies, the system closes the pipe: the other process
    wakes, darkens the beam and ends. If this process hangs, its `beat` stops: see app.running.heartbeat.

    Args:
        opening: opens the instrument there; importable by its name (or a `functools.partial` of such a function).
        rescue: darkens the devices of a process that has died; returns the result in words. None: `put_out`.
    """

    def __init__(
        self,
        plan: Plan,
        opening: Opening = open_instrument,
        rescue: Callable[[Plan], str] | None = None,
    ) -> None:
        spawn = get_context("spawn")  # the same on every system; the child inherits nothing of this process
        child_orders, orders = spawn.Pipe(duplex=False)
        news, child_news = spawn.Pipe(duplex=False)
        self._orders, self._news = SendingEnd(orders), ReceivingEnd(news)
        self._theirs = (child_orders, child_news)
        self._beats: Any = spawn.RawValue("Q", 0)
        self._process = spawn.Process(
            target=serve,
            args=(child_orders, child_news, self._beats, PlanTexts.of(plan), opening),
            name="loop",
            daemon=True,
        )
        self._plan, self._rescue = plan, rescue or put_out
        self._trouble = ""
        self._rescued: str | None = None  # result of switching the laser off from here; None: not tried
        self._exit_code: int | None = None
        self._confirmed = False  # by its exit code: the laser is off, unless its last message has STILL_LIT
        self._ended, self._settled = threading.Event(), threading.Event()  # process; state of its laser
        self._failed: Exception | None = None  # why it could not be opened
        self._ending: threading.Thread | None = None  # ends the process after a failed opening
        self._watch = threading.Thread(target=self._wait_for_its_end, name="rescue", daemon=True)
        self._pipe_lock = threading.Lock()
        self._open = False
        self._until_s = 0.0  # deadline of the opening
        self._pause_until_s = 0.0  # no messages are read before this time
        self._heard_s = 0.0  # time of the last message
        self.note = ""  # last Note: the present step of the opening, or CLOSING
        self.details = ""  # traceback of the error that stopped it
        self.recorder_trouble = ""
        self._in_force, self.applies = InForce(), 0  # results and number of the APPLY orders
        self._recording = self._begun = self._over = self._dead = self._dark = self._lit = False
        self._buffer = TurnBuffer()
        self._newest: Turn | None = None
        self.stopwatch = Stopwatch()  # wall time of each stage of the turns
        self._returned: tuple[Returned, ...] = ()
        self._ring: Ring | None = None
        self._answers: deque[Reply] = deque()
        self._record_orders = self._record_replies = 0  # orders to record, and answers to them

    def __enter__(self) -> LoopProcess:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Open the instrument there and start the loop. Raises Refused and Fault; the process has then ended."""
        self.begin()
        try:
            while not self.opened():
                if self._ending is not None:
                    self._ending.join()
                else:
                    self._has_message(time.monotonic() + 1.0)
        except BaseException:
            self._ended.wait(1.0)
            raise

    def begin(self) -> None:
        """Begin to open the instrument there and return at once; `opened` is True when it is open."""
        self._begun, self._until_s = True, time.monotonic() + START_S
        self._process.start()
        self._watch.start()
        for end in self._theirs:
            end.close()
        self._news.start()

    def opened(self) -> bool:
        """Whether the loop runs. Never waits. Raises Refused and Fault; the process has then ended."""
        if self._open:
            return True
        if self._failed is not None:
            self._raise_after_end()
            return False
        try:
            self._hear()
            if self._answers:
                self._raise_error_of(self._answers.popleft())
                self._open = True
            elif self._over:
                raise Fault(self._end_reason or "the loop has ended")
            elif time.monotonic() > self._until_s:
                raise Fault(f"the loop's process did not open the rig within {START_S:g} s")
        except (Fault, Refused) as error:
            self._over, self._failed, self._trouble = True, error, self._end_reason or str(error)
            self._ending = threading.Thread(target=self._end_process, args=(1.0,), name="end of loop", daemon=True)
            self._ending.start()
        return self._open

    def _raise_after_end(self) -> None:
        """Raise the error of the opening, with the result of switching the laser off if that was needed."""
        assert self._failed is not None
        if self._ending is not None and self._ending.is_alive():
            return
        if isinstance(self._failed, Refused) or not self._rescued:
            raise self._failed
        raise Fault(f"{self._failed}; {self._rescued}")

    def beat(self) -> None:
        """Count one heartbeat of the window. The window's own thread calls it (app.running.heartbeat)."""
        self._beats.value += 1

    @property
    def trouble(self) -> str:
        """Why the loop stopped, in words; if its process died, also what was done about its light."""
        switching_off = self._over and self._ended.is_set() and self.light == "unknown"
        rescued = "the laser is being put out from here" if switching_off else self._rescued
        return "; ".join(text for text in (self._end_reason, rescued) if text)

    @property
    def _end_reason(self) -> str:
        return self._exit_description() if self._dead else self._trouble

    @property
    def light(self) -> Light:
        """State of the laser after the loop has ended; "dark" only if that was confirmed."""
        if self._only_simulated or not self._begun:
            return "dark"
        if self._dark and not self._lit:  # the last news; after it only the record was still open
            return "dark"
        if self._rescued is not None:
            return "may be on" if STILL_LIT in self._rescued else "dark"
        if self._confirmed:
            return "may be on" if STILL_LIT in self._trouble else "dark"
        return "may be on" if self._settled.is_set() else "unknown"

    @property
    def _only_simulated(self) -> bool:
        return self._plan.rig.laser.simulated

    @property
    def pid(self) -> int | None:
        """The process ID."""
        return self._process.pid

    @property
    def running(self) -> bool:
        self._hear()
        return self._begun and not self._over

    @property
    def dark(self) -> bool:
        """Whether the loop has ended and its beam is closed; its record may still be open on a slow disk."""
        return self._dark

    @property
    def lit(self) -> bool:
        """Whether the loop reported at its end that its laser may be on."""
        return self._lit

    @property
    def handle(self) -> int | None:
        """File descriptor that is readable when the next message is here; None if not running, or not on POSIX."""
        return self._news.handle if self.running and os.name == "posix" else None

    @property
    def newest(self) -> Turn | None:
        """The newest turn, with its image."""
        self._hear()
        return self._newest

    @property
    def recording(self) -> bool:
        self._hear()
        return self._recording and not self._over

    @property
    def silence(self) -> str:
        """Warning that a running loop sends no news, and what happens to its light; empty while it sends news."""
        self._hear()
        silent_s = time.monotonic() - self._heard_s
        if not self._open or self._over or silent_s <= SILENT_S:
            return ""
        by_hand = "" if self._only_simulated else "; switch the laser off by hand"
        return f"the loop does not answer for {silent_s:.1f} s; {self._dead_man_actions()}{by_hand}"

    @property
    def in_force(self) -> InForce:
        """Results of the APPLY orders."""
        self._hear()
        return self._in_force

    def returned(self) -> tuple[Returned, ...]:
        """Settings as read back from the devices."""
        self._hear()
        return self._returned

    def order(self, kind: OrderKind, text: str = "", machine: Machine | None = None) -> None:
        """Send an order, which acts in the next turn. Of an APPLY only the text is sent; `machine` stays here."""
        self.applies += kind is OrderKind.APPLY
        if kind is OrderKind.APPLY and (modules := allowed()):
            self._say(Permission(modules))
        self._say(Order(kind, text))

    def apply(self, plan: Plan, machine: Machine | None = None) -> None:
        """Use the experiment of this plan from the next turn on. Its machine is built there."""
        self.order(OrderKind.APPLY, write(plan.experiment))

    def record(self, path: Path | None) -> None:
        """Record every turn from the next one on in a new file; None ends the record. Nothing else changes.

        It waits for the answer. Raises Refused and Fault; a record that was open then continues.
        """
        if self.running:
            self.ask_record(path)
            self._wait(ANSWER_S)

    def ask_record(self, path: Path | None) -> None:
        """As `record`, without waiting; `answered` gives the result. Raises Fault if the last one has no answer yet."""
        if not self.running:
            raise Fault(self.trouble or "the loop has ended")
        if self._record_orders > self._record_replies:
            raise Fault("the loop's process has not answered the last order to record")
        self._answers.clear()
        self._record_orders += 1
        self._say(RecordOrder(path))

    def answered(self) -> bool:
        """Whether the last `ask_record` has its answer. Never waits. Raises the errors of `record`, once."""
        self._hear()
        if self._answers:
            self._raise_error_of(self._answers.popleft())
        if self._record_orders > self._record_replies and self._over:
            self._record_replies = self._record_orders
            raise Fault(self.trouble or "the loop has ended")
        return self._record_orders == self._record_replies

    def recent(self, after: int = 0) -> list[tuple[int, Turn]]:
        """(count, turn) of all turns whose count is above `after`, oldest first, without images."""
        self._hear()
        return self._buffer.recent(after)

    def pace(self) -> Pace:
        self._hear()
        return self._buffer.pace()

    def latencies_s(self) -> NDArray[np.float64]:
        """[K] times from mid-exposure to the sending of the command, of the last turns."""
        self._hear()
        return self._buffer.latencies_s()

    def close(self, patience_s: float = 10.0) -> None:
        """End the loop: the camera is closed, the beam is dark and its devices are released. Then the record is closed.

        Raises Fault if this took too long, or if the laser may be on afterwards.
        """
        if not self._begun:
            self._close_pipes()
            return
        if not self._open:
            self._process.terminate()  # it is still opening, dark
            self._end_process(OPENING_S)
            self._require_dark()
            return
        not_responding, had_ended, began_s = bool(self.silence), self._over, time.monotonic()
        self._say(None)
        left_s = self._wait_for_over(HUNG_S if not_responding else min(patience_s, REPLY_S), patience_s)
        timed_out = not self._over
        self._end_process(max(left_s, 1.0))
        if timed_out and self._exit_code != 0:
            self._dead = True
            light = f"; {self._rescued or STILL_LIT}" if self.light != "dark" or self._rescued else ""
            outcome = "it was ended by force" if self._ended.is_set() else "it could not be ended by force"
            raise Fault(f"the loop's process did not end within {time.monotonic() - began_s:.0f} s; {outcome}{light}")
        self._require_dark()
        if not self._ended.is_set():
            raise Fault("the loop's process could not be ended")
        if not had_ended and self._trouble not in self.recorder_trouble:
            self.recorder_trouble = "; ".join(filter(None, (self.recorder_trouble, self._trouble)))

    def _wait_for_over(self, reply_s: float, patience_s: float) -> float:
        """Wait until the loop has ended: reply_s for its reply, then patience_s, and again patience_s once it is dark.

        Returns the remaining time in s. Only time in which this process runs counts: after a pause of the whole program
        the reply may already be in the pipe.
        """
        left_s, replied = reply_s, False
        while not self._over and left_s > 0.0:
            began_s = time.monotonic()
            arrived = self._has_message(began_s + min(SLICE_S, left_s))
            self._hear()
            if arrived and self._dark:  # it repeats this message while a slow disk has the record
                left_s = patience_s
            elif self.note == CLOSING and not replied:
                replied, left_s = True, patience_s
            else:
                left_s -= min(time.monotonic() - began_s, 2.0 * SLICE_S)
        return left_s

    def _require_dark(self) -> None:
        """Raises Fault if the laser has not confirmed that it is off, also after one more attempt from here."""
        if self.light != "dark":
            self._settled.wait(RESCUE_S)
        if self.light != "dark":
            self._rescued = switch_off_in_time(self._plan, self._rescue)
        if self.light != "dark":
            raise Fault(self.trouble or f"{STILL_LIT}: the loop's process ended before it was asked")

    # the pipes ------------------------------------------------------------------------------------------------------

    def _say(self, message: Order | RecordOrder | Permission | None) -> None:
        if not self._over:
            self._orders.send(message)

    def _wait(self, patience_s: float) -> None:
        """Wait for an answer. Raises its error."""
        until_s = time.monotonic() + patience_s
        while not self._answers:
            if self._over:
                raise Fault(self.trouble or "the loop has ended")
            if not self._has_message(until_s):
                raise Fault(f"the loop's process did not answer within {patience_s:g} s")
            self._hear()
        self._raise_error_of(self._answers.popleft())

    def _raise_error_of(self, answer: Reply) -> None:
        """Raise the error of the answer, if any."""
        if answer.trouble:
            self.details = answer.details
            raise Refused(answer.trouble) if answer.refused else Fault(answer.trouble)

    def _has_message(self, until_s: float = 0.0) -> bool:
        """Whether a message, or the end of the pipe, arrives before `until_s`."""
        return self._news.wait(until_s - time.monotonic())

    def _hear(self) -> None:
        """Read the messages that came since the last call. Never waits; takes at most half of this thread's time.

        If messages come faster than they are read, reading would never end. Instead it pauses; the pipe fills, and the
        other process waits.
        """
        newest: News | None = None
        began_s = time.monotonic()
        if began_s < self._pause_until_s:
            return
        try:
            while self._begun and not self._over and self._has_message():
                message = self._news.take()
                self._take(message)
                newest = message if isinstance(message, News) and message.turns else newest
                if time.monotonic() - began_s > HEAR_S:
                    self._pause_until_s = time.monotonic() + HEAR_S
                    break
        except EOFError:
            self._pipe_ended()
        if newest is not None:
            self._newest = self._with_image(newest)
        if self._over:
            self._close_pipes()

    def _take(self, message: News | Reply | Over | Note) -> None:
        self._heard_s = time.monotonic()
        if isinstance(message, Note):
            self.note = message.text
        elif isinstance(message, Reply):
            self._record_replies += self._open
            self._answers.append(message)
        elif isinstance(message, Over):
            self._trouble, self.details, self._over = message.trouble, message.details, True
        else:
            for turn in message.turns:
                self._buffer.add(turn)
            self._recording, self.recorder_trouble = message.recording, message.recorder_trouble
            self._returned, self.stopwatch = message.returned, message.stopwatch
            self._in_force, self._dark, self._lit = message.in_force, message.dark, message.lit
            self._attach(message.place)

    def _attach(self, place: Place | None) -> None:
        if place is None or (self._ring is not None and self._ring.place == place):
            return
        if self._ring is not None:
            self._ring.close()
        try:
            self._ring = Ring.at(place)
        except OSError:  # the other process and its images are gone, or there is no memory here
            self._ring = None

    def _with_image(self, news: News) -> Turn:
        """The last of these turns, with its image; without a frame if newer images have overwritten it."""
        turn = news.turns[-1]
        if turn.frame is None:
            return turn
        image = self._ring.get(news.sequence) if self._ring is not None and news.place is not None else None
        return replace(turn, frame=replace(turn.frame, image=image) if image is not None else None)

    def _pipe_ended(self) -> None:
        """The pipe ended without the last message (Over)."""
        self._over = self._dead = True
        self._settled.wait(EXIT_S)

    def _exit_description(self) -> str:
        """How the process ended, and what each device of this rig then does with the light."""
        code = self._exit_code
        ending = "does not answer any more" if code is None else f"ended with {code}"
        if code is not None and code < 0:
            ending = f"was killed by {signal.Signals(-code).name}"
        light = f"; {self._dead_man_actions()}" if self._open else ""
        return f"the loop's process {ending}{light}"

    def _dead_man_actions(self) -> str:
        """What each device does by itself when the program does not answer."""
        rig = self._plan.rig
        return f"laser: {rig.laser.dead_man}; deflector: {rig.deflector.dead_man}"

    def _wait_for_its_end(self) -> None:
        """Wait for the exit of the process, in a thread of its own: a busy window must not delay the rescue.

        No other thread may join the process: only one of them would get its exit code.
        """
        connection.wait([self._process.sentinel])
        self._process.join()
        code, until_s = self._process.exitcode, time.monotonic() + 1.0
        while code is None and time.monotonic() < until_s:  # another thread, which starts a process, is reading it
            time.sleep(0.01)
            code = self._process.exitcode
        self._exit_code = code
        self._confirmed = code == 0 or code in {128 + number for number in signals.numbers()}
        self._ended.set()
        if not self._confirmed and (self._lit or not self._dark):
            self._rescued = self._rescue(self._plan)
        self._settled.set()

    def _end_process(self, patience_s: float) -> None:
        """End the process, if necessary by force, and wait until the state of its laser is settled."""
        self._over = True
        self._news.leave()  # drops later messages, so that a process that sends them is not blocked
        if not self._ended.wait(patience_s):
            self._process.terminate()
        if not self._ended.wait(CLOSES_S if self.note == CLOSING else TERMINATE_S):
            self._process.kill()
        if self._ended.wait(TERMINATE_S):
            self._settled.wait(RESCUE_S)
        else:  # the system can't end a process that waits for a disk or a device that does not respond
            process._children.discard(self._process)  # type: ignore[attr-defined]  # our exit would wait for it
            self._rescued = None if self._only_simulated else switch_off_in_time(self._plan, self._rescue)
        self._close_pipes()

    def _close_pipes(self) -> None:
        with self._pipe_lock:
            for end in self._theirs:
                end.close()
            self._orders.leave()
            self._news.leave()
        if self._ring is not None:
            with suppress(FileNotFoundError):
                self._ring.remove()
            self._ring = None
