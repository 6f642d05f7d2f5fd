"""Restores the handlers of several signals, even if signals arrive meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any


def set_back(actions: Mapping[int, Any]) -> None:
    """Restore the handler of each signal, even if a restored handler runs meanwhile and raises.

    The first such exception is raised at the end.
    """
    left = list(actions.items())
    raised: list[BaseException] = []
    while left and len(raised) <= len(actions):  # outside the main thread each attempt fails
        try:
            while left:
                number, action = left[0]
                if signal.getsignal(number) != action:
                    signal.signal(number, action)
                del left[0]
        except BaseException as error:  # noqa: BLE001  raised below
            raised.append(error)
    if raised:
        raise raised[0]
