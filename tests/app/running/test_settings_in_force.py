"""Settings in force: after a failed APPLY, orders for light are held until another APPLY succeeds."""

from __future__ import annotations

import pytest

from app.running.settings_in_force import InForce
from control.contract import Order, OrderKind


@pytest.mark.parametrize("kind", list(OrderKind))
def test_only_orders_for_light_are_held_after_a_failed_apply(kind: OrderKind) -> None:
    order = Order(kind, "text")
    failed = InForce().failed("a disk is full")
    assert InForce().held(order) is order
    assert failed.succeeded().held(order) is order
    held = failed.held(order)
    if kind in (OrderKind.ARM, OrderKind.PROBE):
        assert held.kind is OrderKind.TRIP
        assert (
            held.text
            == f"{kind} was not obeyed: the new settings are not in force: a disk is full; apply settings first"
        )
    else:
        assert held is order


def test_applies_are_counted_and_the_last_successful_one_is_in_force() -> None:
    known = InForce().succeeded().failed("a").failed("b")
    assert (known.answered, known.number) == (3, 1)
    assert known.trouble.endswith(": b")
    known = known.succeeded()
    assert (known.answered, known.number, known.trouble) == (4, 4, "")
