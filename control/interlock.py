"""SAFE -> ARMED -> TRIPPED, latched, with a reason; PROBING is ARMED for a calibration only. Doubt is dark.

STOP darkens and never clears a trip; only RESET, then ARM, leaves it. From PROBING the way to ARMED leads over STOP.
A fault has the last word in its turn: no order of the same turn clears it, in whatever sequence they arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from control.contract import Level, Order, OrderKind

SAFE, PROBING, ARMED, TRIPPED = Level.SAFE, Level.PROBING, Level.ARMED, Level.TRIPPED
LIT = (PROBING, ARMED)  # where light leaves the instrument

AFTER: dict[tuple[Level, OrderKind], Level] = {
    (SAFE, OrderKind.ARM): ARMED,
    (SAFE, OrderKind.PROBE): PROBING,
    (SAFE, OrderKind.STOP): SAFE,
    (SAFE, OrderKind.RESET): SAFE,
    (SAFE, OrderKind.TRIP): TRIPPED,
    (PROBING, OrderKind.ARM): PROBING,
    (PROBING, OrderKind.PROBE): PROBING,
    (PROBING, OrderKind.STOP): SAFE,
    (PROBING, OrderKind.RESET): PROBING,
    (PROBING, OrderKind.TRIP): TRIPPED,
    (ARMED, OrderKind.ARM): ARMED,
    (ARMED, OrderKind.PROBE): ARMED,
    (ARMED, OrderKind.STOP): SAFE,
    (ARMED, OrderKind.RESET): ARMED,
    (ARMED, OrderKind.TRIP): TRIPPED,
    (TRIPPED, OrderKind.ARM): TRIPPED,
    (TRIPPED, OrderKind.PROBE): TRIPPED,
    (TRIPPED, OrderKind.STOP): TRIPPED,
    (TRIPPED, OrderKind.RESET): SAFE,
    (TRIPPED, OrderKind.TRIP): TRIPPED,
} | {(level, kind): level for level in Level for kind in (OrderKind.APPLY, OrderKind.MARK)}

SAYS = {
    OrderKind.ARM: "armed by the operator",
    OrderKind.PROBE: "armed by the operator to calibrate, at probe power",
    OrderKind.STOP: "stopped by the operator",
    OrderKind.RESET: "reset by the operator",
    OrderKind.TRIP: "tripped",
}
NEEDS = {ARMED: OrderKind.ARM, PROBING: OrderKind.PROBE}  # the order that a level stands for


def interlock(
    level: Level,
    reason: str,
    orders: Iterable[Order],
    doubts: Iterable[str],
    refused: Mapping[OrderKind, str] | None = None,
) -> tuple[Level, str]:
    """The level after these orders and then these doubts; and why it is what it is.

    Orders act in their sequence, but TRIP after all others: a RESET clears the faults of earlier turns only. Of several
    faults the first one is the reason; the others stand in the turn's orders. A doubt trips an instrument that gives
    light. In SAFE the beam is dark already, so that a doubt changes nothing there.

    Args:
        level, reason: before.
        orders, doubts: of this turn.
        refused: orders that this machine may not be given, and why. They leave SAFE as it is and say why; a level
            that stands for a refused order (a machine may have come by APPLY) is a doubt.
    """
    refused = refused or {}
    for order in sorted(orders, key=lambda order: order.kind is OrderKind.TRIP):
        if order.kind in refused and level is SAFE:
            reason = refused[order.kind]
            continue
        after = AFTER[level, order.kind]
        if after is not level:
            reason = order.text or SAYS[order.kind]
        level = after
    not_allowed = [why for kind, why in refused.items() if NEEDS.get(level) is kind]
    for doubt in (*not_allowed, *doubts):
        if level in LIT:
            level, reason = TRIPPED, doubt
    return level, reason
