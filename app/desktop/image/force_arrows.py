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
        in_range = row < len(turn.tracks)
        row, force_pn = row[in_range], turn.wanted.force_pn[in_range]
        matches = turn.tracks.particle[row] == turn.wanted.particle[in_range]
        path = arrows(turn.tracks.position_um[row[matches]], force_pn[matches] * FORCE_UM_PER_PN)
        self.curve.setData(path[:, 0], path[:, 1])


def arrows(tail_um: Floats, arrow_um: Floats) -> Floats:
    """One path [6 N, 2] of arrows (shaft and head), separated by nan. Arrows of 0.05 um or less are omitted."""
    visible = np.hypot(arrow_um[:, 0], arrow_um[:, 1]) > 0.05
    tail_um, arrow_um = tail_um[visible], arrow_um[visible]
    tip = tail_um + arrow_um
    back, side = -0.25 * arrow_um, 0.12 * np.stack([-arrow_um[:, 1], arrow_um[:, 0]], axis=1)
    gap = np.full_like(tip, np.nan)
    return np.stack([tail_um, tip, tip + back + side, tip, tip + back - side, gap], axis=1).reshape(-1, 2)
