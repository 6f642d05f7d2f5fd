"""What a window may say of the light of an instrument that is not running."""

from __future__ import annotations

from typing import Literal

# "not asked": of a real laser that this program has not opened; "unknown": it is being put out.
Light = Literal["dark", "not asked", "unknown", "may be on"]
