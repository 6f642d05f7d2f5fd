"""A policy of another package: its forces are unchanged, and its errors are a Fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from control.contract import Fault, Forces, Seen, Tracks
from control.foreign import PlugInPolicy
from control.history import History

WHO = "the plug-in 'wind' of weather 0.3"
SEEN = Seen(Tracks(0.0), History(1.0), 0.0, 0.02)
ONE: Any = Forces(np.array([3]), np.ones((1, 2)), np.array([np.nan]), np.zeros(1, np.bool_))


class Stopped(SystemExit):
    """An exception as raised by a signal."""


class Answer:
    """A policy that returns a chosen answer."""

    longest_delay_s = 0.5

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def start(self) -> Any:
        return 0

    def step(self, memory: Any, seen: Seen) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def stepped(answer: Any) -> Any:
    return PlugInPolicy(Answer(answer), WHO).step(0, SEEN)


def test_valid_forces_are_unchanged() -> None:
    assert stepped((1, ONE))[1] is ONE
    assert len(stepped((1, Forces()))[1].particle) == 0
    assert PlugInPolicy(Answer(None), WHO).longest_delay_s == 0.5


@pytest.mark.parametrize(
    "answer",
    [
        None, 5, (1, None), (1, 2, 3), ValueError("x"), SystemExit(0), GeneratorExit(),
        (1, replace(ONE, force_pn=np.ones(2))), (1, replace(ONE, force_pn=np.ones((2, 2)))),
        (1, replace(ONE, force_pn=np.ones((1, 2)) * 1j)), (1, replace(ONE, force_pn=[[1.0, 2.0]])),
        (1, replace(ONE, particle=np.array([0.5]))), (1, replace(ONE, delay_s=np.empty(0))),
        (1, replace(ONE, carried=np.zeros(1))), (1, replace(ONE, particle=np.int64(3))),
        (1, replace(ONE, ring_um=np.ones((1, 2)))), (1, replace(ONE, ring_kt=np.ones((1, 1)))),
    ],
)  # fmt: skip
def test_an_error_and_a_bad_answer_are_faults_that_name_the_plug_in(answer: Any) -> None:
    with pytest.raises(Fault, match=f"^{WHO} (failed|gave) "):
        stepped(answer)


@pytest.mark.parametrize("error", [Stopped(3), KeyboardInterrupt()])
def test_a_signal_is_raised_again(error: BaseException) -> None:
    with pytest.raises(type(error)):
        stepped(error)
