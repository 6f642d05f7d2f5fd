"""The live image with its overlays. No graphics item is created per frame; coordinates are in um."""

from __future__ import annotations

import time

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QLabel, QWidget

from app.desktop.image.force_arrows import Arrows
from app.desktop.image.particle_labels import ParticleLabels
from app.desktop.image.particle_marks import Mark
from app.desktop.image.scale_bar import ScaleBar
from app.desktop.image.trails import Trails
from app.desktop.window import theme
from app.running.thread import beam_is_on, mean_power_mw
from control.contract import State, Turn

Floats = NDArray[np.float64]
NO_PARTICLE = -1
NOT_YET = (State.NEW, State.UNSORTED)  # identity or species is not determined yet
OTHER_SPECIES = ((theme.GREEN, "s"), (theme.PURPLE, "t1"), (theme.YELLOW, "p"))  # species >= 3 share the last mark
SPOT = 0.4  # diameter of the strongest spot, in particle diameters


class View(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """Image, particles, identities, trails, forces and spots of one Turn."""

    clicked = pyqtSignal(float, float, object)  # x um, y um, the button

    def __init__(self, um_per_px: float, diameter_um: float, parent: QWidget | None = None) -> None:
        self.paintings, self.paint_s = 0, 0.0  # number of paint events, and duration of the last one
        super().__init__(parent)
        self.um_per_px, self.diameter_um = um_per_px, diameter_um
        self.followed = NO_PARTICLE
        self.setBackground(theme.GROUND)
        self.ci.setContentsMargins(0, 0, 0, 0)
        self.box = self.addViewBox(lockAspect=True, invertY=True, enableMenu=False)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.image.setZValue(-100)
        self.trails = Trails(self.box)
        self.arrows = Arrows(self.box)
        ring, dash = pg.mkPen(theme.ACCENT, width=1.5), pg.mkPen(theme.AMBER, width=1.5, style=Qt.PenStyle.DashLine)
        self.good, self.new = Mark(self.box, ring), Mark(self.box, dash)
        others = [Mark(self.box, pg.mkPen(colour, width=1.5), symbol=symbol) for colour, symbol in OTHER_SPECIES]
        self.species = (self.good, *others)
        self.uncertain = Mark(self.box, pg.mkPen(theme.AMBER, width=2), symbol="d")
        self.chosen = Mark(self.box, pg.mkPen(theme.WHITE, width=3))
        self.spots = Mark(self.box, None, brush=(229, 72, 77, 190))
        self.compared = Mark(self.box, pg.mkPen(theme.ORANGE, width=2), symbol="s")
        self.kept = Mark(self.box, pg.mkPen(theme.GREEN, width=2), symbol="+")
        self.rejected = Mark(self.box, pg.mkPen(theme.VERMILION, width=1), symbol="x")
        self.marks = (
            *self.species, self.new, self.uncertain, self.chosen, self.spots, self.compared, self.kept, self.rejected,
        )  # fmt: skip
        self.labels = ParticleLabels(self.box)
        self.scale_bar = ScaleBar(self.box)
        self.box.addItem(self.image)
        self.scale_bar.setVisible(False)
        self.notice = QLabel(self)
        self.notice.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.notice.setWordWrap(True)
        self.notice.setStyleSheet(f"color: {theme.FAINT}; font-size: 18px; background: transparent")
        self.notice.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.levels: tuple[float, float] | None = None
        self._shape: tuple[int, ...] = ()
        self._mouse_um: tuple[float, float] | None = None
        self.scene().sigMouseClicked.connect(self._click)
        self.scene().sigMouseMoved.connect(self._point)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        if hasattr(self, "notice"):  # pyqtgraph resizes within its constructor
            self.notice.setGeometry(self.rect().adjusted(40, 40, -40, -40))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        began_s = time.monotonic()
        self.paintings += 1
        super().paintEvent(event)
        self.paint_s = time.monotonic() - began_s

    def show_rig(self, um_per_px: float, diameter_um: float, guessed: bool = False) -> None:
        """Clear the view for another rig. `guessed`: the pixel size is not known."""
        self.scale_bar.px_um = um_per_px if guessed else 0.0
        self.um_per_px, self.diameter_um, self.followed = um_per_px, diameter_um, NO_PARTICLE
        self.levels, self._shape = None, ()
        self.image.clear()
        self.scale_bar.setVisible(False)
        self.forget()
        self.box.setBorder(pg.mkPen(theme.RAISED, width=1))

    def forget(self) -> None:
        """Remove all tracking results from the image."""
        self.trails.clear()
        self.trails.show()
        for mark in self.marks:
            mark.clear_all()
        self.arrows.clear()
        self.labels.show_all(np.empty(0, np.int64), np.empty((0, 2)), 0.0, np.empty(0, np.bool_))

    def say(self, text: str) -> None:
        """Show a message in the middle of the view, only while there is no image."""
        self.notice.setText("" if self._shape else text)

    def show_turn(self, turn: Turn, recent: list[Turn]) -> None:
        """Show the newest turn. `recent`: the turns since the last call, for the trails."""
        if turn.frame is not None:
            self._show_image(turn.frame.image)
        self.trails.add(recent)
        self._show_marks(turn)
        self.box.setBorder(pg.mkPen(theme.RED, width=6) if beam_is_on(turn) else pg.mkPen(theme.RAISED, width=1))

    def show_recorded(self, turn: Turn) -> None:
        """Show a recorded turn. The border is purple: no beam is on now."""
        if turn.frame is not None and turn.frame.image.size:
            self._show_image(turn.frame.image)
        self._show_marks(turn)
        self.box.setBorder(pg.mkPen(theme.PURPLE, width=2))

    def show_candidates(self, kept_px: Floats, rejected_px: Floats) -> None:
        """Mark the candidates: green plus for kept, vermilion cross for rejected. Both [N, 2]."""
        self.kept.put(kept_px * self.um_per_px, 0.7 * self.diameter_um)
        self.rejected.put(rejected_px * self.um_per_px, 0.4 * self.diameter_um)

    def compare(self, turn: Turn | None) -> None:
        """Open squares at the spots that another law would have sent."""
        position_um, size = _spots(turn) if turn is not None else (np.empty((0, 2)), np.empty(0))
        self.compared.put(position_um, (size * SPOT + 0.15) * self.diameter_um)

    def _show_marks(self, turn: Turn) -> None:
        self._show_particles(turn)
        position_um, size = _spots(turn)
        self.spots.put(position_um, size * SPOT * self.diameter_um)
        self.arrows.show(turn)
        self.trails.show()

    def fit(self) -> None:
        """Show the whole image."""
        if self._shape:
            self.box.setRange(self._rectangle(), padding=0.01)

    def _show_image(self, image: NDArray[np.float64]) -> None:
        if self.levels is None or image.shape != self._shape:
            low, high = np.percentile(image, [1.0, 99.99])
            self.levels = (float(low), float(max(high, low + 1)))
        self.image.setImage(image, autoLevels=False, levels=self.levels)
        if image.shape != self._shape:
            self._shape = image.shape
            self.image.setRect(self._rectangle())
            self.scale_bar.setVisible(True)
            self.notice.setText("")
            self.fit()

    def auto_levels(self) -> None:
        """Set the levels from the next image."""
        self.levels = None

    def set_levels(self, black_counts: float, white_counts: float) -> None:
        """Set the levels manually. White below black inverts the image."""
        self.levels = (black_counts, white_counts)
        self.image.setLevels(self.levels)

    def set_colours(self, name: str) -> None:
        """Set the colour map: grey, viridis or inferno."""
        self.image.setColorMap(pg.colormap.get(name) if name != "grey" else pg.ColorMap(None, ["k", "w"]))

    def _rectangle(self) -> QRectF:
        height, width = self._shape[0] * self.um_per_px, self._shape[1] * self.um_per_px
        return QRectF(-0.5 * self.um_per_px, -0.5 * self.um_per_px, width, height)

    def _show_particles(self, turn: Turn) -> None:
        tracks = turn.tracks
        chosen = tracks.particle == self.followed
        good = (tracks.state == State.GOOD) & ~chosen
        species = np.clip(tracks.species, 0, len(self.species) - 1)
        for number, item in enumerate(self.species):
            item.put(tracks.position_um[good & (species == number)], self.diameter_um)
        new = np.isin(tracks.state, NOT_YET) & ~chosen
        for item, rows in ((self.new, new), (self.uncertain, (tracks.state == State.UNCERTAIN) & ~chosen)):
            item.put(tracks.position_um[rows], self.diameter_um)
        self.chosen.put(tracks.position_um[chosen], self.diameter_um)
        labelled = chosen.copy()
        if self._mouse_um is not None and len(labelled):
            distance_um = np.linalg.norm(tracks.position_um - self._mouse_um, axis=1)
            labelled |= (distance_um == distance_um.min()) & (distance_um < self.diameter_um)
        self.labels.show_all(tracks.particle, tracks.position_um, 0.28 * self.diameter_um, labelled)

    def _point(self, scene_position: object) -> None:
        position = self.box.mapSceneToView(scene_position)
        self._mouse_um = (position.x(), position.y())

    def _click(self, event: object) -> None:
        position = self.box.mapSceneToView(event.scenePos())  # type: ignore[attr-defined]
        self.clicked.emit(position.x(), position.y(), event.button())  # type: ignore[attr-defined]


def _spots(turn: Turn) -> tuple[Floats, Floats]:
    """(positions [M, 2] um, diameters [M] relative to the largest) of the sent spots; area is proportional to power."""
    if not beam_is_on(turn):
        return np.empty((0, 2)), np.empty(0)
    mean_mw = mean_power_mw(turn)  # [M]
    return turn.sent.position_um, np.sqrt(mean_mw / max(float(mean_mw.max()), 1e-12))
