"""All signal actions are restored together, also if a signal arrives meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.assembly.signal_actions import set_back

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def _actions_stay() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, action in before.items():
        signal.signal(number, action)


def test_a_signal_raised_while_restoring_skips_no_other_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    real = signal.signal
    for number in NUMBERS:
        real(number, signal.SIG_IGN)

    def sets(number: int, action: Any) -> None:
        real(number, action)
        if number == signal.SIGINT:
            signal.raise_signal(signal.SIGINT)

    actions: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    with monkeypatch.context() as patched:
        patched.setattr(signal, "signal", sets)
        with pytest.raises(KeyboardInterrupt):
            set_back(actions)
    assert {number: signal.getsignal(number) for number in NUMBERS} == actions


def test_restoring_outside_the_main_thread_raises_value_error() -> None:
    found: list[BaseException] = []

    def sets() -> None:
        try:
            set_back({signal.SIGTERM: signal.SIG_IGN})
        except ValueError as error:
            found.append(error)

    thread = threading.Thread(target=sets)
    thread.start()
    thread.join()
    assert len(found) == 1
