"""Excluded regions, drawn on the image. The mouse moves and resizes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from PyQt6.QtCore import QObject, Qt, pyqtSignal

from app.desktop.image.image_view import View
from app.desktop.window import theme

KINDS = ("ellipse", "rectangle")
DIAMETERS = 2.0  # width of a new region, in particle diameters


class _Rectangle(pg.ROI):  # type: ignore[misc]
    """A rectangle with one handle, at its lower right corner."""

    def __init__(self, **options: Any) -> None:
        super().__init__((0.0, 0.0), (1.0, 1.0), rotatable=False, **options)
        self.addScaleHandle([1, 1], [0, 0])


class _Ellipse(pg.EllipseROI):  # type: ignore[misc]
    def __init__(self, **options: Any) -> None:
        super().__init__((0.0, 0.0), (1.0, 1.0), rotatable=False, **options)

    def _addHandles(self) -> None:
        self.addScaleHandle([1, 1], [0, 0])


class Regions(QObject):
    """`changed` carries all regions as plain data, in px, in the format of `tracking.excluded_regions`."""

    changed = pyqtSignal(list)

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.view = view
        self.shown: list[dict[str, Any]] = []
        self.items: list[Any] = []
        self._dragging = False

    def show(self, regions: Sequence[dict[str, Any]]) -> None:
        """Show only these regions. Emits nothing. If they change while the mouse drags one, that drag has no effect."""
        scale = self.view.um_per_px
        kinds_differ = [region["kind"] for region in regions] != [region["kind"] for region in self.shown]
        if kinds_differ or (self._dragging and [*regions] != self.shown):
            for item in self.items:
                self.view.box.removeItem(item)
            self.items = [self._make_item(region["kind"]) for region in regions]
        self.shown = [dict(region) for region in regions]
        for item, region in zip(self.items, self.shown, strict=True):
            item.blockSignals(True)
            item.setPos(region["left_px"] * scale, region["top_px"] * scale, update=False)
            item.setSize((region["width_px"] * scale, region["height_px"] * scale))
            item.path = None  # the mouse area of an ellipse, which pyqtgraph renews only if signals are not blocked
            item.blockSignals(False)

    def add(self, kind: str, x_um: float, y_um: float) -> None:
        """Add a region with its centre at (x, y)."""
        size_px = round(DIAMETERS * self.view.diameter_um / self.view.um_per_px, 1)
        left_px, top_px = (round(value / self.view.um_per_px - size_px / 2.0, 1) for value in (x_um, y_um))
        region = {"kind": kind, "left_px": left_px, "top_px": top_px, "width_px": size_px, "height_px": size_px}
        self.changed.emit([*self.shown, region])

    def at(self, x_um: float, y_um: float) -> int | None:
        """Index of the region at this position; None if there is none."""
        x, y = (value / self.view.um_per_px for value in (x_um, y_um))
        for number in reversed(range(len(self.shown))):
            region = self.shown[number]
            if 0 <= x - region["left_px"] <= region["width_px"] and 0 <= y - region["top_px"] <= region["height_px"]:
                return number
        return None

    def remove(self, number: int) -> None:
        self.changed.emit([region for index, region in enumerate(self.shown) if index != number])

    def _make_item(self, kind: str) -> Any:
        pen = pg.mkPen(theme.FAINT, width=1.5, style=Qt.PenStyle.DashLine)
        item = (_Ellipse if kind == "ellipse" else _Rectangle)(pen=pen, hoverPen=pg.mkPen(theme.WHITE, width=2))
        item.setZValue(40)
        item.sigRegionChangeStarted.connect(self._begun)
        item.sigRegionChangeFinished.connect(self._moved)
        self.view.box.addItem(item)
        return item

    def _begun(self) -> None:
        self._dragging = True

    def _moved(self, item: Any) -> None:
        """Emit the regions after the mouse moved or resized one. A side dragged past the opposite side stays there."""
        self._dragging = False
        if item not in self.items:  # the regions have changed during the drag
            return
        number, scale = self.items.index(item), self.view.um_per_px
        (x, y), (width, height) = item.pos(), item.size()
        left, right, top, bottom = min(x, x + width), max(x, x + width), min(y, y + height), max(y, y + height)
        bounds_um = {"left_px": left, "top_px": top, "width_px": right - left, "height_px": bottom - top}
        bounds_px = {name: round(value / scale, 1) for name, value in bounds_um.items()}
        bounds_px |= {name: max(bounds_px[name], 1.0) for name in ("width_px", "height_px")}
        regions = [{**region, **bounds_px} if index == number else region for index, region in enumerate(self.shown)]
        if regions == self.shown:  # moved back, or by less than 0.05 px
            self.show(regions)
        else:
            self.changed.emit(regions)
