"""Advice after a trip, by the failure that caused it."""

from __future__ import annotations

import re

RESET = "Reset, then Arm"
KINDS = (
    (re.compile(r"interlock (is|was) open"), "close the laser's interlock; " + RESET),
    (
        re.compile(r"it is gone|no answer|no more frames|the camera failed|can't be opened|had gone dark by itself"),
        "look at its cable and power, then Reconnect",
    ),
    (re.compile(r"camera is silent"), "look at the camera's cable, power and trigger; " + RESET + ", or Reconnect"),
    (
        re.compile(r"newest frame is .* old"),
        "the loop is too slow, or the computer paused: see Too slow on the image; " + RESET,
    ),
    (re.compile(r"disk|record"), "record to a disk that is fast and has room; " + RESET),
    (re.compile(r"new settings are not in force"), "undo the edit, or apply another; " + RESET),
    (re.compile(r"window did not answer"), "the computer was too busy for the window; " + RESET),
    (re.compile(r"^the window: "), "tell the authors what the log says; " + RESET),
    (re.compile(r"^tracking: "), "look at the tracking settings; " + RESET),
)  # fmt: skip


def advice(reason: str) -> str:
    """Advice for the reason of a trip.

    >>> advice("beam: the galvo at ttyACM0: no answer within 50 ms")
    'look at its cable and power, then Reconnect'
    >>> advice("tripped")
    'Reset, then Arm'
    """
    return next((text for kind, text in KINDS if kind.search(reason)), RESET)
