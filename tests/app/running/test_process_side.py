"""Orders in the loop's process: one for light that waited too long behind other settings is not obeyed."""

from __future__ import annotations

import threading
import time
from multiprocessing import Pipe
from pathlib import Path

import pytest

import app.running.process_side as host_module
from app.assembly.machine import build_machine
from app.assembly.open import open_instrument
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, Plan
from app.running.process_side import LATE_S, Host, News, Over, RecordOrder, Reply, in_time
from config.reader import write
from control.contract import Level, Order, OrderKind
from control.loop import Machine
from tests.patience import PATIENCE_S, until

ORDERS = (OrderKind.ARM, OrderKind.PROBE, OrderKind.RESET)


@pytest.mark.parametrize("kind", list(OrderKind))
def test_only_orders_for_light_become_too_late(kind: OrderKind) -> None:
    order = Order(kind)
    assert in_time(order, LATE_S) is order
    late = in_time(order, 1.01 * LATE_S)
    if kind in ORDERS:
        assert isinstance(late, Order)
        assert late.kind is OrderKind.MARK
        assert kind in late.text
    else:
        assert late is order


def test_a_record_is_never_too_late() -> None:
    record = RecordOrder(Path("a.h5"))
    assert in_time(record, 1e3) is record


@pytest.mark.parametrize("begun", [True, False], ids=["in flight", "before the start"])
def test_an_arm_that_waited_behind_new_settings_is_not_obeyed(begun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, ("rate=real time", "loop.stale_periods=500"))
    building, built = threading.Event(), threading.Event()

    def slowly(asked: Plan, source: str) -> Machine:
        building.set()
        assert built.wait(PATIENCE_S)
        return build_machine(asked, source)

    monkeypatch.setattr(host_module, "build_machine", slowly)
    (hears, orders), (news, tells) = Pipe(duplex=False), Pipe(duplex=False)
    host = Host(open_instrument(made), made, hears, tells)
    serving = threading.Thread(target=host.serve)
    if begun:
        serving.start()
        assert news.poll(PATIENCE_S)  # the loop turns: orders are obeyed by a thread of their own
    orders.send(Order(OrderKind.APPLY, write(made.experiment)))
    if not begun:
        orders.send(Order(OrderKind.ARM))
        serving.start()
    assert building.wait(PATIENCE_S)
    if begun:
        orders.send(Order(OrderKind.ARM))
        until(lambda: bool(host._waiting))  # its time counts from its arrival
    time.sleep(1.5 * LATE_S)
    built.set()
    seen: list[Order] = []
    levels: set[Level] = set()
    while not any(order.kind in (OrderKind.MARK, OrderKind.ARM) for order in seen):
        assert news.poll(PATIENCE_S)
        found = news.recv()
        assert not isinstance(found, Over)
        if isinstance(found, News):
            levels |= {turn.level for turn in found.turns}
            seen += [order for turn in found.turns for order in turn.orders]
    orders.send(None)
    while not isinstance(news.recv(), Over):
        pass
    serving.join()
    assert levels == {Level.SAFE}
    assert [order.kind for order in seen] == [OrderKind.APPLY, OrderKind.MARK]
    for end in (hears, orders, news, tells):
        end.close()


def test_a_record_that_no_folder_can_be_made_for_is_answered_and_other_orders_go_on(tmp_path: Path) -> None:
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, ("rate=real time", "loop.stale_periods=500"))
    (tmp_path / "runs").write_text("no folder")
    (hears, orders), (news, tells) = Pipe(duplex=False), Pipe(duplex=False)
    host = Host(open_instrument(made), made, hears, tells)
    serving = threading.Thread(target=host.serve)
    serving.start()
    orders.send(RecordOrder(tmp_path / "runs" / "run.h5"))
    orders.send(Order(OrderKind.MARK, "later"))
    answers: list[Reply] = []
    marked = False
    while not marked:
        assert news.poll(PATIENCE_S)
        found = news.recv()
        answers += [found] if isinstance(found, Reply) else []
        turns = found.turns if isinstance(found, News) else ()
        marked = any(order.text == "later" for turn in turns for order in turn.orders)
    orders.send(None)
    while not isinstance(news.recv(), Over):
        pass
    serving.join()
    assert answers[0].trouble.endswith("run.h5: its folder can't be made (File exists)")
    assert answers[0].refused
    for end in (hears, orders, news, tells):
        end.close()
