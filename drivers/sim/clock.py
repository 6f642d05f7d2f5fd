"""The simulated rig's clocks: lockstep (the world's own time; nobody waits) and paced (by the wall)."""

from __future__ import annotations

import time

from drivers.sim.world import World


class LockstepClock:
    """World time: it moves only when the camera lets the world advance."""

    def __init__(self, world: World, latency_s: float) -> None:
        self._world = world
        self.latency_s = latency_s  # the computing time, which lockstep itself does not have

    def now_s(self) -> float:
        return self._world.now_ns * 1e-9

    def now_ns(self) -> int:
        return self._world.now_ns

    def acts_ns(self) -> int:
        """When a command that is sent now leaves the computer."""
        return self._world.now_ns + round(self.latency_s * 1e9)

    def wait_until(self, at_ns: int) -> None:
        """Nobody waits: the world is simply advanced."""


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
        """What the clock said, or will say, when the computer's monotonic clock says so."""
        return int((monotonic_ns - self._start_ns) * self.rate)

    def acts_ns(self) -> int:
        """When a command that is sent now leaves the computer: now."""
        return self.now_ns()

    def wait_until(self, at_ns: int) -> None:
        left_s = (at_ns - self.now_ns()) * 1e-9 / self.rate
        if left_s > 0:
            time.sleep(left_s)


SimulatedClock = LockstepClock | PacedClock
