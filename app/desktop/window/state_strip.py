"""State of the instrument, always visible: kind of rig, interlock with reason, beam, record."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, QRect, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QFont, QFontMetrics, QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.analysis.trip_advice import advice
from app.desktop.window import theme
from app.desktop.window.badge import Badge
from app.running.light_wording import Light
from app.running.thread import beam_is_on, mean_power_mw
from control.contract import Level, Turn
from control.loop import UNCONFIRMED

KINDS = {
    "REAL": (theme.ORANGE, "diamond"),
    "SIMULATED": (theme.SKY, "circle"),
    "REPLAY": (theme.PURPLE, "triangle"),
    "WATCH ONLY": (theme.PURPLE, "hollow"),
}
LEVELS = {
    Level.SAFE: (theme.GREEN, "square", True),
    Level.PROBING: (theme.AMBER, "diamond", False),
    Level.ARMED: (theme.AMBER, "triangle", False),
    Level.TRIPPED: (theme.RED, "octagon", False),
}


NO_LIGHT = "no light exists (watch only)"  # shown before the reason, at every level
REASON_PX = 120  # least width of the reason


class WrappedLabel(QLabel):
    """Shows a complete message: with wrapped lines and a smaller font at fixed height, or with the height it needs."""

    SIZES_PX = (13, 12, 11, 10, 9)
    HEIGHT_PX = 33
    FREE_PX = 12  # font size with free height

    said = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.whole = ""
        self._free_height = False
        self.setWordWrap(True)
        self.setFixedHeight(self.HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def say(self, text: str) -> None:
        if text != self.whole:
            self.whole = text
            self.setToolTip(text)
            self.setText(text)
            self._fit()
            self.said.emit()

    def free(self, free: bool) -> None:
        """Set whether the height is free."""
        self._free_height = free
        self._fit()

    def fits(self, width_px: int) -> bool:
        """Whether the complete message fits into this width at the fixed height."""
        return any(self._height_px(size_px, width_px) <= self.HEIGHT_PX for size_px in self.SIZES_PX)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Set the largest font that fits, or with free height the height that fits."""
        width_px, font = self.width(), self.font()
        fitting = (size for size in self.SIZES_PX if self._height_px(size, width_px) <= self.HEIGHT_PX)
        size_px = self.FREE_PX if self._free_height else next(fitting, self.SIZES_PX[-1])
        font.setPixelSize(size_px)
        self.setFont(font)
        self.setFixedHeight(self._height_px(size_px, width_px) if self._free_height else self.HEIGHT_PX)

    def _height_px(self, size_px: int, width_px: int) -> int:
        font = QFont(self.font())
        font.setPixelSize(size_px)
        area = QRect(0, 0, max(width_px, 1), 10_000)
        return QFontMetrics(font).boundingRect(area, int(Qt.TextFlag.TextWordWrap), self.whole).height()


class StateStrip(QWidget):
    def __init__(self, kind: str, why_unconfirmed: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind, self.level = Badge("WATCH ONLY"), Badge("was TRIPPED")
        self.map, self.watch = Badge("MAP UNCONFIRMED", short="MAP"), Badge("WINDOW NOT WATCHED", short="WATCH")
        self.watch.setToolTip(
            "loop.window_timeout_s of this rig is null: the beam stays as it is if this window does not answer"
        )
        self.beam, self.record = Badge("BEAM ON 000.0 mW"), Badge("REC 00:00:00")
        self.reason = WrappedLabel()
        self.doubt = ""  # why the laser of this rig or of an earlier one may be on
        self._watch_only = False  # the light of this rig is simulated, and acts on nothing
        self.reason.setAccessibleName("why the interlock is where it is")
        self._spacer = QWidget()  # replaces the reason in the row while the reason is below
        self._spacer.hide()
        self._spacer.setFixedHeight(WrappedLabel.HEIGHT_PX)
        self._spacer.setSizePolicy(self.reason.sizePolicy())
        self._rows, self._row = QVBoxLayout(self), QHBoxLayout()
        self._rows.setContentsMargins(theme.GRID, 4, theme.GRID, 4)
        self._rows.setSpacing(0)
        self._row.setSpacing(theme.GRID)
        self._rows.addLayout(self._row)
        for badge in (self.kind, self.map, self.watch, self.level):
            self._row.addWidget(badge)
        for widget in (self.reason, self._spacer):
            widget.setMinimumWidth(REASON_PX)
            widget.installEventFilter(self)
            self._row.addWidget(widget, 1)
        for badge in (self.beam, self.record):
            self._row.addWidget(badge)
        self._reason_below = False
        self._layout_timer = QTimer(self)  # fires when the layout is complete
        self._layout_timer.setSingleShot(True)
        self._layout_timer.timeout.connect(self._place)
        self.reason.said.connect(self._layout_timer.start)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_kind(kind, why_unconfirmed)
        self.show_watch(0.0)
        self.show_stopped("not started")
        self.show_record("")

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Resize:
            self._layout_timer.start()
        return False

    def _place(self) -> None:
        """Place the reason beside the badges, or below them with the full width if it does not fit there."""
        below = not self.reason.fits((self._spacer if self._reason_below else self.reason).width())
        if below == self._reason_below:
            return
        self._reason_below = below
        if below:
            self._row.removeWidget(self.reason)
            self._rows.addWidget(self.reason)
            self._spacer.show()
        else:
            self._spacer.hide()  # before the reason is inserted: both together would widen the window
            self._rows.removeWidget(self.reason)
            self._row.insertWidget(self._row.indexOf(self._spacer), self.reason, 1)
        self.reason.free(below)

    def show_kind(self, kind: str, why_unconfirmed: str = "") -> None:
        """Show the kind of rig, and why its map from camera to deflector is not confirmed (empty: it is)."""
        colour, shape = KINDS[kind]
        self._watch_only = kind == "WATCH ONLY"
        self.kind.show_state(kind, colour, shape, quiet=kind != "REAL")
        self.map.show_state("MAP UNCONFIRMED", theme.AMBER, "diamond")
        self.map.setToolTip(
            f"{UNCONFIRMED}: {why_unconfirmed}. Only a calibration may be armed, at probe power "
            "(main.py calibrate map RIG)."
        )
        self.map.setVisible(bool(why_unconfirmed))

    def show_watch(self, timeout_s: float | None) -> None:
        """Show a warning if the beam stays on when this window does not respond (`timeout_s` None)."""
        self.watch.show_state("WINDOW NOT WATCHED", theme.AMBER, "diamond")
        self.watch.setVisible(timeout_s is None)

    def show_opening(self, since_s: float, note: str = "", light: Light = "dark") -> None:
        """Show that the rig is being opened; `note` describes the present step."""
        self.level.show_state("OPENING", theme.AMBER, "circle", True)
        step = note or "a first start compiles"
        self.reason.say(f"opening the rig, {since_s:.0f} s by now ({step}); STOP (Esc) ends that")
        self._show_light(light)

    def show_silent(self, reason: str) -> None:
        """Show that the loop's process sends no messages: the state of the beam is unknown."""
        self.level.show_state("NO ANSWER", theme.RED, "octagon")
        self.reason.say(reason)
        self._show_light("unknown")

    def show_stopped(self, reason: str, trouble: bool = False, light: Light = "dark") -> None:
        """Show that no loop is running."""
        self.level.show_state("OFF", theme.RED if trouble else theme.CALM, "octagon" if trouble else "square", True)
        if self.doubt and self.doubt not in reason:
            reason = f"{self.doubt}; {reason}"
        self.reason.say(f"switch the laser off by hand: {reason}" if light == "may be on" or self.doubt else reason)
        self._show_light(light)

    def _show_light(self, light: Light) -> None:
        self.beam.setToolTip(self.doubt)
        match "may be on" if self.doubt else light:
            case "may be on":
                self.beam.show_state("MAY BE ON", theme.RED, "circle")
            case "unknown":
                self.beam.show_state("unknown", theme.RED, "circle", True)
            case _:
                self.beam.show_state("no light" if self._watch_only else light, theme.CALM, "hollow", True)

    def show_turn(self, turn: Turn) -> None:
        colour, shape, quiet = LEVELS[turn.level]
        emits_light = turn.level in (Level.ARMED, Level.PROBING)
        if self._watch_only and emits_light:
            colour, quiet = theme.CALM, True
        self.level.show_state(str(turn.level), colour, shape, quiet)
        self.reason.say(f"{NO_LIGHT}: {said(turn)}" if self._watch_only else said(turn))
        if beam_is_on(turn) and not self._watch_only:
            power_mw = float(mean_power_mw(turn).sum())
            self.beam.show_state(f"BEAM ON {power_mw:.3g} mW", theme.RED, "circle")
        elif turn.sent.may_be_lit:
            self.reason.say(f"switch the laser off by hand: {turn.sent.reason}")
            self._show_light("may be on")
        else:
            self._show_light("dark")

    def show_recorded(self, turn: Turn, edited_turn: Turn | None, sent: bool) -> None:
        """Show the command that was sent, or (`sent` False) would be sent, in calm colours: no beam is on now."""
        if sent:
            self.level.show_state(f"was {turn.level}", theme.CALM, LEVELS[turn.level][1], True)
        else:  # a video: nothing was or is armed
            self.level.show_state("OFF", theme.CALM, "square", True)
        text = f"{'sent then' if sent else 'would be sent'} ●: {_description(turn)}"
        self.reason.say(text if edited_turn is None else f"{text}; with the edits □: {_description(edited_turn)}")
        self._show_light("dark")

    def show_record(self, lasting: str) -> None:
        """Show the duration of the record; empty: nothing is recorded."""
        if lasting:
            self.record.show_state(f"REC {lasting}", theme.RED, "circle", True)
        else:
            self.record.show_state("no record", theme.CALM, "hollow", True)


def _description(turn: Turn) -> str:
    if not beam_is_on(turn):
        return f"dark, {turn.sent.reason or turn.reason}"
    return f"{len(turn.sent)} spots, {float(mean_power_mw(turn).sum()):.3g} mW"


def said(turn: Turn) -> str:
    """The reason of the level; if an armed beam is dark, also the reason for that."""
    if turn.level in (Level.ARMED, Level.PROBING) and turn.sent.reason and turn.sent.reason != turn.reason:
        return f"{turn.reason}; dark now: {turn.sent.reason}"
    if turn.level is Level.TRIPPED:
        return f"{turn.reason} ({advice(turn.reason)})"
    return turn.reason
