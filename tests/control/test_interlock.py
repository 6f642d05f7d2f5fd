"""The interlock's whole table, and what no sequence of orders may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.contract import Level, Order, OrderKind
from control.interlock import AFTER, interlock

SAFE, PROBING, ARMED, TRIPPED = Level.SAFE, Level.PROBING, Level.ARMED, Level.TRIPPED


@pytest.mark.parametrize(
    ("level", "kind", "after"),
    [
        (SAFE, "ARM", ARMED), (SAFE, "STOP", SAFE), (SAFE, "RESET", SAFE), (SAFE, "TRIP", TRIPPED),
        (SAFE, "APPLY", SAFE), (SAFE, "MARK", SAFE), (SAFE, "PROBE", PROBING),
        (PROBING, "ARM", PROBING), (PROBING, "STOP", SAFE), (PROBING, "RESET", PROBING), (PROBING, "TRIP", TRIPPED),
        (PROBING, "APPLY", PROBING), (PROBING, "MARK", PROBING), (PROBING, "PROBE", PROBING),
        (ARMED, "ARM", ARMED), (ARMED, "STOP", SAFE), (ARMED, "RESET", ARMED), (ARMED, "TRIP", TRIPPED),
        (ARMED, "APPLY", ARMED), (ARMED, "MARK", ARMED), (ARMED, "PROBE", ARMED),
        (TRIPPED, "ARM", TRIPPED), (TRIPPED, "STOP", TRIPPED), (TRIPPED, "RESET", SAFE), (TRIPPED, "TRIP", TRIPPED),
        (TRIPPED, "APPLY", TRIPPED), (TRIPPED, "MARK", TRIPPED), (TRIPPED, "PROBE", TRIPPED),
    ],
)  # fmt: skip
def test_every_pair_of_level_and_order(level: Level, kind: str, after: Level) -> None:
    assert interlock(level, "before", [Order(OrderKind(kind))], [])[0] is after


def test_the_table_is_whole() -> None:
    assert set(AFTER) == {(level, kind) for level in Level for kind in OrderKind}


@given(st.lists(st.sampled_from([kind for kind in OrderKind if kind is not OrderKind.RESET])))
def test_a_trip_is_left_by_reset_only(kinds: list[OrderKind]) -> None:
    level, reason = interlock(TRIPPED, "no frame", [Order(kind) for kind in kinds], [])
    assert (level, reason) == (TRIPPED, "no frame")  # and its reason is not overwritten


@given(st.sampled_from(list(Level)), st.lists(st.sampled_from(list(OrderKind))))
def test_no_orders_leave_it_armed_in_doubt(level: Level, kinds: list[OrderKind]) -> None:
    after, reason = interlock(level, "", [Order(kind) for kind in kinds], ["the camera is silent"])
    assert after not in (ARMED, PROBING)
    if interlock(level, "", [Order(kind) for kind in kinds], [])[0] in (ARMED, PROBING):
        assert (after, reason) == (TRIPPED, "the camera is silent")


UNCONFIRMED = {OrderKind.ARM: "the map is not confirmed"}


@given(st.lists(st.sampled_from(list(OrderKind))))
def test_an_unconfirmed_map_is_never_armed(kinds: list[OrderKind]) -> None:
    level, reason = SAFE, ""
    for kind in kinds:
        level, reason = interlock(level, reason, [Order(kind)], [], UNCONFIRMED)
        assert level is not ARMED


def test_a_refused_order_says_why_and_changes_nothing() -> None:
    assert interlock(SAFE, "", [Order(OrderKind.ARM)], [], UNCONFIRMED) == (SAFE, "the map is not confirmed")
    assert interlock(SAFE, "", [Order(OrderKind.PROBE)], [], UNCONFIRMED)[0] is PROBING
    assert interlock(SAFE, "", [Order(OrderKind.PROBE)], [], {OrderKind.PROBE: "no calibration"})[0] is SAFE


@pytest.mark.parametrize(("level", "kind"), [(ARMED, OrderKind.ARM), (PROBING, OrderKind.PROBE)])
def test_a_machine_that_may_not_be_lit_trips_a_lit_instrument(level: Level, kind: OrderKind) -> None:
    assert interlock(level, "", [Order(OrderKind.APPLY)], [], {kind: "not with this machine"}) == (
        TRIPPED,
        "not with this machine",
    )
    assert interlock(TRIPPED, "first", [], [], {kind: "second"}) == (TRIPPED, "first")
