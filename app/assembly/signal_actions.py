"""The actions of several signals are set back together, whatever comes meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any


def set_back(actions: Mapping[int, Any]) -> None:
    """Set the action of each signal. One that is set already may act meanwhile, and raise: the others are set, too.

    What was raised first is raised after that.
    """
    left = list(actions.items())
    raised: list[BaseException] = []
    while left and len(raised) <= len(actions):  # outside of the main thread each attempt fails
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
