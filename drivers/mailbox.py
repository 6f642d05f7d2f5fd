"""A one-slot mailbox from a camera's grab thread to the loop: the newest frame, and the number of replaced ones."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from control.contract import Ended

T = TypeVar("T")


class Latest(Generic[T]):
    """`put` never waits, and replaces a value that was not taken; `take` waits for a new value."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._error: Exception | None = None
        self._closed = False
        self._replaced = 0

    @property
    def replaced(self) -> int:
        """Number of values that were replaced before they were taken."""
        with self._changed:
            return self._replaced

    def put(self, value: T) -> None:
        """Store the newest value. After `close` or `fail` it is ignored."""
        with self._changed:
            if self._closed or self._error is not None:
                return
            self._replaced += self._value is not None
            self._value = value
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Pass an error of the putting thread to the taking thread, where `take` raises it instead of an old value."""
        with self._changed:
            self._value, self._error = None, error
            self._changed.notify_all()

    def close(self) -> None:
        """Accept no more values; a waiting `take` returns at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, timeout_s: float) -> T | None:
        """The newest value, once; None after timeout_s without one. Raises the error of `fail`, once, or Ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._value is not None or self._error or self._closed, timeout_s)
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._value is None and self._closed:
                raise Ended("there are no more frames")
            value, self._value = self._value, None
            return value
