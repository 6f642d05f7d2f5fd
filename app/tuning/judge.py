"""Suggests tracking settings for the current images, and compares them with the settings in force."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.correction_images import correction_of
from app.console.error_words import sentence
from config.reader import plain
from tracking.settings import Tracking
from tracking.tune import PHASES, inspect, suggest

Floats = NDArray[np.float64]
Image = NDArray[Any]

SUGGESTED = ("diameter_px", "minmass", "separation_px", "smoothing_size_px", "maxsize_px", "invert")  # by `suggest`
LOOKED_AT = 8  # frames
TENTHS = np.arange(PHASES + 1) / PHASES  # edges of the phases


@dataclass(frozen=True)
class Judged:
    """What some settings keep and reject in some frames."""

    settings: Tracking
    kept_mass: Floats  # [K]
    rejected_mass: Floats  # [R]
    phase: Floats  # [2, PHASES] share of x and of y in each tenth of a pixel, times PHASES: 1 is even
    alarm: str  # sentence on a bias of the phases; empty: none
    verdict: str  # the alarm, or the number of particles that support even phases

    @classmethod
    def of(cls, frames: Sequence[Image], settings: Tracking) -> Judged:
        inspected = inspect(frames, settings)
        kept, rejected = inspected.mass
        return cls(settings, kept, rejected, inspected.phase, inspected.alarm, inspected.verdict)

    def mass_histogram(self, bins: int = 40) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
        """(edges [bins + 1], evenly spaced in log mass; counts of kept and of rejected features [bins])."""
        mass = np.concatenate([self.kept_mass, self.rejected_mass, [max(self.settings.minmass, 1.0)]])
        mass = mass[mass > 0]
        edges = np.geomspace(mass.min() / 1.05, mass.max() * 1.05, bins + 1)
        return edges, np.histogram(self.kept_mass, edges)[0], np.histogram(self.rejected_mass, edges)[0]


@dataclass(frozen=True)
class Tuned:
    """Suggested settings and those in force, judged on the same frames."""

    frames: int  # their number
    suggested: Judged
    in_force: Judged
    why: tuple[str, ...]  # a sentence on each suggestion
    doubt: str = ""  # sentence on what the frames can't decide; empty: none

    @property
    def edits(self) -> dict[str, Any]:
        """What the suggestion would change of a rig, all of it: dotted key to value."""
        new, old = plain(self.suggested.settings), plain(self.in_force.settings)
        return {f"tracking.{name}": new[name] for name in new if new[name] != old[name]}


def tuned(frames: Sequence[Image], in_force: Tracking) -> Tuned:
    """Judge the suggestion and the settings in force. Raises ValueError as `suggest` does."""
    suggestion = suggest(frames, in_force)
    judged = Judged.of(frames, suggestion.settings), Judged.of(frames, in_force)
    return Tuned(len(frames), *judged, suggestion.why, suggestion.doubt)


@dataclass
class Tuner:
    """Judges in a thread of its own, so that the window stays responsive: STOP must never wait."""

    found: Tuned | None = None
    trouble: str = ""
    _thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def look(self, frames: Sequence[Image], in_force: Tracking, corrections: Mapping[str, Image] | None = None) -> None:
        """Start, and discard the previous result; does nothing while busy.

        Args:
            frames: raw camera images.
            corrections: correction images by the path of their file.
        """
        if not self.busy:
            self.found, self.trouble = None, ""
            arguments = (tuple(frames), in_force, corrections or {})
            self._thread = threading.Thread(target=self._look, args=arguments, name="tune", daemon=True)
            self._thread.start()

    def _look(self, frames: tuple[Image, ...], in_force: Tracking, corrections: Mapping[str, Image]) -> None:
        try:
            correct = correction_of(in_force, corrections)
            self.found = tuned([correct(frame) for frame in frames], in_force)
        except Exception as error:  # noqa: BLE001  shown to the operator
            self.trouble = str(error) if isinstance(error, ValueError) else sentence(error)
