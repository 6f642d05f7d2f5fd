"""A setting of a device: the requested value, and the value read back."""

from __future__ import annotations

import math
from dataclasses import dataclass

PART = 0.05  # largest relative difference of requested and returned values that agree


@dataclass(frozen=True)
class Returned:
    """`name` ends in the unit; `returned` is nan if the device does not report the value."""

    name: str  # "camera.exposure_s"
    asked: float
    returned: float

    @property
    def agrees(self) -> bool:
        return math.isclose(self.asked, self.returned, rel_tol=PART)
