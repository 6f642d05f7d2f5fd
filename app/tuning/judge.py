"""Tracking settings for what the camera shows now: suggested and in force side by side, and what each would keep."""

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
    """What some settings keep and reject in the frames that were looked at."""

    settings: Tracking
    kept_mass: Floats  # [K]
    rejected_mass: Floats  # [R]
    phase: Floats  # [2, PHASES] share of x and of y in each tenth of a pixel; 1 is even
    alarm: str  # empty, or what is wrong with the phases
    verdict: str  # the alarm, or how many particles say that the phases are even

    @classmethod
    def of(cls, frames: Sequence[Image], settings: Tracking) -> Judged:
        seen = inspect(frames, settings)
        kept, rejected = seen.mass
        return cls(settings, kept, rejected, seen.phase, seen.alarm, seen.verdict)

    def mass_histogram(self, bins: int = 40) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
        """(edges [bins + 1], even in their logarithm; kept and rejected [bins])."""
        every = np.concatenate([self.kept_mass, self.rejected_mass, [max(self.settings.minmass, 1.0)]])
        every = every[every > 0]
        edges = np.geomspace(every.min() / 1.05, every.max() * 1.05, bins + 1)
        return edges, np.histogram(self.kept_mass, edges)[0], np.histogram(self.rejected_mass, edges)[0]


@dataclass(frozen=True)
class Tuned:
    """The answer to one look at some frames."""

    frames: int
    suggested: Judged
    in_force: Judged
    why: tuple[str, ...]  # a sentence on each suggestion
    doubt: str = ""  # what the frames can't tell

    @property
    def edits(self) -> dict[str, Any]:
        """What the suggestion would change of a rig, all of it: dotted key to value."""
        new, old = plain(self.suggested.settings), plain(self.in_force.settings)
        return {f"tracking.{name}": new[name] for name in new if new[name] != old[name]}


def tuned(frames: Sequence[Image], in_force: Tracking) -> Tuned:
    """Raises ValueError where nothing stands out in the frames, or they can't tell."""
    made = suggest(frames, in_force)
    return Tuned(len(frames), Judged.of(frames, made.settings), Judged.of(frames, in_force), made.why, made.doubt)


@dataclass
class Tuner:
    """Looks in a thread of its own, so that the window goes on: STOP must never wait."""

    found: Tuned | None = None
    trouble: str = ""
    _thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def look(self, frames: Sequence[Image], in_force: Tracking, corrections: Mapping[str, Image] | None = None) -> None:
        """Begin; what was found before is forgotten. Not while it is busy.

        Args:
            frames: as the camera gave them.
            corrections: images that correct them, by their files.
        """
        if not self.busy:
            self.found, self.trouble = None, ""
            about = (tuple(frames), in_force, corrections or {})
            self._thread = threading.Thread(target=self._look, args=about, name="tune", daemon=True)
            self._thread.start()

    def _look(self, frames: tuple[Image, ...], in_force: Tracking, corrections: Mapping[str, Image]) -> None:
        try:
            correct = correction_of(in_force, corrections)
            self.found = tuned([correct(frame) for frame in frames], in_force)
        except Exception as error:  # noqa: BLE001  whatever it is, the operator reads it
            self.trouble = str(error) if isinstance(error, ValueError) else sentence(error)
