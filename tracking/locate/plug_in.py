"""A plug-in's locator as a Locate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from config.words import one_line
from control.contract import Fault
from control.foreign import faults_of, require_columns
from tracking.locate.features import COLUMNS, Features, Locate
from tracking.rules import Rules
from tracking.settings import Tracking

SHAPES: dict[str, tuple[int, ...]] = {"mass": (), **dict.fromkeys(COLUMNS, ()), "position_px": (2,)}


@dataclass(frozen=True)
class PlugInLocator:
    """A plug-in's locator. An error in it, or an invalid result, becomes a Fault."""

    who: str  # "the plug-in 'rods' of shapes 1.2"
    locate: Locate

    @classmethod
    def made(cls, label: str, make: Callable[..., Any], settings: Tracking, rules: Rules) -> PlugInLocator:
        """The locator that a plug-in makes. Raises Refused if it makes none."""
        try:
            with faults_of(label):
                locate = make(settings, rules)
        except Fault as fault:
            raise Refused(one_line(fault, 300)) from fault
        if not callable(locate):
            raise Refused(f"{label} makes a {type(locate).__name__}, where a function of an image is needed")
        return cls(label, locate)

    def __call__(self, image: NDArray[Any]) -> Features:
        """The features in float64, so that no kernel is compiled for another type. Raises Fault."""
        with faults_of(self.who):
            features = self.locate(image)
        if not isinstance(features, Features):
            raise Fault(f"{self.who} gave a {type(features).__name__}, where Features are needed")
        require_columns(self.who, features, SHAPES)
        if not np.isfinite(features.position_px).all():
            raise Fault(f"{self.who} gave positions that are not finite")
        return Features(*[np.ascontiguousarray(getattr(features, name), np.float64) for name in COLUMNS])
