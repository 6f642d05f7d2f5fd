"""Lasers that may be on: of this rig, or of rigs that the window closed before."""

from __future__ import annotations

import threading

from app.assembly.rig import Plan
from app.running.rescue import switch_off_in_time
from control.contract import STILL_LIT, Fault


class LaserDoubts:
    """Each laser that did not confirm that it is off, with the reason, until it confirms it.

    Any thread may use it: the end of a cancelled opening adds to it while the window reads it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doubts: dict[tuple[str, str], tuple[Plan, str]] = {}

    @property
    def text(self) -> str:
        """The reasons; empty if no laser is in doubt."""
        return "; ".join(dict.fromkeys(reason for _, reason in self._entries()))

    def add(self, plan: Plan, reason: str) -> None:
        with self._lock:
            self._doubts[laser_of(plan)] = plan, reason

    def remove(self, plan: Plan) -> None:
        """The laser of this plan has answered its driver."""
        with self._lock:
            self._doubts.pop(laser_of(plan), None)

    def settle(self) -> None:
        """Switch each of them off once more. Raises Fault if one still does not confirm it."""
        for plan, reason in self._entries():
            reply = switch_off_in_time(plan)
            if STILL_LIT not in reply:
                self.remove(plan)
            elif reply not in reason:
                self.add(plan, f"{reason}; {reply}")
        if remaining := self.text:
            raise Fault(remaining)

    def _entries(self) -> list[tuple[Plan, str]]:
        with self._lock:
            return list(self._doubts.values())


def laser_of(plan: Plan) -> tuple[str, str]:
    """The kind of the laser, and its port."""
    return plan.rig.laser.kind, plan.rig.laser.address
