"""A one-slot mailbox between a camera's grab thread and the loop: the newest frame, and how many it replaced."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from control.contract import Ended

T = TypeVar("T")


class Latest(Generic[T]):
    """`put` never waits and replaces what nobody took; `take` waits for what is newer than what was taken."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._error: Exception | None = None
        self._closed = False
        self._replaced = 0

    @property
    def replaced(self) -> int:
        """How many values were replaced before anybody took them."""
        with self._changed:
            return self._replaced

    def put(self, value: T) -> None:
        """The newest value. After `close` or `fail` it is ignored."""
        with self._changed:
            if self._closed or self._error is not None:
                return
            self._replaced += self._value is not None
            self._value = value
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """What went wrong in the thread that puts: raised in the one that takes, instead of an old value."""
        with self._changed:
            self._value, self._error = None, error
            self._changed.notify_all()

    def close(self) -> None:
        """No more values; whoever waits is told at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, timeout_s: float) -> T | None:
        """The newest value, once; None after timeout_s without one. Raises what `fail` was given, once, or Ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._value is not None or self._error or self._closed, timeout_s)
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._value is None and self._closed:
                raise Ended("there are no more frames")
            value, self._value = self._value, None
            return value
