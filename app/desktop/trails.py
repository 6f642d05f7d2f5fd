"""Where the particles came from: their last seconds, fading. A few curves in all, whatever the number of particles."""

from __future__ import annotations

from collections import deque

import numpy as np
import pyqtgraph as pg

from app.desktop import theme
from control.contract import Tracks, Turn

BANDS = 6  # curves, from faint to bright
SPAN_S = 3.0
MOST_POINTS = 12_000


class Trails:
    """The tracks of the last SPAN_S seconds, in BANDS curves of one brightness each."""

    def __init__(self, box: pg.ViewBox) -> None:
        self.on = True
        self._rows: deque[tuple[float, np.ndarray]] = deque()  # (time_s, [N, 3] particle, x, y)
        self.curves = []
        for band in range(BANDS):
            colour = pg.mkColor(theme.ACCENT)
            colour.setAlpha(30 + 150 * (band + 1) // BANDS)
            self.curves.append(pg.PlotCurveItem(pen=pg.mkPen(colour, width=1), connect="finite"))
            box.addItem(self.curves[-1])

    def add(self, turns: list[Turn]) -> None:
        for turn in turns:
            if len(turn.tracks):
                if self._rows and turn.tracks.time_s <= self._rows[-1][0]:
                    self._rows.clear()  # another run, or an earlier place in a recording
                row = np.column_stack([turn.tracks.particle, turn.tracks.position_um])
                self._rows.append((turn.tracks.time_s, row))
        while self._rows and self._rows[-1][0] - self._rows[0][0] > SPAN_S:
            self._rows.popleft()
        self._thin()

    def put(self, tracks: list[Tracks]) -> None:
        """These, and no others."""
        self._rows.clear()
        for seen in tracks:
            if len(seen):
                self._rows.append((seen.time_s, np.column_stack([seen.particle, seen.position_um])))
        self._thin()

    def _thin(self) -> None:
        """Of very many particles, a shorter past."""
        while len(self._rows) > 2 and sum(len(row) for _, row in self._rows) > MOST_POINTS:
            self._rows.popleft()

    def clear(self) -> None:
        self._rows.clear()

    def show(self) -> None:
        if not self._rows or not self.on:
            for curve in self.curves:
                curve.setData([], [])
            return
        now_s = self._rows[-1][0]
        time_s = np.repeat([time for time, _ in self._rows], [len(row) for _, row in self._rows])
        rows = np.concatenate([row for _, row in self._rows])  # [K, 3]
        order = np.lexsort((time_s, rows[:, 0]))
        rows, age_s = rows[order], now_s - time_s[order]
        # a band begins where the one before it ended, so that a trail has no gaps
        ends = np.flatnonzero(np.diff(rows[:, 0], append=np.inf))  # last row of each particle
        x, y = rows[:, 1].copy(), rows[:, 2].copy()
        band = np.minimum((BANDS * (1.0 - age_s / SPAN_S)).astype(int), BANDS - 1)
        for index, curve in enumerate(self.curves):
            mine = band == index
            mine[:-1] |= (band[1:] == index) & (rows[1:, 0] == rows[:-1, 0])
            last = np.isin(np.arange(len(rows)), ends) | ~np.append(mine[1:], False)
            path = np.column_stack([x, y])[mine]
            breaks = np.flatnonzero(last[mine]) + 1
            path = np.insert(path, breaks, np.nan, axis=0)
            curve.setData(path[:, 0], path[:, 1])
