"""Check of a table before linking: tables that would be linked wrongly are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cybloids as cy
from app.analysis.linkable_table import linkable
from config.refused import Refused


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"frame": [0, 1], "x": [1.0, 2.0], "y": [1.0, 2.0], **columns})


def twice(*names: str) -> pd.DataFrame:
    found = pd.DataFrame([[0, 1.0, 2.0, 3.0]])
    found.columns = list(names)
    return found


@pytest.mark.parametrize(
    "given",
    [
        None, "frame", [1, 2], {"frame": [0], "x": [1.0], "y": [1.0]}, np.zeros((3, 3)), pd.Series([1]), pd.DataFrame(),
        table(frame=["0", "1"]), table(frame=[0, None]), table(frame=pd.to_datetime(["2020", "2021"])),
        table(frame=pd.to_timedelta([1, 2], unit="s")), table(frame=pd.Categorical([0, 1])), table(frame=[True, False]),
        table(frame=pd.array([0, None], dtype="Int64")), table(frame=[0.2, 0.7]), table(frame=[0, 1e300]),
        table(frame=[0, 2**63]), table(frame=[0.0, 2.0**53]), table(x=[1j, 2.0]), table(x=[object(), 1]),
        table(x=[0.0, 1e200]),
        table(y=[1.0, np.inf]), table(y=["a", "b"]), twice("frame", "x", "y", "x"), twice("frame", "y", "y", "x"),
        pd.DataFrame([[0, 1.0, 1.0]], columns=pd.MultiIndex.from_product([["frame"], ["a", "x", "y"]])),
    ],
)  # fmt: skip
def test_an_invalid_table_is_refused(given: Any) -> None:
    with pytest.raises(Refused, match=r"^link: "):
        linkable(given)


@pytest.mark.parametrize(
    "given",
    [
        table(), table(frame=[0.0, 1.0]), table(frame=pd.array([0, 1], dtype="Int64")), table(frame=[-5, -4]),
        table().set_index("frame", drop=False), table(size=["a", "b"]), table(x=np.array([1, 2], np.float16)),
    ],
)  # fmt: skip
def test_a_valid_table_is_linked(given: pd.DataFrame) -> None:
    """Regression: ValueError where `frame` is both index and column."""
    linked = cy.link(given, search_px=3.0)
    assert linked["particle"].to_list() == [0, 0]
    assert list(linked.columns)[: given.shape[1]] == list(given.columns)
    assert list(linked.index) == [0, 1]


def test_a_z_column_is_refused() -> None:
    """Regression: particles at different depths were linked as one."""
    table = pd.DataFrame({"frame": [0, 1], "x": [5.0, 5.0], "y": [5.0, 5.0], "z": [1.0, 50.0]})
    with pytest.raises(Refused, match="a column 'z'"):
        linkable(table)
