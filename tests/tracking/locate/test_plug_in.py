"""A locator of another package: its features in float64, and one sentence for its errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from config.kinds import NAMED, PlugIn
from config.refused import Refused
from control.contract import Fault
from tracking import tracker
from tracking.locate.features import COLUMNS, Features
from tracking.settings import Tracking

IMAGE = np.zeros((8, 8), np.uint8)
ONE: Any = Features(np.ones((1, 2)), *[np.ones(1)] * 6)
WHO = "the plug-in 'centroid' of shapes 1.2"


@pytest.fixture
def located(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Features]:
    """The features of a plug-in with this locator: an error to be raised, a result, or a function."""
    monkeypatch.setitem(NAMED, ("locators", "centroid"), PlugIn("locators", "centroid", "shapes", "1.2", "a" * 64))

    def locate(answer: Any) -> Features:
        def found(image: Any) -> Any:
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr(tracker, "plug_in_locators", lambda: {"centroid": lambda settings, rules: found})
        return tracker.locator(Tracking())(IMAGE)

    return locate


def test_valid_features_are_unchanged_in_float64(located: Callable[[Any], Features]) -> None:
    small: Any = [np.ones((1, 2), np.int32), *[np.ones(1, np.float32)] * 6]
    whole = Features(*small)
    for answer in (ONE, whole):
        found = located(answer)
        assert all((getattr(found, name) == 1.0).all() for name in COLUMNS)
        assert {getattr(found, name).dtype for name in COLUMNS} == {np.dtype(np.float64)}
    assert len(located(Features())) == 0


@pytest.mark.parametrize(
    "answer",
    [
        None, 5, [1.0, 2.0], ValueError("x"), SystemExit(0), np.ones((1, 2)),
        replace(ONE, position_px=np.ones((2, 2))), replace(ONE, position_px=np.full((1, 2), np.nan)),
        replace(ONE, ecc=np.ones(2)), replace(ONE, mass=np.ones((1, 1))), replace(ONE, size_px=np.array(["x"])),
        replace(ONE, ep_px=None), replace(ONE, mass=np.float64(1.0)),
    ],
)  # fmt: skip
def test_an_error_and_a_bad_result_are_faults(located: Callable[[Any], Features], answer: Any) -> None:
    """Before, they gave tracebacks."""
    with pytest.raises(Fault, match=f"^{WHO} (failed|gave) "):
        located(answer)


def fails(settings: Tracking, rules: Any) -> Any:
    raise OSError("no licence")


@pytest.mark.parametrize(("make", "said"), [(fails, "failed"), (lambda settings, rules: 5, "makes a int")])
def test_a_plug_in_that_makes_no_locator_is_refused(
    located: object, monkeypatch: pytest.MonkeyPatch, make: Any, said: str
) -> None:
    monkeypatch.setattr(tracker, "plug_in_locators", lambda: {"centroid": make})
    with pytest.raises(Refused, match=f"^{WHO} {said}"):
        tracker.locator(Tracking())
