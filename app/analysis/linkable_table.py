"""Checks a table of features that a program passes for linking."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from config.refused import Refused

FARTHEST = 1e12  # coordinate; the squares of distances must stay finite
FIRST_INEXACT = 2.0**53  # floats no longer represent every integer from here on


def linkable(value: Any) -> pd.DataFrame:
    """The table without its index. Raises Refused.

    Required are the columns frame (whole numbers), x and y, each once, of finite real numbers. A column z is refused:
    particles of different depth would be linked without it.
    """
    if not issubclass(type(value), pd.DataFrame):  # `__class__` of a value may be anything
        raise Refused(f"link: found {type(value).__name__}, where a pandas table is needed")
    titles = [] if isinstance(value.columns, pd.MultiIndex) else list(value.columns)
    if any(isinstance(title, str) and title == "z" for title in titles):
        raise Refused(
            "link: the table has a column 'z', and links are made in the plane: leave it out to link by x and y"
        )
    for name in ("frame", "x", "y"):
        if sum(isinstance(title, str) and title == name for title in titles) != 1:
            raise Refused(f"link: the table needs one column '{name}', and has {titles.count(name) or 'none'}")
        kind = value[name].dtype
        real = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) and kind.kind != "c"
        if not real or not np.isfinite(value[name].to_numpy(np.float64, na_value=np.nan)).all():
            raise Refused(f"link: the table needs a column '{name}' of finite numbers (found: type {kind})")
    for name in ("x", "y"):
        if (np.abs(value[name].to_numpy(np.float64)) > FARTHEST).any():
            raise Refused(f"link: the column '{name}' holds numbers beyond {FARTHEST:g}")
    number = value["frame"].to_numpy(np.float64)
    if not ((number == np.floor(number)) & (np.abs(number) < FIRST_INEXACT)).all():
        raise Refused("link: the column 'frame' needs whole numbers between -2^53 and 2^53")
    table: pd.DataFrame = value.reset_index(drop=True)
    return table
