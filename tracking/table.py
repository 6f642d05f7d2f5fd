"""Tracker of the ideal bench, whose frames are tables with rows x_um, y_um, cell and species of each particle."""

from __future__ import annotations

import numpy as np

from control.contract import NOTHING_EXPECTED, Expected, Frame, State, Tracks


class TableTracker:
    """The Tracker plug for table frames: row i is particle i, and every particle is GOOD."""

    def start(self) -> None:
        return None

    def step(self, memory: None, frame: Frame, expected: Expected = NOTHING_EXPECTED) -> tuple[None, Tracks]:
        table = frame.image  # [N, 4]
        number = len(table)
        nothing = np.full(number, np.nan)
        return None, Tracks(
            time_s=frame.time_s,
            particle=np.arange(number),
            position_um=table[:, :2].copy(),
            state=np.full(number, State.GOOD, np.uint8),
            species=table[:, 3].astype(np.int64),
            cell=table[:, 2].astype(np.int64),
            position_px=np.full((number, 2), np.nan),
            mass=nothing,
            size_px=nothing,
            ecc=nothing,
            signal=nothing,
            raw_mass=nothing,
            ep_px=nothing,
        )
