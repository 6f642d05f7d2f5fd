"""Tracking settings for present images of the camera: suggested and current ones, and the features that each keeps."""

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
    """Features that some settings keep and reject in the inspected frames."""

    settings: Tracking
    kept_mass: Floats  # [K]
    rejected_mass: Floats  # [R]
    phase: Floats  # [2, PHASES] relative frequency of x and of y in each tenth of a pixel; 1: uniform
    alarm: str  # empty, or the problem of the phases
    verdict: str  # the alarm, or the number of particles with which the phases are uniform

    @classmethod
    def of(cls, frames: Sequence[Image], settings: Tracking) -> Judged:
        inspection = inspect(frames, settings)
        kept, rejected = inspection.mass
        return cls(settings, kept, rejected, inspection.phase, inspection.alarm, inspection.verdict)

    def mass_histogram(self, bins: int = 40) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
        """(edges [bins + 1], evenly spaced in their logarithm; counts kept [bins]; counts rejected [bins])."""
        mass = np.concatenate([self.kept_mass, self.rejected_mass, [max(self.settings.minmass, 1.0)]])
        mass = mass[mass > 0]
        edges = np.geomspace(mass.min() / 1.05, mass.max() * 1.05, bins + 1)
        return edges, np.histogram(self.kept_mass, edges)[0], np.histogram(self.rejected_mass, edges)[0]


@dataclass(frozen=True)
class Tuned:
    """The result of one tuning on some frames."""

    frames: int
    suggested: Judged
    in_force: Judged
    why: tuple[str, ...]  # a sentence on each suggestion
    doubt: str = ""  # limits of the suggestion with these frames

    @property
    def edits(self) -> dict[str, Any]:
        """All changes of the rig's settings by the suggestion: dotted key to value."""
        new, old = plain(self.suggested.settings), plain(self.in_force.settings)
        return {f"tracking.{name}": new[name] for name in new if new[name] != old[name]}


def tuned(frames: Sequence[Image], in_force: Tracking) -> Tuned:
    """Suggest settings and judge them. Raises ValueError if the frames show no clear features, or are inconclusive."""
    suggestion = suggest(frames, in_force)
    return Tuned(
        len(frames),
        Judged.of(frames, suggestion.settings),
        Judged.of(frames, in_force),
        suggestion.why,
        suggestion.doubt,
    )


@dataclass
class Tuner:
    """Tunes in a separate thread, so that the window stays responsive: STOP must never wait."""

    found: Tuned | None = None
    trouble: str = ""
    _thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def look(self, frames: Sequence[Image], in_force: Tracking, corrections: Mapping[str, Image] | None = None) -> None:
        """Start a tuning and discard the last result. Does nothing while it is busy.

        Args:
            frames: raw frames of the camera.
            corrections: images that correct them, by file name.
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
        except Exception as error:  # noqa: BLE001  any error is shown to the operator
            self.trouble = str(error) if isinstance(error, ValueError) else sentence(error)
