"""States of the laser that a window shows while no loop runs."""

from __future__ import annotations

from typing import Literal

# "not asked": a real laser that this program has not opened; "unknown": it is being switched off.
Light = Literal["dark", "not asked", "unknown", "may be on"]
