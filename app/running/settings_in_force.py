"""Which settings a loop in a process of its own has. An APPLY can fail there: the law before it goes on, dark."""

from __future__ import annotations

from dataclasses import dataclass, replace

from control.contract import Order, OrderKind


@dataclass(frozen=True)
class InForce:
    """What became of the APPLYs of a loop. They are counted from 1; 0 is the plan that the rig was opened with."""

    answered: int = 0  # the last one that was tried
    number: int = 0  # the one that is in force
    trouble: str = ""  # why the last one is not in force; empty where it is

    def succeeded(self) -> InForce:
        """After one more APPLY, which is in force."""
        return InForce(self.answered + 1, self.answered + 1)

    def failed(self, why: str) -> InForce:
        """After one more APPLY, which is not in force."""
        return replace(self, answered=self.answered + 1, trouble=f"the new settings are not in force: {why}")

    def held(self, order: Order) -> Order:
        """The order; where it is for light, and the last APPLY has failed, a trip that says so.

        The operator may think that the settings of that APPLY are armed. Light waits for an APPLY that succeeds.
        """
        if not self.trouble or order.kind not in (OrderKind.ARM, OrderKind.PROBE):
            return order
        return Order(OrderKind.TRIP, f"{order.kind} was not obeyed: {self.trouble}; apply settings first")
