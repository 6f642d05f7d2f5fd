"""The last turns, for trails and plots, with rate and latency of the loop."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from control.contract import Turn

REMEMBERED = 4000  # turns without their images, for trails and plots
MEASURED = 500  # turns over which rate and latency are measured


@dataclass(frozen=True)
class Pace:
    """Rate and latency of the loop. nan: not measured yet."""

    rate_hz: float
    latency_p50_s: float
    latency_p99_s: float
    dropped: int
    turns: int


class TurnBuffer:
    """Buffer of turns: one thread adds them, another reads them."""

    def __init__(self) -> None:
        self.newest: Turn | None = None
        self._lock = threading.Lock()
        self._turns: deque[tuple[int, Turn]] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._measured = np.full((MEASURED, 2), np.nan)  # [turn, (frame time, latency)] s

    def add(self, turn: Turn) -> None:
        """Add a turn; the first turn of a loop restarts the measurement."""
        slim = replace(turn, frame=None)
        with self._lock:
            self.newest = turn
            self._count += 1
            self._turns.append((self._count, slim))
            if turn.number == 0:
                self._measured[:] = np.nan
            if turn.frame is not None:
                latency_s = turn.sent_s - turn.frame.time_s
                self._measured[self._count % MEASURED] = turn.frame.time_s, latency_s

    def recent(self, after: int = 0) -> list[tuple[int, Turn]]:
        """(count, turn) of all turns whose count is above `after`, oldest first, without images."""
        with self._lock:
            missing = min(self._count - after, len(self._turns))
            return [self._turns[index] for index in range(-missing, 0)]

    def pace(self) -> Pace:
        with self._lock:
            measured, turns, newest = self._measured.copy(), self._count, self.newest
        dropped = newest.dropped if newest is not None else 0
        measured = measured[np.isfinite(measured).all(axis=1)]
        if len(measured) < 2:
            return Pace(np.nan, np.nan, np.nan, dropped, turns)
        span_s = float(np.ptp(measured[:, 0]))
        rate_hz = (len(measured) - 1) / span_s if span_s > 0 else np.nan
        p50_s, p99_s = np.percentile(measured[:, 1], [50, 99]).tolist()
        return Pace(rate_hz, p50_s, p99_s, dropped, turns)

    def latencies_s(self) -> NDArray[np.float64]:
        """[K] times from mid-exposure to the sending of the command, of the last turns."""
        with self._lock:
            latency_s = self._measured[:, 1].copy()
        finite_s: NDArray[np.float64] = latency_s[np.isfinite(latency_s)]
        return finite_s
