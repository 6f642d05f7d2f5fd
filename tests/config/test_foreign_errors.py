"""Errors of foreign code become one sentence; signals are raised again."""

from __future__ import annotations

import pytest

from app.running.stop_signals import Stopped
from config.foreign_errors import refusing
from config.refused import Refused


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("division\nby zero"), r"^a\.py: the law fails \(ZeroDivisionError: division by zero\)$"),
        (SystemExit(3), r"^a\.py: the law fails \(SystemExit: 3\)$"),
        (Refused("its own sentence"), "^its own sentence$"),
    ],
)
def test_an_error_is_refused_in_one_sentence(error: BaseException, said: str) -> None:
    with pytest.raises(Refused, match=said), refusing("a.py: the law fails"):
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stopped(15)])
def test_a_signal_is_raised_again(error: BaseException) -> None:
    with pytest.raises(type(error)), refusing("a.py: the law fails"):
        raise error
