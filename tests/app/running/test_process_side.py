"""Orders in the loop process: an order for light that waited too long behind other settings is not executed."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

import app.running.process_side as host_module
from app.assembly.instrument import Instrument
from app.assembly.machine import build_machine
from app.assembly.open import open_instrument
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, Plan
from app.running.process_side import CRASHED, LATE_S, Host, News, Over, RecordOrder, Reply, _end_orphan, in_time, serve
from app.running.stop_signals import Stopped
from app.running.thread import LoopThread
from config.reader import write
from control.contract import STILL_LIT, Fault, Level, Order, OrderKind
from control.loop import Machine
from tests.app.desktop.toy import Recorder, Toy, planned
from tests.app.running.test_thread import Hangs
from tests.app.running.test_thread import hangs as hangs
from tests.patience import PATIENCE_S, until

ORDERS = (OrderKind.ARM, OrderKind.PROBE, OrderKind.RESET)


@pytest.mark.parametrize("kind", list(OrderKind))
def test_only_orders_for_light_expire(kind: OrderKind) -> None:
    order = Order(kind)
    assert in_time(order, LATE_S) is order
    late = in_time(order, 1.01 * LATE_S)
    if kind in ORDERS:
        assert isinstance(late, Order)
        assert late.kind is OrderKind.MARK
        assert kind in late.text
    else:
        assert late is order


def test_a_record_order_never_expires() -> None:
    record = RecordOrder(Path("a.h5"))
    assert in_time(record, 1e3) is record


@pytest.mark.parametrize("begun", [True, False], ids=["in flight", "before the start"])
def test_an_arm_that_waited_behind_new_settings_is_not_executed(begun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
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
        assert news.poll(PATIENCE_S)  # the loop runs: a separate thread executes orders
    orders.send(Order(OrderKind.APPLY, write(made.experiment)))
    if not begun:
        orders.send(Order(OrderKind.ARM))
        serving.start()
    assert building.wait(PATIENCE_S)
    if begun:
        orders.send(Order(OrderKind.ARM))
        until(lambda: bool(host._waiting))  # its waiting time counts from its arrival
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


def test_a_refused_record_is_answered_and_later_orders_are_executed(tmp_path: Path) -> None:
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


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve` in this process: signal handlers and threads stay unchanged."""
    monkeypatch.setattr("app.running.stop_signals.numbers", tuple)
    monkeypatch.setattr("sys.setswitchinterval", lambda interval_s: None)
    monkeypatch.setattr("cv2.setNumThreads", lambda number: None)
    monkeypatch.setattr(host_module, "ready_for_learned", lambda: None)


class Says(list[object]):
    """The window's end of a pipe; `send` raises Stopped if `signal` is set."""

    signal = 0

    def send(self, said: object) -> None:
        self.append(said)
        if self.signal:
            raise Stopped(self.signal)


class Written:
    def read(self) -> None:
        """No plan is needed for an opening that fails."""


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("error", "signal", "code"),
    [
        (Fault("no galvo"), 0, None),
        (Fault(f"no galvo; {STILL_LIT}: no answer"), 0, 1),
        (Fault(f"no galvo; {STILL_LIT}: no answer"), 15, 1),
        (Stopped(15), 0, 1),
        (SystemExit("a plug-in ends the program"), 0, 1),
    ],
)
def test_an_opening_that_may_have_left_light_on_exits_with_1(
    error: BaseException, signal: int, code: int | None
) -> None:
    def opening(made: object) -> Instrument:
        raise error

    says = Says()
    says.signal = signal
    if code is None:
        serve(None, says, None, Written(), opening)  # type: ignore[arg-type]
    else:
        with pytest.raises(SystemExit) as ended:
            serve(None, says, None, Written(), opening)  # type: ignore[arg-type]
        assert ended.value.code == code
    assert isinstance(says[0], Reply)
    assert str(error) in says[0].trouble


def hosted() -> tuple[Toy, Host, Connection, Connection]:
    """Toy devices, their Host (not started), the pipe end for orders, and the pipe end for news."""
    (hears, orders), (news, tells) = Pipe(duplex=False), Pipe(duplex=False)
    toy = Toy(planned())
    return toy, Host(toy, toy.plan, hears, tells), orders, news  # type: ignore[arg-type]


def test_a_law_that_raises_system_exit_fails_only_its_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: other orders waited without end, and the previous law continued under the name of the new one."""

    def build(asked: Plan, source: str) -> Machine:
        raise SystemExit("there is no GPU here")

    toy, host, _, _ = hosted()
    monkeypatch.setattr(host_module, "build_machine", build)
    host._do(Order(OrderKind.APPLY, write(toy.plan.experiment)))
    assert "there is no GPU here" in host._in_force.trouble
    assert [order.kind for order in host._live._inbox if isinstance(order, Order)] == [OrderKind.TRIP]


def test_a_record_that_raises_system_exit_is_answered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*asked: object, **settings: object) -> None:
        raise SystemExit("no encoder")

    _, host, _, news = hosted()
    monkeypatch.setattr(host_module, "replace", lambda instrument, plan: instrument)
    monkeypatch.setattr(host_module, "open_recorder", fail)
    host._do(RecordOrder(tmp_path / "run.h5"))
    answer = news.recv()
    assert isinstance(answer, Reply)
    assert "no encoder" in answer.trouble


def test_a_camera_error_at_closing_does_not_cut_the_record_short() -> None:
    toy, host, orders, news = hosted()
    closes, recorder = toy.camera.close, Recorder()

    def close() -> None:
        closes()
        raise RuntimeError("the camera hangs")

    toy.camera.close = close  # type: ignore[method-assign]
    host._live.record(recorder)
    orders.send(None)
    host.serve()
    while not isinstance(said := news.recv(), Over):
        pass
    assert said.trouble == "RuntimeError: the camera hangs"
    assert recorder.closed
    assert toy.beam.closed


@pytest.mark.parametrize("ended_by", ["signal", "window", "signal after the window"])
def test_a_hanging_device_does_not_keep_the_process_alive(
    ended_by: str, hangs: Hangs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: after its window was killed the process lived on with its laser possibly on, and ignored SIGTERM."""
    toy, host, orders, _ = hosted()
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(host_module, "FINAL_REPORT_S", 0.0)
    host._live = LoopThread(toy.machine, toy.camera, hangs, toy.clock)
    ends = host._live.darken
    monkeypatch.setattr(host._live, "darken", lambda patience_s=0.0: ends(0.05))

    def serves() -> None:
        with suppress(SystemExit):
            host.serve()

    serving = threading.Thread(target=serves, daemon=True)
    serving.start()
    assert hangs.hangs.wait(PATIENCE_S)
    if ended_by != "signal":
        orders.close()
    if ended_by != "window":
        host.stopped_by(signal.SIGTERM, None)
    until(lambda: len(exits) == 2)  # by the main thread and by the watcher thread
    serving.join(PATIENCE_S)
    assert exits == [CRASHED, CRASHED]
    assert not host._is_dark


def test_a_signal_ends_a_process_that_is_closing_already(monkeypatch: pytest.MonkeyPatch) -> None:
    _, host, _, _ = hosted()
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(host_module, "FINAL_REPORT_S", 0.0)
    host._closing.set()
    host._look()
    assert exits == []
    host.stopped_by(signal.SIGTERM, None)
    host._look()
    host._look()
    assert exits == [CRASHED]  # once: the loop never began, so darkness is not confirmed


def test_a_rig_whose_opening_hangs_does_not_outlive_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(host_module, "ORPHAN_S", 0.0)
    gone, window = Pipe(duplex=False)
    opened = threading.Event()
    orphan = threading.Thread(target=_end_orphan, args=(gone.fileno(), opened))
    orphan.start()
    assert exits == []
    window.close()
    orphan.join(PATIENCE_S)
    assert exits == [CRASHED]
    opened.set()
    _end_orphan(gone.fileno(), opened)
    assert exits == [CRASHED]
    gone.close()
