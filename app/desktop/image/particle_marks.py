"""One kind of mark, drawn for all particles at once. Sizes are in um; symbols come from a cache of pixmaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMALLEST_PX = 4.0


class Mark(pg.ScatterPlotItem):  # type: ignore[misc]
    """A scatter plot with symbols that scale with the image. Sizes are whole pixels: each size is one cached pixmap."""

    def __init__(self, box: pg.ViewBox, pen: Any, brush: Any = None, symbol: str = "o") -> None:
        super().__init__(pen=pen, brush=pg.mkBrush(brush), symbol=symbol, pxMode=True)
        self.box = box
        self._diameter_um: Floats = np.empty(0)
        box.addItem(self)
        box.sigRangeChanged.connect(self._rescale)
        box.sigResized.connect(self._rescale)

    def put(self, position_um: Floats, diameter_um: float | Floats) -> None:
        """Marks at `position_um` [N, 2] of these diameters."""
        if len(position_um) == 0 and len(self._diameter_um) == 0:
            return  # usually most kinds of mark are empty
        self._diameter_um = np.broadcast_to(np.asarray(diameter_um, np.float64), len(position_um))
        self.setData(x=position_um[:, 0], y=position_um[:, 1], size=self._size_px())

    def clear_all(self) -> None:
        self.put(np.empty((0, 2)), 0.0)

    def _size_px(self) -> Floats:
        um_per_screen_px = float(self.box.viewPixelSize()[0])
        return np.maximum(np.round(self._diameter_um / um_per_screen_px), SMALLEST_PX)

    def _rescale(self, *_: object) -> None:
        if len(self._diameter_um):
            self.setSize(self._size_px())
