"""The plans applied to a loop. Its replies show which one is in force."""

from __future__ import annotations

from app.assembly.rig import Plan
from app.running.running_loop import RunningLoop


class AppliedPlans:
    """The plans that may still be in force, by the number of their APPLY.

    Args:
        opened: the plan at the opening of the rig.
    """

    def __init__(self, opened: Plan) -> None:
        self._plans = {0: opened}
        self._last_replied = 0  # number of the last APPLY with a reply

    def add(self, live: RunningLoop, plan: Plan) -> None:
        """Add the plan that was just applied to this loop."""
        self._plans[live.applies] = plan

    def put_back(self, live: RunningLoop) -> tuple[Plan, str] | None:
        """(plan in force, why the last one is not), once; None if the last one is in force or has no reply yet.

        Never waits.
        """
        reply = live.in_force
        if reply.answered == self._last_replied:
            return None
        self._last_replied = reply.answered
        self._plans = {number: plan for number, plan in self._plans.items() if number >= reply.number}
        if not reply.trouble or reply.answered < live.applies:
            return None
        return self._plans[reply.number], reply.trouble
