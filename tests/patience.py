"""Waits with a generous limit: a wait that succeeds ends at once, and a busy computer needs minutes."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 240.0
PATIENCE_MS = 240_000


def until(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Returns once `true()` holds. Raises AssertionError after `patience_s`."""
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s, f"waited {patience_s:g} s in vain"
        time.sleep(0.005)
