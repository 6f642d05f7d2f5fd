"""The complete table of the interlock, and rules that hold for all sequences of orders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.contract import STILL_LIT, Fault, Level, Order, OrderKind
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


def test_the_table_has_all_pairs_of_level_and_order() -> None:
    assert set(AFTER) == {(level, kind) for level in Level for kind in OrderKind}


@given(st.lists(st.sampled_from([kind for kind in OrderKind if kind is not OrderKind.RESET])))
def test_only_reset_ends_a_trip(kinds: list[OrderKind]) -> None:
    level, reason = interlock(TRIPPED, "no frame", [Order(kind) for kind in kinds], [])
    assert (level, reason) == (TRIPPED, "no frame")  # and the reason is unchanged


@given(st.sampled_from(list(Level)), st.lists(st.sampled_from(list(OrderKind))))
def test_in_doubt_no_orders_leave_the_instrument_armed(level: Level, kinds: list[OrderKind]) -> None:
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


def test_a_refused_order_gives_its_reason_and_changes_no_level() -> None:
    assert interlock(SAFE, "", [Order(OrderKind.ARM)], [], UNCONFIRMED) == (SAFE, "the map is not confirmed")
    assert interlock(SAFE, "", [Order(OrderKind.PROBE)], [], UNCONFIRMED)[0] is PROBING
    assert interlock(SAFE, "", [Order(OrderKind.PROBE)], [], {OrderKind.PROBE: "no calibration"})[0] is SAFE


@pytest.mark.parametrize(("level", "kind"), [(ARMED, OrderKind.ARM), (PROBING, OrderKind.PROBE)])
def test_a_machine_that_refuses_light_trips_a_lit_instrument(level: Level, kind: OrderKind) -> None:
    assert interlock(level, "", [Order(OrderKind.APPLY)], [], {kind: "not with this machine"}) == (
        TRIPPED,
        "not with this machine",
    )
    assert interlock(TRIPPED, "first", [], [], {kind: "second"}) == (TRIPPED, "first")


# an independent model: three conditions instead of a table -----------------------------------------------------------


def model(level: Level, reason: str, orders: list[Order], doubts: list[str]) -> tuple[Level, str]:
    """State after one turn, by three conditions instead of a table: a fault, the latch, and light."""
    tripped, lit = level is TRIPPED, level if level in (ARMED, PROBING) else None
    for order in orders:
        said = order.text or {
            "ARM": "armed by the operator", "PROBE": "armed by the operator to calibrate, at probe power",
            "STOP": "stopped by the operator", "RESET": "reset by the operator",
        }.get(order.kind.value, "")  # fmt: skip
        if order.kind is OrderKind.RESET and tripped:
            tripped, reason = False, said
        elif order.kind is OrderKind.STOP and lit is not None:
            lit, reason = None, said
        elif order.kind in (OrderKind.ARM, OrderKind.PROBE) and lit is None and not tripped:
            lit, reason = (ARMED if order.kind is OrderKind.ARM else PROBING), said
    causes = [order.text or "tripped" for order in orders if order.kind is OrderKind.TRIP]
    causes += doubts if lit is not None else []
    if causes and not tripped:
        tripped, lit, reason = True, None, causes[0]
    if tripped:
        return TRIPPED, reason
    return (lit, reason) if lit is not None else (SAFE, reason)


ORDERS = st.lists(st.builds(Order, st.sampled_from(list(OrderKind)), st.sampled_from(["", "one", "two"])), max_size=6)
DOUBTS = st.lists(st.sampled_from(["the camera is silent", "a number is not finite"]), max_size=2)


@given(st.lists(st.tuples(ORDERS, DOUBTS), max_size=8))
def test_the_interlock_agrees_with_its_model_in_every_turn(turns: list[tuple[list[Order], list[str]]]) -> None:
    level, reason = SAFE, "not yet armed"
    for orders, doubts in turns:
        expected = model(level, reason, orders, doubts)
        level, reason = interlock(level, reason, orders, doubts)
        assert (level, reason) == expected


@given(st.sampled_from(list(Level)), ORDERS, DOUBTS, st.integers(0, 6))
def test_a_fault_trips_its_turn_at_any_position_among_the_orders(
    level: Level, orders: list[Order], doubts: list[str], place: int
) -> None:
    others = [order for order in orders if order.kind is not OrderKind.TRIP]
    fault = Order(OrderKind.TRIP, "beam: no answer")
    after = interlock(level, "before", [*others[:place], fault, *others[place:]], doubts)
    assert after[0] is TRIPPED
    assert after == interlock(level, "before", [*others, fault], doubts)  # its position has no effect
    if level is not TRIPPED or OrderKind.RESET in {order.kind for order in others}:
        assert after[1] == "beam: no answer"
    else:
        assert after[1] == "before"  # the first reason is kept


@pytest.mark.parametrize("level", list(Level))
def test_trip_reset_and_arm_in_one_turn_end_tripped(level: Level) -> None:
    kinds = (OrderKind.RESET, OrderKind.ARM)
    orders = [Order(OrderKind.TRIP, "camera: unplugged"), *map(Order, kinds)]
    expected = (TRIPPED, "camera: unplugged")
    assert interlock(level, "before", orders, []) == expected
    assert interlock(*expected, [Order(kind) for kind in kinds], [])[0] is ARMED  # RESET in the next turn


def test_of_several_faults_in_a_turn_the_first_is_the_reason() -> None:
    faults = [Order(OrderKind.TRIP, text) for text in ("beam: no answer", "no record, no beam: full")]
    assert interlock(ARMED, "", faults, ["the camera is silent"]) == (TRIPPED, "beam: no answer")
    assert interlock(TRIPPED, "camera: unplugged", faults, []) == (TRIPPED, "camera: unplugged")


def test_reset_and_arm_in_a_turn_with_a_doubt_end_tripped() -> None:
    orders = [Order(OrderKind.RESET), Order(OrderKind.ARM)]
    assert interlock(TRIPPED, "old", orders, ["the camera is silent"]) == (TRIPPED, "the camera is silent")
    assert interlock(TRIPPED, "old", orders[:1], ["the camera is silent"]) == (SAFE, "reset by the operator")


def test_an_order_refused_by_the_machine_is_the_first_reason() -> None:
    refused = {OrderKind.ARM: "the map is not confirmed"}
    assert interlock(ARMED, "", [], ["the camera is silent"], refused) == (TRIPPED, "the map is not confirmed")
    assert interlock(PROBING, "", [], ["the camera is silent"], refused) == (TRIPPED, "the camera is silent")
    assert interlock(ARMED, "", [], ["one", "two"]) == (TRIPPED, "one")


@pytest.mark.parametrize("before", ["", "x" * 10_000])
def test_the_warning_that_the_laser_may_be_lit_is_never_cut_off(before: str) -> None:
    said = str(Fault(f"{before}; {STILL_LIT}: {'y' * 10_000}"))
    assert STILL_LIT in said
    assert len(said) <= 500
    assert STILL_LIT not in str(Fault("z" * 10_000))
