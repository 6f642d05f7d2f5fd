"""Clocks of the simulated rig: lockstep (time of the world, without waiting) and paced (wall time)."""

from __future__ import annotations

import time

from drivers.sim.world import World


class LockstepClock:
    """World time: it advances only when the camera advances the world."""

    def __init__(self, world: World, latency_s: float) -> None:
        self._world = world
        self.latency_s = latency_s  # simulated computing time; lockstep has none of its own

    def now_s(self) -> float:
        return self._world.now_ns * 1e-9

    def now_ns(self) -> int:
        return self._world.now_ns

    def acts_ns(self) -> int:
        """Time at which a command sent at present leaves the computer."""
        return self._world.now_ns + round(self.latency_s * 1e9)

    def wait_until(self, at_ns: int) -> None:
        """Return at once: the camera advances the world instead."""


class PacedClock:
    """Wall time since the start, times `rate`."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._start_ns = time.monotonic_ns()

    def now_s(self) -> float:
        return self.now_ns() * 1e-9

    def now_ns(self) -> int:
        return self.at_ns(time.monotonic_ns())

    def at_ns(self, monotonic_ns: int) -> int:
        """Time of this clock at a time of the computer's monotonic clock."""
        return int((monotonic_ns - self._start_ns) * self.rate)

    def acts_ns(self) -> int:
        """Time at which a command sent at present leaves the computer: at once."""
        return self.now_ns()

    def wait_until(self, at_ns: int) -> None:
        remaining_s = (at_ns - self.now_ns()) * 1e-9 / self.rate
        if remaining_s > 0:
            time.sleep(remaining_s)


SimulatedClock = LockstepClock | PacedClock
