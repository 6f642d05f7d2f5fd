"""Frame in px to tracks in um: locate, link, map."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from config.geometry import Affine
from control.contract import Frame, Tracks
from tracking.link import Remembered, link
from tracking.locate.centroid import Centroid
from tracking.locate.features import Features, Locate
from tracking.locate.trackpy_locate import TrackpyLocate
from tracking.settings import Tracking


def locator(settings: Tracking) -> Locate:
    """The locator that the settings name. The list page of locators."""
    if settings.locator == "trackpy":
        return TrackpyLocate(settings)
    return Centroid(settings)


@dataclass(frozen=True)
class Tracker:
    """The Tracker plug. Its answer depends on its settings, the memory and the frame, and on nothing else."""

    settings: Tracking
    px_to_um: Affine
    locate: Locate = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if (self.px_to_um.source, self.px_to_um.target) != ("px", "um"):
            raise ValueError(
                f"a tracker needs a map from px to um, not {self.px_to_um.source} to {self.px_to_um.target}"
            )
        object.__setattr__(self, "locate", locator(self.settings))

    def start(self) -> Remembered:
        return Remembered()

    def step(self, memory: Remembered, frame: Frame) -> tuple[Remembered, Tracks]:
        """Who is where in `frame`; rows in order of rising particle."""
        found = self.locate(frame.image)
        after, linked = link(memory, frame.number, found.position_px, self.settings)
        order = linked.order
        found = _rows(found, order)
        return after, Tracks(
            time_s=frame.time_s,
            particle=linked.particle[order],
            position_um=self.px_to_um(found.position_px),
            state=linked.state[order],
            species=np.zeros(len(order), np.int64),
            cell=np.zeros(len(order), np.int64),
            position_px=found.position_px,
            mass=found.mass,
            size_px=found.size_px,
            ecc=found.ecc,
            signal=found.signal,
            raw_mass=found.raw_mass,
            ep_px=found.ep_px,
            lost=linked.lost,
            notes=linked.notes,
        )


def _rows(found: Features, order: np.typing.NDArray[np.int64]) -> Features:
    return Features(*(getattr(found, column.name)[order] for column in fields(Features)))
