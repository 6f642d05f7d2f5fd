"""Settings in force of a loop in a separate process. After a failed APPLY the previous law continues, dark."""

from __future__ import annotations

from dataclasses import dataclass, replace

from control.contract import Order, OrderKind


@dataclass(frozen=True)
class InForce:
    """Results of the APPLY orders of a loop. They are counted from 1; 0 is the plan with which the rig was opened."""

    answered: int = 0  # number of the last APPLY that was tried
    number: int = 0  # number of the APPLY in force
    trouble: str = ""  # why the last APPLY is not in force; empty: it is

    def succeeded(self) -> InForce:
        """The state after one more APPLY that succeeded."""
        return InForce(self.answered + 1, self.answered + 1)

    def failed(self, reason: str) -> InForce:
        """The state after one more APPLY that failed."""
        return replace(self, answered=self.answered + 1, trouble=f"the new settings are not in force: {reason}")

    def held(self, order: Order) -> Order:
        """The order itself; for ARM or PROBE after a failed APPLY, a TRIP that gives this reason.

        The operator may believe that the settings of that APPLY are armed. There is no light until an APPLY succeeds.
        """
        if not self.trouble or order.kind not in (OrderKind.ARM, OrderKind.PROBE):
            return order
        return Order(OrderKind.TRIP, f"{order.kind} was not obeyed: {self.trouble}; apply settings first")
