"""Performance of the loop, at the bottom of the window. The numbers have fixed widths, so that they do not move."""

from __future__ import annotations

import math

import numpy as np
from PyQt6.QtGui import QFontMetrics, QResizeEvent
from PyQt6.QtWidgets import QLabel, QStatusBar, QWidget

from app.desktop.window import theme
from app.running.thread import Pace
from control.contract import State, Turn

IMPORTANT = ("latency", "drops", "identities", "disk", "rate", "frame", "window")  # in order of priority
MESSAGE_PX = 280  # width reserved for a message
WIDEST = {
    "frame": "frame 0 000 000",
    "rate": "0000.0 fps",
    "drops": "drops 000 000",
    "latency": "latency 000.0 / 000.0 ms",
    "identities": "identities 0000 (000 new, 000 uncertain, 000 lost)",
    "window": "window 00 Hz",
    "disk": "0000 GB free",
}
KEY = (
    f"<span style='color:{theme.ACCENT}'>○</span> tracked &nbsp; "
    f"<span style='color:{theme.AMBER}'>◌</span> new &nbsp; "
    f"<span style='color:{theme.AMBER}'>◇</span> uncertain &nbsp; "
    f"<span style='color:{theme.RED}'>●</span> light &nbsp; <span style='color:{theme.GREEN}'>→</span> force"
)
HELP = {
    "frame": "number of the newest frame, as the camera counts",
    "rate": "frames a second that went through the loop",
    "drops": "frames that the loop did not see, since the start",
    "latency": "from the middle of the exposure to the command's sending: median / 99 in 100",
    "identities": "particles that are tracked; new, unsorted and uncertain (perhaps another) ones get no light",
    "window": "how often the window looks for a new turn, and answers; it paints those that are new",
    "disk": "size of the record, and what is left of the disk it goes to",
}


class StatusLine(QStatusBar):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumWidth(1)  # labels without room are hidden
        self.setSizeGripEnabled(False)
        self.key = QLabel(KEY)
        self.addWidget(self.key)
        self.numbers: dict[str, QLabel] = {}
        font = theme.figures_font(12)
        for name, widest in WIDEST.items():
            label = QLabel()
            label.setFont(font)
            label.setMinimumWidth(QFontMetrics(font).horizontalAdvance(widest) + theme.GRID)
            label.setToolTip(HELP[name])
            self.addPermanentWidget(label)
            self.numbers[name] = label

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show the numbers that fit beside a message, in the order IMPORTANT."""
        super().resizeEvent(event)
        remaining_px = self.width() - MESSAGE_PX
        for name in IMPORTANT:
            label = self.numbers[name]
            remaining_px -= label.minimumWidth() + theme.GRID
            label.setVisible(remaining_px >= 0)
        self.key.setVisible(remaining_px + MESSAGE_PX >= self.key.sizeHint().width())

    def forget(self) -> None:
        """Clear the numbers, for another rig or recording."""
        for label in self.numbers.values():
            label.setText("")
        self.show_slow(False)

    def show_slow(self, slow: bool) -> None:
        """Set whether the loop is slower than its camera."""
        self.numbers["rate"].setStyleSheet(f"color: {theme.AMBER}" if slow else "")

    def show_disk(self, size: int, free: int) -> None:
        record = f"{gigabytes(size)}, " if size else ""
        self.numbers["disk"].setText(f"{record}{gigabytes(free)} free")
        self.numbers["disk"].setStyleSheet("")

    def show_silent_disk(self) -> None:
        """Show that the disk with the runs hangs or is missing."""
        self.numbers["disk"].setText("disk does not answer")
        self.numbers["disk"].setStyleSheet(f"color: {theme.AMBER}")

    def show_pace(self, pace: Pace, turn: Turn | None, painted_hz: float) -> None:
        set_text = {name: label.setText for name, label in self.numbers.items()}
        number = turn.frame.number if turn is not None and turn.frame is not None else 0
        set_text["frame"](f"frame {number:,}".replace(",", " "))
        set_text["rate"](f"{_or_dash(pace.rate_hz, '.1f')} fps")
        set_text["drops"](f"drops {pace.dropped:,}".replace(",", " "))
        p50_ms, p99_ms = 1e3 * pace.latency_p50_s, 1e3 * pace.latency_p99_s
        set_text["latency"](f"latency {_or_dash(p50_ms, '.1f')} / {_or_dash(p99_ms, '.1f')} ms")
        set_text["window"](f"window {_or_dash(painted_hz, '.0f')} Hz")
        if turn is not None:
            new, uncertain = (
                int(np.count_nonzero(np.isin(turn.tracks.state, states)))
                for states in ((State.NEW, State.UNSORTED), (State.UNCERTAIN,))
            )
            lost = len(turn.tracks.lost)
            set_text["identities"](f"identities {len(turn.tracks)} ({new} new, {uncertain} uncertain, {lost} lost)")


def gigabytes(size: int) -> str:
    """A size in GB or MB.

    >>> gigabytes(48_300_000_000), gigabytes(1_240_000)
    ('48.3 GB', '1.24 MB')
    """
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def _or_dash(number: float, form: str) -> str:
    return format(number, form) if math.isfinite(number) else "–"
