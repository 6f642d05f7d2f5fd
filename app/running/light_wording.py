"""States of the laser that a window shows while no loop runs."""

from __future__ import annotations

from typing import Literal

# "not asked": a real laser that this program has not opened; "unknown": it is being switched off.
Light = Literal["dark", "not asked", "unknown", "may be on"]

AT_THE_END: dict[Light, str] = {  # of a program that a signal stopped
    "dark": "the laser is dark",
    "not asked": "the laser of this rig was not opened, and whether it is on is not known",
    "unknown": "whether the laser is on is not known",
    "may be on": "the laser may be on",
}
