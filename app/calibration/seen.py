"""What a calibration run saw and did, as arrays on an even grid of frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from drivers.frame_rate import mean_hz
from drivers.journal import read_run
from drivers.journal.tidy import tidy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Path2D:
    """Where the spot of one particle was sent, command by command."""

    told_s: Floats  # [M] when the turn began
    effect_s: Floats  # [M] when it acted, as the beam says
    place_um: Floats  # [M, 2] as the believed map has it
    mean_mw: Floats  # [M] over the cycle of visits

    def at(self, time_s: Floats) -> Floats:
        """[T, 2] where the spot was at these times: what was sent last, and had taken effect."""
        row = np.searchsorted(self.effect_s, time_s + 1e-9, side="right") - 1
        return np.where((row >= 0)[:, None], self.place_um[np.maximum(row, 0)], np.nan)


@dataclass(frozen=True)
class SeenRun:
    """A run as a calibration needs it."""

    fps: float
    time_s: Floats  # [T] middles of the exposures
    particle: Ints  # [P]
    place_px: Floats  # [T, P, 2] nan where not seen
    place_um: Floats  # [T, P, 2]
    spot: dict[int, Path2D]  # by particle; -1: for nobody
    stamps_s: Floats  # [K, 4] exposure's middle, turn's beginning, sent, in effect; nan where dark
    light_v: Callable[[Floats], Floats]  # um of a spot to the V that it was sent to

    def long(self, share: float = 0.5) -> NDArray[np.bool_]:
        """[P] who was seen in at least this share of the frames."""
        return np.asarray(np.isfinite(self.place_um[..., 0]).mean(axis=0) >= share)

    def column(self, particle: int) -> int:
        return int(np.searchsorted(self.particle, particle))


def seen_run(path: Path, um_to_v: Callable[[Floats], Floats], settle_s: float) -> SeenRun:
    """The arrays of one run, of a beam that is dark for settle_s at each jump. Raises Refused if nobody was seen."""
    with read_run(path) as run:
        tables = tidy(run, run.batches())
        asked_hz = run.header.fps
    tracks, turns = tables["tracks"], tables["turns"]
    if not len(tracks["frame"]):
        raise Refused(f"{path}: no particle was seen; look at the tracking first")
    fps = mean_hz(tracks["frame"], tracks["time_s"], asked_hz)
    first, last = int(tracks["frame"].min()), int(tracks["frame"].max())
    particle = np.unique(tracks["particle"])
    row, column = tracks["frame"] - first, np.searchsorted(particle, tracks["particle"])
    place_px, place_um = (np.full((last - first + 1, len(particle), 2), np.nan) for _ in range(2))
    for axis, name in enumerate("xy"):
        place_px[row, column, axis] = tracks[name]
        place_um[row, column, axis] = tracks[f"{name}_um"]
    start_s = float(tracks["time_s"][0]) - row[0] / fps
    stamps = np.column_stack([turns[name] for name in ("frame_time_s", "now_s", "sent_s", "sent_effect_s")])
    lit = np.isin(turns["turn"], tables["commands"]["turn"][tables["commands"]["command"] == "sent"])
    stamps[~lit, 3] = np.nan
    time_s, spots = start_s + np.arange(len(place_um)) / fps, _spots(tables["commands"], settle_s)
    return SeenRun(fps, time_s, particle, place_px, place_um, spots, stamps, um_to_v)


def _spots(commands: dict[str, NDArray[np.generic]], settle_s: float) -> dict[int, Path2D]:
    """The spots that were sent, by whom they were for."""
    sent = commands["command"] == "sent"
    turn = np.asarray(commands["turn"][sent], np.int64)
    whose = np.asarray(commands["particle"][sent], np.int64)
    told_s, effect_s = (np.asarray(commands[name][sent], np.float64) for name in ("time_s", "effect_s"))
    place_um = np.column_stack([commands["x_um"][sent], commands["y_um"][sent]]).astype(np.float64)
    energy = np.asarray(commands["power_mw"][sent], np.float64) * np.asarray(commands["dwell_s"][sent], np.float64)
    _, index = np.unique(turn, return_inverse=True)
    cycle_s = np.bincount(index, np.asarray(commands["dwell_s"][sent], np.float64)) if len(turn) else np.empty(0)
    number = np.bincount(index) if len(turn) else np.empty(0)
    cycle_s = cycle_s + np.where(number > 1, number * settle_s, 0.0)  # a lone spot is not left
    mean_mw = energy / cycle_s[index] if len(turn) else energy
    return {
        int(who): Path2D(told_s[own], effect_s[own], place_um[own], mean_mw[own])
        for who in np.unique(whose)
        for own in [whose == who]
    }
