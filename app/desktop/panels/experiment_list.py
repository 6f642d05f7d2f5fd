"""List of the available experiments, with unsaved edits above them, and the buttons Open and Save."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QGridLayout, QMenu, QToolButton, QWidget

from app.desktop.forms.choice_box import ChoiceBox
from app.desktop.window import theme
from app.desktop.window.file_dialog import FileDialog, Replace
from app.desktop.window.unsaved_edits import Unsaved
from config.reader import read
from config.refused import Refused

LEAST_PX = 100  # width of the list
OPENING = (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Space, Qt.Key.Key_F4)  # keys that open the list
RECENT = 12  # number of files in the menu of the Open button


class ExperimentBox(ChoiceBox):
    """The list itself. While it is closed, keys open it and choose nothing: another experiment closes the rig."""

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() in OPENING:
            self.showPopup()
        elif event is not None:
            event.ignore()


class ExperimentList(QWidget):
    chosen = pyqtSignal(Path)
    saved = pyqtSignal(Path)
    resumed = pyqtSignal(object)  # an Unsaved: stored edits

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder = self.runs = folder
        self.recent: list[Path] = []  # opened or saved files, newest first
        self._last_folder: Path | None = None  # the folder of the last dialog
        self.dialog: FileDialog | Replace | None = None  # the open dialog
        self.box, self.open_button, self.save_button = ExperimentBox(), QToolButton(), QToolButton()
        self.open_button.setText("Open…")
        self.open_button.setToolTip(
            "open an experiment, a rig, a run or a video (or drop it on the window); the beam goes dark"
        )
        self.save_button.setText("Save…")
        self.save_button.setToolTip("save the experiment as it is in the form, as YAML")
        self.box.setMinimumWidth(LEAST_PX)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.GRID // 2)
        self._grid.setColumnStretch(0, 1)
        self.show_narrow(False)
        for path in sorted(folder.glob("*.yaml")):
            self._add(path)
        families = sorted(folder.glob("families/*.yaml"))
        if families:
            self.box.insertSeparator(self.box.count())
        for path in families:
            self._add(path)
        self.box.setPlaceholderText("an experiment of its own")
        self._rows_above = 0  # number of rows above the experiments: unsaved edits and a separator
        self.box.activated.connect(self._activated)
        self.recent_menu = QMenu(self)
        self.recent_menu.setToolTipsVisible(True)
        self.open_button.setMenu(self.recent_menu)
        self.open_button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.open_button.clicked.connect(lambda: self._ask(False))
        self.save_button.clicked.connect(lambda: self._ask(True))

    def show_narrow(self, narrow: bool) -> None:
        """Place the buttons below the list (`narrow`) or beside it."""
        self._grid.addWidget(self.box, 0, 0, 1, 3 if narrow else 1)
        for column, button in enumerate((self.open_button, self.save_button), 1):
            self._grid.addWidget(button, int(narrow), column)

    def height_px(self, narrow: bool) -> int:
        """Height with the buttons below the list (`narrow`) or beside it."""
        row_px = max(widget.sizeHint().height() for widget in (self.box, self.open_button))
        return row_px + narrow * (row_px + theme.GRID // 2)

    def show_title(self, title: str) -> None:
        self.box.setCurrentIndex(self.box.findText(title))

    def show_unsaved(self, copies: Iterable[Unsaved]) -> None:
        """Show these unsaved edits above the experiments."""
        title = self.box.currentText()
        for _ in range(self._rows_above):
            self.box.removeItem(0)
        unsaved = list(copies)
        for row, copy in enumerate(unsaved):
            self.box.insertItem(row, copy.name, copy)
            self.box.setItemData(row, f"edits of {copy.path}, which were not saved", Qt.ItemDataRole.ToolTipRole)
        if unsaved:
            self.box.insertSeparator(len(unsaved))
        self._rows_above = len(unsaved) + bool(unsaved)
        self.show_title(title)

    def _activated(self, index: int) -> None:
        item = self.box.itemData(index)
        if isinstance(item, Unsaved):
            self.resumed.emit(item)
        else:
            self.chosen.emit(item)

    def _add(self, path: Path) -> None:
        try:
            data = read(path).data
        except Refused:
            return  # opening the file reports its error
        if _without_images(path, data.get("experiment", data)):
            return  # only main.py run can use it
        self.box.addItem(str(data.get("title", path.stem)), path)
        self.box.setItemData(self.box.count() - 1, str(data.get("about", "")), Qt.ItemDataRole.ToolTipRole)

    def remember(self, path: Path) -> None:
        """Add a file that was opened or saved to the recent files."""
        path = path.absolute()
        self.show_recent([path, *(other for other in self.recent if other != path)])

    def show_recent(self, paths: list[Path]) -> None:
        """Show these files in the menu of the Open button."""
        self.recent = paths[:RECENT]
        self.recent_menu.clear()
        for path in self.recent:
            action = self.recent_menu.addAction(f"{path.name}   {path.parent.name}")
            assert action is not None
            action.setToolTip(str(path))
            action.triggered.connect(lambda _, path=path: self.chosen.emit(path))

    def close_dialog(self) -> None:
        if self.dialog is not None:
            self.dialog.close()

    def end_saving(self) -> bool:
        """Close a dialog that saves, since another experiment is shown now. Returns whether there was one."""
        dialog = self.dialog
        saves = isinstance(dialog, Replace) or (dialog is not None and dialog.saves)
        if saves:
            self.close_dialog()
        return saves

    def _ask(self, saves: bool) -> None:
        """Request a file with a non-modal dialog."""
        start_folder = self._last_folder or next(
            folder for folder in (self.runs, *self.runs.absolute().parents) if os.path.isdir(folder)
        )
        dialog = FileDialog(self, saves, start_folder, [self.runs, self.folder])
        dialog.named.connect(self._named)
        self._open(dialog)

    def _open(self, dialog: FileDialog | Replace) -> None:
        """Show this dialog; close the previous one."""
        self.close_dialog()
        self.dialog = dialog
        dialog.finished.connect(lambda _: self._closed(dialog))
        dialog.show()

    def _closed(self, dialog: FileDialog | Replace) -> None:
        if self.dialog is dialog:
            self.dialog = None

    def _named(self, path: Path, saves: bool) -> None:
        self._last_folder = path.parent
        if saves and os.path.exists(path):  # False for a folder that can't be read: saving then reports that
            question = Replace(self, path)
            question.accepted.connect(lambda: self.saved.emit(path))
            self._open(question)
        else:
            (self.saved if saves else self.chosen).emit(path)


def _without_images(path: Path, experiment: Any) -> bool:
    """Whether the rig has a camera of kind `plant`, which gives positions instead of images."""
    try:
        return bool(read(path.parent / experiment["rig"]).data["camera"]["kind"] == "plant")
    except (Refused, KeyError, TypeError):
        return False
