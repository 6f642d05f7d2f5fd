"""Arguments of the Python API: what is of another kind is refused, with the argument's name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.console.arguments import LONGEST_REMARK, path_of, remark, truth, whole_number
from config.refused import Refused


@pytest.mark.parametrize("value", [None, 5, [], {}, b"run.h5", "", "a\0b", "a\udcffb", object()])
def test_what_is_no_path_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match=r"^out: found ") as refused:
        path_of("out", value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["no", "", None, 1, 0.0, [], np.array([True, False]), np.int64(1)])
def test_what_is_neither_true_nor_false_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match=r"^armed: found .* \(allowed: True, False\)$"):
        truth("armed", value)


@pytest.mark.parametrize("value", ["1", None, 1.5, True, [], np.float64(1.0)])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match=r"^count: found .* whole number"):
        whole_number("count", value)


@pytest.mark.parametrize("value", [5, None, b"x", "\ud800", "x" * (LONGEST_REMARK + 1)])
def test_what_is_no_remark_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match=r"^mark: found "):
        remark(value)


def test_sound_arguments_pass() -> None:
    assert path_of("out", "a/b.h5") == path_of("out", Path("a/b.h5")) == Path("a/b.h5")
    assert truth("armed", np.bool_(True)) is True
    assert truth("armed", False) is False
    assert whole_number("count", np.uint8(3)) == 3
    assert remark("a line\nand another") == "a line\nand another"
