"""The plans that were applied to a loop in a process of its own: which of them is in force is known when it answers."""

from __future__ import annotations

from app.assembly.rig import Plan
from app.running.process import Apart


class AppliedPlans:
    """Those that may still be in force, by the number of their APPLY.

    Args:
        opened: what the rig was opened with.
    """

    def __init__(self, opened: Plan) -> None:
        self._plans = {0: opened}
        self._answered = 0  # the last APPLY whose answer was read

    def add(self, live: Apart, plan: Plan) -> None:
        """It was applied to this loop just now."""
        self._plans[live.applies] = plan

    def put_back(self, live: Apart) -> tuple[Plan, str] | None:
        """The plan that is in force, and why the last one is not, once; None where the last one is, or has no answer.

        Never waits.
        """
        known = live.in_force
        if known.answered == self._answered:
            return None
        self._answered = known.answered
        self._plans = {number: plan for number, plan in self._plans.items() if number >= known.number}
        if not known.trouble or known.answered < live.applies:
            return None
        return self._plans[known.number], known.trouble
