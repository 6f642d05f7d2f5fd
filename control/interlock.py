"""The latched interlock SAFE -> ARMED -> TRIPPED, with reasons; PROBING is for calibrations.

In doubt the beam is dark.
STOP darkens and never clears a trip; only RESET, then ARM, does. From PROBING, ARMED is reached through STOP only.
A fault takes effect after all orders of the same turn, in whatever sequence they arrived: none of them clears it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from control.contract import Level, Order, OrderKind

SAFE, PROBING, ARMED, TRIPPED = Level.SAFE, Level.PROBING, Level.ARMED, Level.TRIPPED
LIT = (PROBING, ARMED)  # levels at which the beam may be lit

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
NEEDS = {ARMED: OrderKind.ARM, PROBING: OrderKind.PROBE}  # the order that gives each lit level


def interlock(
    level: Level,
    reason: str,
    orders: Iterable[Order],
    doubts: Iterable[str],
    refused: Mapping[OrderKind, str] | None = None,
) -> tuple[Level, str]:
    """(level after the orders and then the doubts of this turn, reason for it).

    Orders act in sequence, but TRIP after all others: a RESET clears the faults of earlier turns only. Of several
    faults the first is the reason; the others are in the turn's orders. A doubt trips a lit level. In SAFE the beam is
    dark, and a doubt changes nothing.

    Args:
        level, reason: before.
        orders, doubts: of this turn.
        refused: orders that this machine refuses, each with its reason. They leave SAFE as it is, with that reason. A
            lit level that needs a refused order (after an APPLY) is a doubt.
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
