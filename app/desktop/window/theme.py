"""Colours and the dark scheme. Data have the colours of Okabe and Ito (2008), safe for colour-blind readers."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PyQt6.QtWidgets import QApplication

BLACK, WHITE = "#000000", "#f2f2f2"
ORANGE, SKY, GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
BLUE, VERMILION, PURPLE = "#0072b2", "#d55e00", "#cc79a7"

ACCENT = SKY
RED = "#e5484d"  # the beam, and faults; nothing else is red
AMBER = "#f5a623"  # attention
CALM = "#9aa4b2"  # normal state
GROUND = "#101418"  # background of images and plots
PANEL = "#1b2027"
RAISED = "#262d36"
INK = "#dfe5ec"
FAINT = "#8b95a3"

GRID = 8  # px
PANEL_WIDTH = 300  # px
PLOT_HEIGHT = 240  # px, with the tabs


def dress(app: QApplication) -> None:
    """Apply the Fusion style with dark colours, on every desktop."""
    app.setStyle("Fusion")
    hints = app.styleHints()
    assert hints is not None
    hints.setColorScheme(Qt.ColorScheme.Dark)
    app.setPalette(dark_palette())
    font = app.font()
    font.setPixelSize(13)
    app.setFont(font)


def dark_palette() -> QPalette:
    """The same dark palette on every platform; some have no dark scheme."""
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, colour in (
        (roles.Window, PANEL),
        (roles.WindowText, INK),
        (roles.Base, GROUND),
        (roles.AlternateBase, RAISED),
        (roles.ToolTipBase, RAISED),
        (roles.ToolTipText, INK),
        (roles.Text, INK),
        (roles.PlaceholderText, FAINT),
        (roles.Button, RAISED),
        (roles.ButtonText, INK),
        (roles.BrightText, WHITE),
        (roles.Link, ACCENT),
        (roles.Highlight, "#2f6f96"),
        (roles.HighlightedText, WHITE),
        (roles.Light, "#3a4450"),
        (roles.Midlight, "#313a45"),
        (roles.Mid, "#242a32"),
        (roles.Dark, "#0c0f12"),
        (roles.Shadow, BLACK),
        (roles.Accent, ACCENT),
    ):
        palette.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor("#5d6672"))
    return palette


def figures_font(pixels: int = 13) -> QFont:
    """A font with digits of equal width, so that changing numbers do not move."""
    font = QFont(QGuiApplication.font())
    font.setPixelSize(pixels)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def has_fonts() -> bool:
    """Whether text can be drawn: a machine without a display may have no fonts."""
    return bool(QFontDatabase.families())
