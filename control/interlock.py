"""SAFE -> ARMED -> TRIPPED, latched, with a reason. Doubt is dark.

STOP darkens and never clears a trip; only RESET, then ARM, leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable

from control.contract import Level, Order, OrderKind

SAFE, ARMED, TRIPPED = Level.SAFE, Level.ARMED, Level.TRIPPED

AFTER: dict[tuple[Level, OrderKind], Level] = {
    (SAFE, OrderKind.ARM): ARMED,
    (SAFE, OrderKind.STOP): SAFE,
    (SAFE, OrderKind.RESET): SAFE,
    (SAFE, OrderKind.TRIP): TRIPPED,
    (ARMED, OrderKind.ARM): ARMED,
    (ARMED, OrderKind.STOP): SAFE,
    (ARMED, OrderKind.RESET): ARMED,
    (ARMED, OrderKind.TRIP): TRIPPED,
    (TRIPPED, OrderKind.ARM): TRIPPED,
    (TRIPPED, OrderKind.STOP): TRIPPED,
    (TRIPPED, OrderKind.RESET): SAFE,
    (TRIPPED, OrderKind.TRIP): TRIPPED,
} | {(level, kind): level for level in Level for kind in (OrderKind.APPLY, OrderKind.MARK)}

SAYS = {
    OrderKind.ARM: "armed by the operator",
    OrderKind.STOP: "stopped by the operator",
    OrderKind.RESET: "reset by the operator",
    OrderKind.TRIP: "tripped",
}


def interlock(level: Level, reason: str, orders: Iterable[Order], doubts: Iterable[str]) -> tuple[Level, str]:
    """The level after these orders, in their sequence, and then these doubts; and why it is what it is.

    A doubt trips an armed instrument. In SAFE the beam is dark already, so that a doubt changes nothing there.
    """
    for order in orders:
        after = AFTER[level, order.kind]
        if after is not level:
            reason = order.text or SAYS[order.kind]
        level = after
    for doubt in doubts:
        if level is ARMED:
            level, reason = TRIPPED, doubt
    return level, reason
