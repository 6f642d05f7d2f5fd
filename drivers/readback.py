"""A setting of a device, as it was asked for, and as the device gave it back."""

from __future__ import annotations

import math
from dataclasses import dataclass

PART = 0.05  # a returned value may differ from what was asked by this part of it and still agree


@dataclass(frozen=True)
class Returned:
    """`name` ends in the unit; `returned` is nan where the device does not say."""

    name: str  # "camera.exposure_s"
    asked: float
    returned: float

    @property
    def agrees(self) -> bool:
        return math.isclose(self.asked, self.returned, rel_tol=PART)
