"""The ends of the pipes to another process, with threads of their own: a process that hangs blocks no call here.

A pipe has a limited capacity, and the other process may stop in the middle of a message. A plain `send` or `recv` then
waits for as long as that process is stopped.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

MOST_RECEIVED = 2  # messages received and not yet taken; more stay in the pipe, and the other process waits
LENGTH_BYTES = 4  # bytes of the length that a Connection writes before a message


class ReceivingEnd:
    """Receives messages. `start` begins to receive; messages after `leave` are dropped."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._messages: deque[Any] = deque()
        self._changed = threading.Condition()
        self._receiver: threading.Thread | None = None
        self._ended = self._left = False
        self._bell: tuple[socket.socket, ...] = ()  # contains one byte while a message, or the end, can be taken

    def start(self) -> None:
        """Receive from now on, until the other end is closed. Call `leave` after it."""
        self._bell = socket.socketpair()
        receiver = threading.Thread(target=self._receive, name="receiver", daemon=True)
        receiver.start()
        self._receiver = receiver

    @property
    def handle(self) -> int:
        """File descriptor that is readable while a message, or the end, can be taken."""
        return self._bell[0].fileno()

    def wait(self, patience_s: float = 0.0) -> bool:
        """Whether a message, or the end, arrives within `patience_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._messages) or self._ended, max(patience_s, 0.0))

    def take(self) -> Any:
        """The next message. Never waits; call it if `wait` is true. Raises EOFError after the last message."""
        with self._changed:
            if not self._messages:
                raise EOFError
            message = self._messages.popleft()
            if not self._messages and not self._ended:
                self._bell[0].recv(1)
            self._changed.notify_all()
            return message

    def leave(self) -> None:
        """Stop receiving. The receiver closes the pipe when the other process closes its end or exits."""
        with self._changed:
            self._left = self._ended = True
            self._messages.clear()
            self._changed.notify_all()
            for end in self._bell:
                end.close()
            if self._receiver is None:
                self._pipe.close()

    def _receive(self) -> None:
        """In the receiver's thread."""
        try:
            while True:
                message = self._pipe.recv()
                with self._changed:
                    self._changed.wait_for(lambda: len(self._messages) < MOST_RECEIVED or self._left)
                    if not self._left:
                        self._ring_once()
                        self._messages.append(message)
        except Exception:  # noqa: BLE001  the pipe is broken, or a message was cut off: the other process has ended
            with self._changed:
                self._ring_once()
                self._ended = True
        finally:
            self._pipe.close()

    def _ring_once(self) -> None:
        if not self._messages and not self._ended:
            self._bell[1].send(b"!")
        self._changed.notify_all()


class SendingEnd:
    """Sends messages to the other process, in sequence. No call waits."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._messages: deque[bytes] = deque()  # pickled messages that did not fit at once
        self._changed = threading.Condition()
        self._sender: threading.Thread | None = None
        self._left = False

    def send(self, message: Any) -> None:
        """Send a message at once if it fits into the pipe; else a thread sends it as soon as there is room."""
        pickled = bytes(ForkingPickler.dumps(message))
        with self._changed:
            if self._left:
                return
            if self._sender is None and not self._messages and self._fits(pickled):
                with suppress(OSError):  # the other process is gone; the receiving end finds that
                    self._pipe.send_bytes(pickled)
                return
            self._messages.append(pickled)
            self._changed.notify_all()
            if self._sender is None:
                sender = threading.Thread(target=self._send, name="sender", daemon=True)
                sender.start()  # it waits for this lock; if the start fails, the next message tries again
                self._sender = sender

    def leave(self) -> None:
        """Stop sending and close the pipe; a thread that is still sending closes it itself."""
        with self._changed:
            self._left = True
            self._messages.clear()
            if self._sender is None:
                self._pipe.close()

    def _fits(self, pickled: bytes) -> bool:
        """Whether a write would not block. POSIX: a pipe that is ready takes PIPE_BUF bytes at once."""
        if os.name != "posix" or len(pickled) + LENGTH_BYTES > select.PIPE_BUF:
            return False
        room = select.poll()  # not select, which takes no file descriptors above 1023
        room.register(self._pipe.fileno(), select.POLLOUT)
        return any(event & select.POLLOUT for _, event in room.poll(0))

    def _send(self) -> None:
        """In the sender's thread, which ends when everything is sent."""
        try:
            while (pickled := self._next()) is not None:
                self._pipe.send_bytes(pickled)
        except OSError:
            self.leave()
            self._pipe.close()

    def _next(self) -> bytes | None:
        with self._changed:
            if self._messages:
                return self._messages.popleft()
            self._sender = None
            if self._left:
                self._pipe.close()
            return None
