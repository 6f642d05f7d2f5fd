"""Fading trails of the last seconds. The number of curves does not depend on the number of particles."""

from __future__ import annotations

from collections import deque

import numpy as np
import pyqtgraph as pg

from app.desktop.window import theme
from control.contract import Tracks, Turn

BANDS = 6  # number of curves, from faint to bright
SPAN_S = 3.0
EVERY_S = 0.1  # interval between two points of a trail
MOST_POINTS = 12_000


class Trails:
    """The tracks of the last SPAN_S seconds, in BANDS curves of one brightness each."""

    def __init__(self, box: pg.ViewBox) -> None:
        self.on = True
        self._rows: deque[tuple[float, np.ndarray]] = deque()  # (time_s, [N, 3] particle, x, y)
        self._points = 0  # in all rows
        self._stale = False  # the curves do not show the current rows
        self.curves = []
        for band in range(BANDS):
            colour = pg.mkColor(theme.ACCENT)
            colour.setAlpha(30 + 150 * (band + 1) // BANDS)
            self.curves.append(pg.PlotCurveItem(pen=pg.mkPen(colour, width=1), connect="finite"))
            box.addItem(self.curves[-1])

    def add(self, turns: list[Turn]) -> None:
        for turn in turns:
            if self._rows and turn.tracks.time_s <= self._rows[-1][0]:
                self.clear()  # another run, or an earlier place in a recording
            if not self._rows or turn.tracks.time_s - self._rows[-1][0] >= EVERY_S:
                self._append(turn.tracks)
        while self._rows and self._rows[-1][0] - self._rows[0][0] > SPAN_S:
            self._drop_oldest()
        self._limit_points()

    def put(self, tracks: list[Tracks]) -> None:
        """Show the trails of these tracks only."""
        self.clear()
        for frame in tracks:
            self._append(frame)
        self._limit_points()

    def _append(self, tracks: Tracks) -> None:
        if len(tracks):
            self._rows.append((tracks.time_s, np.column_stack([tracks.particle, tracks.position_um])))
            self._points += len(tracks)
            self._stale = True

    def _drop_oldest(self) -> None:
        self._points -= len(self._rows.popleft()[1])

    def _limit_points(self) -> None:
        """Drop the oldest rows above MOST_POINTS: with very many particles the trails are shorter."""
        while len(self._rows) > 2 and self._points > MOST_POINTS:
            self._drop_oldest()

    def clear(self) -> None:
        self._rows.clear()
        self._points, self._stale = 0, True

    def show(self) -> None:
        if not self._rows or not self.on:
            for curve in self.curves:
                curve.setData([], [])
            self._stale = True
            return
        if not self._stale:
            return
        self._stale = False
        now_s = self._rows[-1][0]
        time_s = np.repeat([time for time, _ in self._rows], [len(row) for _, row in self._rows])
        rows = np.concatenate([row for _, row in self._rows])  # [K, 3]
        order = np.lexsort((time_s, rows[:, 0]))
        rows, age_s = rows[order], now_s - time_s[order]
        # a band begins at the end of the previous one, so that a trail has no gaps
        ends = np.diff(rows[:, 0], append=np.inf) != 0  # [K] last row of each particle
        band = np.minimum((BANDS * (1.0 - age_s / SPAN_S)).astype(int), BANDS - 1)
        for index, curve in enumerate(self.curves):
            in_band = band == index
            in_band[:-1] |= (band[1:] == index) & (rows[1:, 0] == rows[:-1, 0])
            last = ends | ~np.append(in_band[1:], False)
            breaks = np.flatnonzero(last[in_band]) + 1
            path = np.insert(rows[in_band, 1:], breaks, np.nan, axis=0)
            curve.setData(path[:, 0], path[:, 1])
