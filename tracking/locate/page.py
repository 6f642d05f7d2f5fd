"""The list of locators. A new one is one file, one line here, and one in tracking/tracker.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from config.kinds import functions, lazy

OWN_LOCATORS = ("auto", "centroid", "windows", "radial", "gaussian", "trackpy")


@cache
def plug_in_locators() -> dict[str, Callable[..., Any]]:
    """(Tracking, Rules) -> Locate of each locator that a plug-in adds, by name."""
    return functions("locators", *OWN_LOCATORS)


if TYPE_CHECKING:
    Locator = str
else:
    __getattr__ = lazy(Locator=lambda: Literal[(*OWN_LOCATORS, *plug_in_locators())])
