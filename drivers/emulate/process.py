"""The process of an emulator: serial line, control channel (stdin), log, and a stream of its beam's states.

The first message to each listener also has the "port" of the line: the light of the stream is that of the device there.
"""

from __future__ import annotations

import json
import os
import random
import selectors
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from config.refused import Refused
from drivers.emulate.faults import Trouble, ordered, spoiled
from drivers.emulate.log import Log
from drivers.emulate.terminal import Terminal

LOOPBACK = "127.0.0.1"
LONGEST_WAIT_S = 1.0
LINGER_NS = 2_000_000_000  # end of the process after the end of its input: time for the watchdog to act


class Device(Protocol):
    """An emulated device."""

    @property
    def deadline_ns(self) -> int | None: ...

    def expire(self, now_ns: int) -> None: ...

    def state(self) -> dict[str, Any]: ...

    def receive(self, data: bytes, now_ns: int) -> list[bytes]: ...

    def interlock(self, closed: bool, now_ns: int) -> None: ...

    def power(self, factor: float, now_ns: int) -> None: ...

    def mode(self, number: int) -> None: ...


Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Options:
    link: Path | None = None  # symbolic link to the line
    stream_port: int = 0  # port of the stream; 0: any
    log: Path | None = None  # JSON lines; None: standard output
    faults: tuple[str, ...] = ()  # orders at the start
    ends_with_input: bool = False


class Emulator:
    """Runs one device until it is ordered to end."""

    def __init__(self, make: Callable[[Tell, int], Device], options: Options) -> None:
        """Raises Refused, OSError, without leaving a link or an empty log."""
        self._options = options
        self._listeners: list[socket.socket] = []
        self._faults = Trouble()
        self._generator = random.Random(0)
        self._late: list[tuple[int, bytes]] = []  # (due time, answer), in the order of their requests
        self._end_ns: int | None = None
        self._partial = b""
        with ExitStack() as failing:
            self._log = Log(options.log)
            failing.callback(self._log.close)
            self._stream = socket.create_server((LOOPBACK, options.stream_port))
            failing.callback(self._stream.close)
            self._stream.setblocking(False)
            self._terminal = Terminal(options.link)
            failing.callback(self._terminal.unplug)
            self._device = make(self._notify, time.monotonic_ns())
            self._selector = selectors.DefaultSelector()
            self._close = failing.pop_all()  # nothing failed: do not close

    def run(self) -> None:
        """Run until `end`, or LINGER_NS after the end of the input with `ends_with_input`. Raises OSError (log)."""
        with self._close:
            self._selector.register(self._stream, selectors.EVENT_READ, self._accept)
            self._watch_input()
            self._watch_line()
            host, port = self._stream.getsockname()[:2]
            self._write({"event": "ready", "port": self._terminal.port, "stream": f"{host}:{port}", "pid": os.getpid()})
            for line in self._options.faults:
                self._obey(line)
            try:
                while not self._is_finished():
                    for key, _ in self._selector.select(self._wait_s()):
                        key.data()
                    self._device.expire(time.monotonic_ns())
                    self._send_late()
            finally:
                self._terminal.unplug()
                self._write({"event": "ended"})

    def _is_finished(self) -> bool:
        return self._faults.ended or (self._end_ns is not None and time.monotonic_ns() > self._end_ns)

    def _wait_s(self) -> float:
        """Time until the next event is due."""
        events_ns = [self._device.deadline_ns, self._late[0][0] if self._late else None, self._end_ns]
        first_ns = min((event_ns for event_ns in events_ns if event_ns is not None), default=None)
        if first_ns is None:
            return LONGEST_WAIT_S
        return min(max((first_ns - time.monotonic_ns()) * 1e-9, 0.0), LONGEST_WAIT_S)

    def _watch_line(self) -> None:
        if self._terminal.device is not None:
            self._selector.register(self._terminal.device, selectors.EVENT_READ, self._receive)

    def _watch_input(self) -> None:
        try:
            self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._read_input)
        except (ValueError, OSError, AttributeError):  # no input, or a file: it can't be watched
            return

    def _receive(self) -> None:
        for answer in self._device.receive(self._terminal.read(), time.monotonic_ns()):
            wait_s, answer = spoiled(self._faults, answer, self._generator)
            if wait_s > 0 or self._late:  # a serial device sends no answer before the answer to an earlier request
                due_ns = time.monotonic_ns() + round(wait_s * 1e9)
                self._late.append((max(due_ns, self._late[-1][0]) if self._late else due_ns, answer))
            else:
                self._terminal.write(answer)

    def _send_late(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic_ns():
            self._terminal.write(self._late.pop(0)[1])

    def _read_input(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._obey(line.decode("utf-8", "replace").strip())
        if data:
            return
        self._selector.unregister(sys.stdin.fileno())
        if self._options.ends_with_input:
            self._end_ns = time.monotonic_ns() + LINGER_NS

    def _obey(self, line: str) -> None:
        try:
            after = ordered(self._faults, line)
        except Refused as refused:
            self._write({"event": "refused", "why": str(refused)})
            return
        before, self._faults = self._faults, after
        self._write({"event": "order", "order": line})
        if before.plugged and not after.plugged and self._terminal.device is not None:
            self._selector.unregister(self._terminal.device)
            self._terminal.unplug()
        elif after.plugged and not before.plugged:
            self._terminal.plug()
            self._watch_line()
        if after.interlock_closed is not before.interlock_closed:
            self._device.interlock(after.interlock_closed, time.monotonic_ns())
        if after.power_factor != before.power_factor:
            self._device.power(after.power_factor, time.monotonic_ns())
        if after.mode is not None:
            self._device.mode(after.mode)
            self._faults = replace(after, mode=None)

    def _accept(self) -> None:
        listener, _ = self._stream.accept()
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listeners.append(listener)
        self._send(listener, {"port": self._terminal.port, **self._device.state()})

    def _notify(self, state: dict[str, Any]) -> None:
        """Write a state to the log, and send it to all listeners."""
        self._write(state)
        for listener in tuple(self._listeners):
            self._send(listener, state)

    def _send(self, listener: socket.socket, state: dict[str, Any]) -> None:
        try:
            listener.sendall(json.dumps(state).encode() + b"\n")
        except OSError:  # gone, or not reading: a closed stream means dark
            listener.close()
            self._listeners.remove(listener)

    def _write(self, record: dict[str, Any]) -> None:
        self._log.write(record)
