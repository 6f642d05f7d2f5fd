"""A device on a serial line: requests with a timeout, and the reason for each failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TypeVar

import serial

from config.words import quoted
from control.contract import Fault

try:
    import fcntl
    import termios

    # errors of pyserial for a line that is lost, closed or invalid; termios.error is not an OSError
    GONE: tuple[type[Exception], ...] = (
        serial.SerialException, OSError, ValueError, TypeError, OverflowError, termios.error,
    )  # fmt: skip
except ImportError:  # Windows, where a port always has one owner
    fcntl = None  # type: ignore[assignment]
    GONE = (serial.SerialException, OSError, ValueError, TypeError, OverflowError)

T = TypeVar("T")

FASTEST_BAUD = 20_000_000  # bits per second: more than any adapter has; a system call takes 31 bits
AGAIN_S = 0.25  # interval of the attempts to find a lost device
BLOCKED_S = 0.25  # a line that accepts no bytes for this time is lost
DRAIN_S = 0.001  # interval of the checks whether a port has sent everything
BUSY_S = 0.05  # longest wait of a thread for the request of another thread


class SerialLine:
    """The line of one device. An error on it is a Fault that names the device, and closes the line.

    Requests of several threads go one after the other. If the line is busy for BUSY_S, the waiting thread gets a Fault,
    and the line stays open: the watchdog must reach the next shutter while a device does not answer another thread.

    Args:
        what: name of the device at the beginning of error texts.
        greet: called each time that the line was opened: identifies the device and initialises it.
    """

    def __init__(self, what: str, port: str, baud: int, timeout_s: float, greet: Callable[[], None]) -> None:
        self.what, self.port = f"{what} at {quoted(port, 120)}", port
        self.trouble = "not yet open"  # "" while the line is good
        self._baud, self._timeout_s, self._greet = baud, timeout_s, greet
        self._lock = RLock()
        self._serial: serial.Serial | None = None
        self._partial = b""
        self._retry_s = -1.0
        self._closed = False

    def connect(self) -> None:
        """Open the line, if it is closed, and greet. Raises Fault; within AGAIN_S after a failure, the same one."""
        with self._owned():
            if self._serial is not None:
                return
            if self._closed:
                raise Fault(f"{self.what} is closed")
            if time.monotonic() < self._retry_s:
                raise Fault(self.trouble)
            try:
                self._serial = self._port_opened()
            except GONE as error:
                raise self.lost(f"it can't be opened ({_plain(error)})") from None
            self._partial = b""
            try:
                self._greet()
            except BaseException as error:  # after any error: a line that was not greeted is closed
                self._drop(str(error) if isinstance(error, Fault) else f"{self.what}: it was not greeted to the end")
                raise
            self.trouble = ""

    def ask(
        self, request: bytes, end: bytes, parse: Callable[[bytes], T | None], *, tries: int = 1, in_step: bool = False
    ) -> T:
        """Send `request`, and return the first result of `parse` that is not None.

        Args:
            end: pieces end with it; `parse` gets them without it.
            parse: parses a piece; None if it is not the answer (a late one, a damaged one); it may raise Fault.
            tries: number of attempts; more than one only for requests that may be repeated.
            in_step: for a device whose answers do not identify their requests. Bytes before the request, or after its
                answer, are a Fault: one of the answers belonged to another request.

        Raises Fault if there is no answer, or the line is lost or busy. It never opens the line.
        """
        with self._owned():
            if self._serial is None:
                raise Fault(f"{self.what} is closed" if self._closed else self.trouble)
            for _ in range(tries):
                try:
                    if in_step:
                        self._require_nothing_waits(self._serial)
                    self._serial.write(request)
                    answer = self._read(self._serial, end, parse)
                    if in_step and answer is not None:
                        self._require_nothing_waits(self._serial)
                except Fault as fault:  # after an invalid answer, the request of the next one would be unknown
                    self._drop(str(fault))
                    raise
                except GONE as error:
                    raise self.lost(f"it is gone ({_plain(error)})") from None
                if answer is not None:
                    return answer
            raise self.lost(f"no answer within {self._timeout_s * 1e3:.0f} ms")

    def hush(self, quiet_s: float) -> None:
        """Wait for quiet_s, and discard all received bytes. Raises Fault."""
        with self._owned():
            if self._serial is None:
                raise Fault(self.trouble)
            time.sleep(quiet_s)
            try:
                self._serial.reset_input_buffer()
            except GONE as error:
                raise self.lost(f"it is gone ({_plain(error)})") from None
            self._partial = b""

    def write_blind(self, request: bytes) -> bool:
        """Send `request` without waiting for an answer, after opening the port again if need be. Never raises.

        It is for a darkening command, if only the device's answers are lost. If the line is busy for BUSY_S, it is sent
        between the other thread's request and its answer. Returns whether the port sent it.
        """
        if not self._lock.acquire(timeout=BUSY_S):
            line = self._serial
            return line is not None and _written(line, request)
        try:
            if self._closed:
                return False
            if self._serial is not None:
                return _written(self._serial, request)
            try:
                line = self._port_opened()
            except GONE:
                return False
            sent = False
            try:
                sent = _written(line, request)
            finally:
                _release(line, sent)
            return sent
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the line permanently, after a running request of another thread. Then the port is free."""
        with self._lock:
            self._closed = True
            self._drop(f"{self.what} is closed")

    @contextmanager
    def _owned(self) -> Iterator[None]:
        """Exclusive use of the line by this thread. Raises Fault if another thread uses it for BUSY_S."""
        if not self._lock.acquire(timeout=BUSY_S):
            raise Fault(f"{self.what} has not answered another request yet")
        try:
            yield
        finally:
            self._lock.release()

    def _port_opened(self) -> serial.Serial:
        return serial.Serial(self.port, self._baud, timeout=self._timeout_s, write_timeout=BLOCKED_S, exclusive=True)

    def _read(self, line: serial.Serial, end: bytes, parse: Callable[[bytes], T | None]) -> T | None:
        until_s = time.monotonic() + self._timeout_s
        while True:
            *pieces, self._partial = self._partial.split(end)
            for index, piece in enumerate(pieces):
                answer = parse(piece)
                if answer is not None:
                    self._partial = end.join((*pieces[index + 1 :], self._partial))
                    return answer
            late_s = time.monotonic() - until_s
            if late_s > self._timeout_s or (late_s > 0 and not line.in_waiting):
                return None  # a delayed thread still reads an answer that has arrived
            self._partial += line.read(max(line.in_waiting, 1))

    def _require_nothing_waits(self, line: serial.Serial) -> None:
        """Raises Fault if there is an answer without a request. Empty lines are dropped."""
        if not self._partial and not line.in_waiting:
            return
        received, self._partial = self._partial + line.read(line.in_waiting), b""
        if received.strip():
            raise Fault(f"{self.what} sent '{quoted(received.strip(), 80)}' when nothing had been asked: its answers "
                        "may belong to other requests")  # fmt: skip

    def require_same(self, before: str, answers: str) -> None:
        """Raises Fault if the name `answers` of the device is not `before`; "": no device answered before."""
        if before and answers != before:
            raise Fault(
                f"{self.what}: another device answers, '{quoted(answers, 120)}', and the rig was opened with "
                f"'{quoted(before, 120)}'; close the rig and open it again with this one"
            )

    def lost(self, why: str) -> Fault:
        """Close the line, and return the Fault to raise. The next `connect` opens it again."""
        self._drop(f"{self.what}: {why}")
        return Fault(self.trouble)

    def _drop(self, trouble: str) -> None:
        self.trouble = trouble
        self._retry_s = time.monotonic() + AGAIN_S
        line, self._serial = self._serial, None
        if line is not None:
            _release(line)


def _written(line: serial.Serial, request: bytes) -> bool:
    """Send a request. Returns whether the port sent all bytes within BLOCKED_S after it accepted them.

    pyserial's `flush` would wait without limit if the device blocks the port.
    """
    try:
        line.write(request)
        until_s = time.monotonic() + BLOCKED_S
        while line.out_waiting:
            if time.monotonic() > until_s:
                return False
            time.sleep(DRAIN_S)
    except GONE:
        return False
    return True


def _release(line: serial.Serial, all_sent: bool = False) -> None:
    """Unlock the port, discard unsent bytes, and close it.

    Unsent bytes may delay the closing by 30 s. If all were sent, nothing is discarded: on a pseudo-terminal that would
    remove bytes that the other side has not read yet.

    The lock belongs to the open file, and a process that another thread is forking has a copy of it until it executes
    its program: so closing does not free the port, but unlocking does.
    """
    descriptor = getattr(line, "fd", None)
    if fcntl is not None and descriptor is not None:
        with suppress(OSError):  # the device is gone, and its lock with it
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    if not all_sent:
        with suppress(*GONE):
            line.reset_output_buffer()
    with suppress(OSError):  # the device is gone
        line.close()


def _plain(error: Exception) -> str:
    """The system's error text, without pyserial's additions."""
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    return message.removeprefix("write failed: ").removeprefix("read failed: ")
