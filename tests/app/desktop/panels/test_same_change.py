from __future__ import annotations

from typing import Any

import pytest

from app.desktop.panels.same_change import Unclear, changed_alike

TRAP, FIRST, SECOND = {"x": 0}, {"x": 1}, {"x": 2}


@pytest.mark.parametrize(
    ("data", "before", "after"),
    [
        pytest.param([TRAP, FIRST, SECOND], [FIRST, SECOND, SECOND], [SECOND, SECOND], id="another force is first"),
        pytest.param([TRAP, FIRST, SECOND], [FIRST, SECOND, SECOND], [FIRST, SECOND], id="places do not correspond"),
        pytest.param([TRAP, FIRST], [FIRST, SECOND], [{"x": 5}, SECOND], id="the changed force has another place"),
        pytest.param([TRAP, FIRST], [FIRST, SECOND], [FIRST, SECOND, SECOND], id="added behind other forces"),
        pytest.param(
            [{"x": 0, "k": 1}, {"x": 0, "k": 2}],
            [{"x": 0, "k": 3}, {"x": 0, "k": 3}],
            [{"x": 5, "k": 3}, {"x": 0, "k": 3}],
            id="a force in the place of a removed one",
        ),
        pytest.param([1, 1, 1, 0], "abc", [0, 0, 0, 2], id="invalid text in the form, a list in force"),
        pytest.param([1, 1, 1, 0], [], [0, 0, 0, 2], id="an emptied list in the form"),
        pytest.param({"kind": "a"}, None, {"kind": "b"}, id="an optional group that is in force"),
    ],
)
def test_a_change_whose_place_is_unclear_is_not_made(data: Any, before: Any, after: Any) -> None:
    with pytest.raises(Unclear):
        changed_alike(data, before, after)


@pytest.mark.parametrize(
    ("data", "before", "after", "expected"),
    [
        ([], "abc", [0, 2], [0, 2]),
        ([{"x": 7}, SECOND], [FIRST, SECOND], [FIRST], [{"x": 7}]),
        ([1.0, 2.0], [2.0, 2.0], [2.0, 3.0], [1.0, 3.0]),
    ],
)
def test_a_change_in_other_data_leaves_their_own_values(data: Any, before: Any, after: Any, expected: Any) -> None:
    assert changed_alike(data, before, after) == expected
