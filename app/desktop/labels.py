"""Identities beside the particles. The texts are made once and used again."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from app.desktop import theme

MOST = 60  # beyond that, numbers would hide what they name: only who is followed or pointed at keeps one


class Labels:
    """A pool of texts in a view box, which grows to the largest number of particles seen."""

    def __init__(self, box: pg.ViewBox) -> None:
        self.box, self.texts = box, list[pg.TextItem]()
        self.on = True
        self._said: list[int] = []

    def show(
        self,
        particle: NDArray[np.int64],  # [N]
        position_um: NDArray[np.float64],  # [N, 2]
        offset_um: float,
        named: NDArray[np.bool_],  # [N] who keeps a name in a crowd
    ) -> None:
        """The identity of each particle, to its lower right."""
        if not self.on:
            rows = np.empty(0, np.int64)
        elif len(particle) > MOST:
            rows = np.flatnonzero(named)
        else:
            rows = np.arange(len(particle))
        while len(self.texts) < len(rows):
            text = pg.TextItem(color=theme.INK, anchor=(0, 0))
            self.box.addItem(text)
            self.texts.append(text)
            self._said.append(-1)
        for index, text in enumerate(self.texts):
            if index >= len(rows):
                text.setVisible(False)
                continue
            name = int(particle[rows[index]])
            if self._said[index] != name:
                text.setText(str(name))
                self._said[index] = name
            x, y = position_um[rows[index]].tolist()
            text.setPos(x + offset_um, y + offset_um)
            text.setVisible(True)
