"""The toolbar: Start, Close rig, Reconnect, Record, Arm, STOP, Reset."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QSize, Qt
from PyQt6.QtGui import QAction, QColor, QIcon, QPainter, QPixmap
from PyQt6.QtWidgets import QMainWindow, QSizePolicy, QToolBar, QToolButton, QWidget

from app.desktop.window import theme
from app.desktop.window.badge import draw_shape
from app.desktop.window.session import Session
from control.contract import Level


class Actions(QToolBar):
    def __init__(self, window: QMainWindow) -> None:
        super().__init__("Actions", window)
        self.setObjectName("Actions")
        self.setMovable(False)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(18, 18))
        self.start = self._action("Start", "right", theme.GREEN, "Ctrl+R", "open the rig; the beam stays dark")
        self.close_rig = self._action(
            "Close rig", "square", theme.CALM, "Ctrl+Shift+W", "stop the loop, dark, and let the devices go"
        )
        self.reconnect = self._action(
            "Reconnect", "hollow", theme.CALM, "Ctrl+Shift+N", "close the rig, dark, and open it anew"
        )
        self.record = self._action("Record", "circle", theme.RED, "Ctrl+Shift+R", "keep every turn in a run file")
        self.record.setCheckable(True)
        self.addSeparator()
        self.arm = self._action("Arm", "triangle", theme.AMBER, "Ctrl+Shift+A", "let the laser's light out")
        self.stop = self._action("STOP  Esc", "octagon", theme.RED, "", "beam dark, at once (Escape, from any focus)")
        self.reset = self._action("Reset", "diamond", theme.CALM, "Ctrl+Shift+E", "leave a trip; then Arm again")
        button = self.widgetForAction(self.stop)
        assert isinstance(button, QToolButton)
        button.setStyleSheet(f"font-weight: bold; color: {theme.WHITE}; background: #7a1f22; padding: 5px 14px")

    def _action(self, name: str, shape: str, colour: str, keys: str, tooltip: str) -> QAction:
        action = QAction(icon(shape, colour), name, self)
        if keys:
            action.setShortcut(keys)
        action.setToolTip(f"{tooltip} ({keys})" if keys else tooltip)
        self.addAction(action)
        return action

    def add_panels(self, panels: QWidget) -> None:
        """Add the menu of panels at the right."""
        gap = QWidget()
        gap.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(gap)
        self.addWidget(panels)

    def follow(self, session: Session) -> None:
        """Enable the actions that are possible now; STOP is always enabled."""
        running, newest = session.running, session.newest
        recorded = session.plan.kind == "REPLAY"
        level = newest.level if newest is not None and running else None
        self.start.setEnabled(not running and not recorded and session.opening.duration_s is None)
        opened = session.live is not None or session.opening.duration_s is not None  # also with a loop that has ended
        self.close_rig.setEnabled(opened)
        self.reconnect.setEnabled(session.live is not None and not recorded)
        self.record.setEnabled(running and not session.asked_to_record)
        self.record.setChecked(session.live is not None and session.live.recording)
        self.arm.setEnabled(level is Level.SAFE)
        self.reset.setEnabled(level is Level.TRIPPED)


def icon(shape: str, colour: str) -> QIcon:
    """A drawn icon, available on every platform and at every scale."""
    icon = QIcon()
    for mode, ink in ((QIcon.Mode.Normal, QColor(colour)), (QIcon.Mode.Disabled, QColor("#4b535d"))):
        picture = QPixmap(36, 36)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        draw_shape(painter, shape, QPointF(18, 18), 14.0)
        painter.end()
        icon.addPixmap(picture, mode)
    return icon
