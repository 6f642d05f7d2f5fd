"""Arguments of the Python API: a value of another type is refused, with the name of the argument."""

import re
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.console.arguments import LONGEST_REMARK, assignments, in_yaml, names, path_of, remark, truth, whole_number
from config.refused import Refused


@pytest.mark.parametrize("value", [None, 5, [], {}, b"run.h5", "", "a\0b", "a\udcffb", object()])
def test_a_value_that_is_not_a_path_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match=r"^out: found ") as refused:
        path_of("out", value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["no", "", None, 1, 0.0, [], np.array([True, False]), np.int64(1)])
def test_a_value_that_is_not_a_boolean_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match=r"^armed: found .* \(allowed: True, False\)$"):
        truth("armed", value)


@pytest.mark.parametrize("value", ["1", None, 1.5, True, [], np.float64(1.0)])
def test_a_value_that_is_not_a_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match=r"^count: found .* whole number"):
        whole_number("count", value)


@pytest.mark.parametrize("value", [5, None, b"x", "\ud800", "x" * (LONGEST_REMARK + 1)])
def test_an_invalid_remark_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match=r"^mark: found "):
        remark(value)


class Fails:
    """A value whose every access raises an error."""

    def _fail(self, *_: Any) -> Any:
        raise RuntimeError("of its own")

    __class__ = property(_fail)
    __str__ = __format__ = __repr__ = __fspath__ = __iter__ = __array__ = __int__ = __bool__ = __len__ = _fail


class Leaves(str):
    __slots__ = ()

    def __format__(self, form: str) -> str:
        raise SystemExit(0)


class Items(dict[str, Any]):
    def items(self) -> Any:
        yield "camera.fps", 5
        raise RuntimeError("of its own")


def nested() -> Any:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


CALLS: Any = [path_of, truth, whole_number, names, assignments, in_yaml]


@pytest.mark.parametrize("call", [*CALLS, lambda name, value: remark(value)])
def test_an_unreadable_argument_is_refused(call: Any) -> None:
    with pytest.raises(Refused, match=r"found Fails, which can't be read \(RuntimeError: of its own\)$"):
        call("x", Fails())


@pytest.mark.parametrize(
    ("call", "value", "said"),
    [
        (path_of, Leaves("a"), "found Leaves, which can't be read"),
        (assignments, {Leaves("a"): 1}, "found dict, which can't be read"),
        (assignments, Items(a=1), "found Items, which can't be read (RuntimeError: of its own)"),
        (names, (1 / 0 for _ in range(3)), "found generator, which can't be read (ZeroDivisionError"),
        (names, map(str, count()), "found map of more than"),
        (names, range(10**12), "found range of more than"),
        (in_yaml, range(10**12), "found range of more than"),
        (in_yaml, range(10**30), "found range"),
        (in_yaml, [range(10**12)], "found range of more than"),
        (in_yaml, np.broadcast_to(0.0, (10**6, 10**6)), "found ndarray of more than"),
        (in_yaml, "x" * 2_000_000, "of more than 1000000 characters"),
        (in_yaml, nested(), "found list, which can't be written, or is nested too deeply"),
        (in_yaml, np.ma.masked, "found a masked value"),
        (in_yaml, [np.ma.masked], "found a masked value"),
        (in_yaml, np.ma.array(50.0, mask=True), "found a masked value"),
        (in_yaml, {"a": np.ma.array([1.0, 2.0], mask=[True, False])}, "found a masked value"),
    ],
)
def test_unreadable_masked_and_endless_values_are_refused(call: Any, value: Any, said: str) -> None:
    with pytest.raises(Refused, match=re.escape(said)) as refused:
        call("x", value)
    assert str(refused.value).startswith("x: ")


def test_an_interrupt_while_reading_an_argument_is_raised() -> None:
    class Waits(dict[str, Any]):
        def items(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assignments("sets", Waits())


def test_valid_arguments_are_accepted() -> None:
    assert path_of("out", "a/b.h5") == path_of("out", Path("a/b.h5")) == Path("a/b.h5")
    assert truth("armed", np.bool_(True)) is True
    assert truth("armed", False) is False
    assert whole_number("count", np.uint8(3)) == 3
    assert in_yaml("sets", [np.ma.array(5.0), range(2), np.float32(2.0)]) == "[5.0, [0, 1], 2.0]"
    assert remark("a line\nand another") == "a line\nand another"
