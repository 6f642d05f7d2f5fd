"""The forces requested by the policy, as arrows of a common scale. One curve draws all of them."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from app.desktop.window import theme
from control.contract import Turn

Floats = NDArray[np.float64]
FORCE_UM_PER_PN = 8.0


class Arrows:
    def __init__(self, box: pg.ViewBox) -> None:
        self.on = True
        self.curve = pg.PlotCurveItem(pen=pg.mkPen(theme.GREEN, width=2), connect="finite")
        self.curve.setZValue(5)
        box.addItem(self.curve)

    def clear(self) -> None:
        self.curve.setData([], [])

    def show(self, turn: Turn) -> None:
        """Draw an arrow at each tracked particle; its length is proportional to the force."""
        if not self.on:
            self.clear()
            return
        row = np.searchsorted(turn.tracks.particle, turn.wanted.particle)
        known = row < len(turn.tracks)
        row, force_pn = row[known], turn.wanted.force_pn[known]
        same = turn.tracks.particle[row] == turn.wanted.particle[known]
        path = arrows(turn.tracks.position_um[row[same]], force_pn[same] * FORCE_UM_PER_PN)
        self.curve.setData(path[:, 0], path[:, 1])


def arrows(tail_um: Floats, arrow_um: Floats) -> Floats:
    """One path [6 N, 2] of arrows (shaft and head), separated by nan. Arrows of 0.05 um or less are omitted."""
    long = np.hypot(arrow_um[:, 0], arrow_um[:, 1]) > 0.05
    tail_um, arrow_um = tail_um[long], arrow_um[long]
    tip = tail_um + arrow_um
    back, side = -0.25 * arrow_um, 0.12 * np.stack([-arrow_um[:, 1], arrow_um[:, 0]], axis=1)
    gap = np.full_like(tip, np.nan)
    return np.stack([tail_um, tip, tip + back + side, tip, tip + back - side, gap], axis=1).reshape(-1, 2)
