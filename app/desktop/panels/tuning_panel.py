"""Suggests tracking settings for the camera images, compares them with those in force, and puts them in force."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from app.desktop.forms.scrolled import scrolled
from app.desktop.plots.named_axes import Plot
from app.desktop.window import theme
from app.tuning.judge import LOOKED_AT, SUGGESTED, TENTHS, Judged, Tuned, Tuner
from config.refused import Refused

Image = NDArray[Any]
LOOK_MS = 50
PLOT_PX = 180
WELCOME = (
    "Looks at the last images and suggests diameter, least mass and separation; nothing changes until you use them."
)


class TuningPanel(QWidget):
    """Signals: `used` carries the suggestion as edits of the rig; `judged`: other settings must be drawn; `wanted`: the
    newest image must be added."""

    used = pyqtSignal(dict)
    judged = pyqtSignal()
    wanted = pyqtSignal()

    def __init__(
        self,
        current_settings: Callable[[], Any],
        corrections: Callable[[], Mapping[str, Image]] = dict,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._current_settings, self._corrections = current_settings, corrections
        self._images: deque[Image] = deque(maxlen=LOOKED_AT)
        self.source: Callable[[], list[Image]] | None = None  # images of a recording; None: the added images
        self.tuner = Tuner()
        self._in_front = False
        self._repeat = False  # other settings came into force during the search
        self.shown: Tuned | None = None
        self.look_button, self.use_button = QPushButton("Suggest"), QPushButton("Use these")
        self.look_button.setToolTip("look at the last images, and suggest settings for them")
        self.use_button.setToolTip("put the suggested values in force between two turns")
        self.suggested, self.in_force = QRadioButton("suggested"), QRadioButton("in force")
        self.choice = QButtonGroup(self)
        self.values: dict[tuple[str, str], QLabel] = {}
        self.said, self.alarm = QLabel(WELCOME), QLabel()
        self.mass = Plot("mass  grey levels", "", log="x", lines=1)
        self.phase = Plot("sub-pixel phase  px", "", lines=1)
        self.edge = pg.InfiniteLine(pen=pg.mkPen(theme.WHITE, width=1))
        self.mass.axes.addItem(self.edge)
        self._lay_out()
        self.look_button.clicked.connect(self.look)
        self.use_button.clicked.connect(self.use)
        self.choice.buttonToggled.connect(lambda button, on: self._draw() if on else None)
        self.timer = QTimer(self)
        self.timer.timeout.connect(self._poll)
        self._show(None)

    def _lay_out(self) -> None:
        table = QGridLayout()
        table.setVerticalSpacing(1)
        table.setHorizontalSpacing(2)
        table.addWidget(self.suggested, 0, 1)
        table.addWidget(self.in_force, 0, 2)
        for button in (self.suggested, self.in_force):
            button.setToolTip("whose histograms are drawn, and whose candidates stand in the image")
            self.choice.addButton(button)
        self.suggested.setChecked(True)
        for row, name in enumerate((*SUGGESTED, "kept", "rejected"), 1):
            label = QLabel(name.removesuffix("_px").replace("smoothing_size", "smoothing"))
            label.setStyleSheet(f"color: {theme.FAINT}")
            table.addWidget(label, row, 0)
            for column, source in enumerate(("suggested", "in force"), 1):
                value = QLabel()
                value.setFont(theme.figures_font(13))
                value.setAlignment(Qt.AlignmentFlag.AlignRight)
                table.addWidget(value, row, column)
                self.values[name, source] = value
        self.said.setStyleSheet(f"color: {theme.FAINT}")
        for plot in (self.mass, self.phase):
            plot.setFixedHeight(PLOT_PX)
        for label in (self.said, self.alarm):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QHBoxLayout()
        buttons.addWidget(self.look_button)
        buttons.addWidget(self.use_button)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        layout.addLayout(buttons)
        layout.addLayout(table)
        layout.addWidget(self.mass, 1)
        layout.addWidget(self.phase, 1)
        layout.addWidget(self.alarm)
        layout.addWidget(self.said)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(theme.GRID, 0, 0, theme.GRID)
        outer.addWidget(scrolled(inner))

    # images ---------------------------------------------------------------------------------------------------------

    def add(self, image: Image) -> None:
        """Add a camera image; the last LOOKED_AT images are used."""
        if image.size and (not self._images or image is not self._images[-1]):
            if self._images and self._images[-1].shape != image.shape:
                self._images.clear()
            self._images.append(image)

    def forget(self) -> None:
        """Discard images, suggestions and the present search, for another rig."""
        self._images.clear()
        self.source = None
        self.tuner, self._repeat = Tuner(), False  # the result of a search that goes on is lost with its Tuner
        self.timer.stop()
        self.look_button.setEnabled(True)
        self.say(WELCOME)
        self._show(None)

    # suggestions ----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        self.wanted.emit()
        try:
            frames = self.source() if self.source is not None else list(self._images)
        except Refused as refused:
            self.say(str(refused))
            return
        if not frames:
            self.say("there is no image yet")
            return
        self.tuner.look(frames, self._current_settings(), self._corrections())
        self._show(None)
        self.say(f"looking at {len(frames)} images")
        self.look_button.setEnabled(False)
        self.timer.start(LOOK_MS)

    def _poll(self) -> None:
        if self.tuner.busy:
            return
        self.timer.stop()
        self.look_button.setEnabled(True)
        if self._repeat:
            self._repeat = False
            self.look()
            return
        self.say(self.tuner.trouble)
        self._show(self.tuner.found)

    def use(self) -> None:
        if self.shown is not None and self.shown.edits:
            self.used.emit(self.shown.edits)

    def accepted(self) -> None:
        """Other settings are now in force: repeat the comparison with them, also one that is not finished."""
        if self.timer.isActive():
            self._repeat = True
        elif self.shown is not None:
            self.look()

    @property
    def judgement(self) -> Judged | None:
        """The judgement of the chosen settings; None if the panel is hidden or has no result."""
        if self.shown is None or not self._in_front:
            return None
        return self.shown.suggested if self.suggested.isChecked() else self.shown.in_force

    def say(self, text: str) -> None:
        self.said.setText(text)

    def see(self, on: bool) -> None:
        """Set whether the panel is in front. Qt does not hide a panel behind another tab."""
        self._in_front = on
        self.judged.emit()

    # drawing --------------------------------------------------------------------------------------------------------

    def _show(self, tuned: Tuned | None) -> None:
        self.shown = tuned
        self.use_button.setEnabled(tuned is not None and bool(tuned.edits))
        self.use_button.setText("Use these" if tuned is None or tuned.edits else "In force")
        edits = tuned.edits if tuned is not None else {}
        for source, judged in (
            ("suggested", tuned.suggested if tuned is not None else None),
            ("in force", tuned.in_force if tuned is not None else None),
        ):
            for name, text in _texts(judged).items():
                changed = source == "suggested" and f"tracking.{name}" in edits
                self.values[name, source].setText(text)
                self.values[name, source].setStyleSheet(f"color: {theme.AMBER}" if changed else "")
        if tuned is not None:
            sentences = (*filter(None, [tuned.doubt]), *tuned.why)
            self.say("\n".join(sentence[0].upper() + sentence[1:] + "." for sentence in sentences))
        doubtful = tuned is not None and bool(tuned.doubt)
        self.said.setStyleSheet(f"color: {theme.AMBER if doubtful else theme.FAINT}")
        self._draw()

    def _draw(self) -> None:
        judged = None
        if self.shown is not None:
            judged = self.shown.suggested if self.suggested.isChecked() else self.shown.in_force
        self.edge.setVisible(judged is not None)
        if judged is None:
            self.alarm.setText("")
            for plot in (self.mass, self.phase):
                plot.empty()
        else:
            self._draw_judged(judged)
        self.judged.emit()

    def _draw_judged(self, judged: Judged) -> None:
        edges, kept, rejected = judged.mass_histogram()
        for name, count, colour in (("rejected", rejected, theme.VERMILION), ("kept", kept, theme.GREEN)):
            self.mass.bars(
                name, edges, count / max(int(count.max()), 1), colour
            )  # normalised: one histogram may have a hundred times as many counts
        self.edge.setValue(np.log10(max(judged.settings.minmass, edges[0])))
        self.phase.steps("x", TENTHS, judged.phase[0], theme.SKY)
        self.phase.steps("y", TENTHS, judged.phase[1], theme.ORANGE)
        self.phase.line("even", [0.0, 1.0], np.ones(2), theme.FAINT, dash=True)
        self.phase.axes.setYRange(0.0, max(2.0, 1.1 * float(judged.phase.max())))
        self.alarm.setText(judged.verdict)
        self.alarm.setStyleSheet(f"color: {theme.AMBER if judged.alarm else theme.FAINT}")


def _texts(judged: Judged | None) -> dict[str, str]:
    """The texts of one column of the table."""
    if judged is None:
        return dict.fromkeys((*SUGGESTED, "kept", "rejected"), "–")
    settings = judged.settings
    return {
        "diameter_px": f"{settings.diameter_px} px",
        "minmass": f"{settings.minmass:.4g}",
        "separation_px": f"{settings.least_distance_px:g} px",
        "smoothing_size_px": f"{settings.smoothing_px} px",
        "maxsize_px": f"{settings.maxsize_px:g} px" if settings.maxsize_px is not None else "any",
        "invert": "yes" if settings.invert else "no",
        "kept": f"{len(judged.kept_mass)}",
        "rejected": f"{len(judged.rejected_mass)}",
    }
