"""Tracks and commands of a calibration run, as arrays on an even grid of frames."""

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
    """The positions of the spot of one particle, command by command."""

    told_s: Floats  # [M] beginning of the turn
    effect_s: Floats  # [M] time at which the command acted, as reported by the beam
    place_um: Floats  # [M, 2] by the map in use
    mean_mw: Floats  # [M] mean over the cycle of visits

    def at(self, time_s: Floats) -> Floats:
        """[T, 2] position of the spot at these times: the newest command in effect; nan before the first."""
        row = np.searchsorted(self.effect_s, time_s + 1e-9, side="right") - 1
        return np.where((row >= 0)[:, None], self.place_um[np.maximum(row, 0)], np.nan)


@dataclass(frozen=True)
class CalibrationRun:
    """The data of a run for a calibration."""

    fps: float
    time_s: Floats  # [T] middles of the exposures
    particle: Ints  # [P]
    place_px: Floats  # [T, P, 2] nan where not seen
    place_um: Floats  # [T, P, 2]
    spot: dict[int, Path2D]  # by particle; -1: for no particle
    stamps_s: Floats  # [K, 4] mid-exposure, beginning of the turn, sent, in effect (nan where dark)
    light_v: Callable[[Floats], Floats]  # from the position of a spot in um to the V sent

    def long(self, share: float = 0.5) -> NDArray[np.bool_]:
        """[P] whether each particle was seen in at least this fraction of the frames."""
        return np.asarray(np.isfinite(self.place_um[..., 0]).mean(axis=0) >= share)

    def column(self, particle: int) -> int:
        return int(np.searchsorted(self.particle, particle))


def read_calibration_run(path: Path, um_to_v: Callable[[Floats], Floats], settle_s: float) -> CalibrationRun:
    """Read the arrays of one run. Raises Refused if no particle was seen.

    Args:
        settle_s: dark time of the beam at each jump.
    """
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
    return CalibrationRun(fps, time_s, particle, place_px, place_um, spots, stamps, um_to_v)


def _spots(commands: dict[str, NDArray[np.generic]], settle_s: float) -> dict[int, Path2D]:
    """The sent spots, by particle."""
    sent = commands["command"] == "sent"
    turn = np.asarray(commands["turn"][sent], np.int64)
    particles = np.asarray(commands["particle"][sent], np.int64)
    told_s, effect_s = (np.asarray(commands[name][sent], np.float64) for name in ("time_s", "effect_s"))
    place_um = np.column_stack([commands["x_um"][sent], commands["y_um"][sent]]).astype(np.float64)
    energy = np.asarray(commands["power_mw"][sent], np.float64) * np.asarray(commands["dwell_s"][sent], np.float64)
    _, index = np.unique(turn, return_inverse=True)
    cycle_s = np.bincount(index, np.asarray(commands["dwell_s"][sent], np.float64)) if len(turn) else np.empty(0)
    number = np.bincount(index) if len(turn) else np.empty(0)
    cycle_s = cycle_s + np.where(number > 1, number * settle_s, 0.0)  # a single spot needs no jump
    mean_mw = energy / cycle_s[index] if len(turn) else energy
    return {
        int(particle): Path2D(told_s[rows], effect_s[rows], place_um[rows], mean_mw[rows])
        for particle in np.unique(particles)
        for rows in [particles == particle]
    }
