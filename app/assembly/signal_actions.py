"""Restores the handlers of several signals, even if signals arrive meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any


def set_back(actions: Mapping[int, Any]) -> None:
    """Restore the handler of each signal, even if a restored handler runs meanwhile and raises.

    The first such exception is raised at the end.
    """
    remaining = list(actions.items())
    errors: list[BaseException] = []
    while remaining and len(errors) <= len(actions):  # outside the main thread each attempt fails
        try:
            while remaining:
                number, action = remaining[0]
                if signal.getsignal(number) != action:
                    signal.signal(number, action)
                del remaining[0]
        except BaseException as error:  # noqa: BLE001  raised below
            errors.append(error)
    if errors:
        raise errors[0]
