"""Permission to run the Python file of a law: only the user can give it, with a button below the path. No file can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QMessageBox

from app.assembly.python_law import NotAllowed, allow_file
from app.desktop.window.video_questions import VideoQuestions

T = TypeVar("T")


def question(refused: NotAllowed) -> str:
    """The text of the question."""
    return f"This experiment runs the Python file {refused.path}. It can do on this computer whatever you can. Run it?"


class PythonPermission:
    """Asks with a non-modal dialog; the window keeps running."""

    def __init__(self, video_questions: VideoQuestions) -> None:
        self._asking = video_questions
        self._asked_paths: set[Path] = set()

    def ask(self, refused: NotAllowed, on_allowed: Callable[[], None]) -> None:
        """Show the path of the file and a button. If the user presses it, the module may run: call `on_allowed`."""
        self._asked_paths.add(refused.path)

        def chosen() -> None:
            allow_file(refused.module, refused.path)
            on_allowed()

        self._asking.ask_to_run(question(refused), chosen)

    def ask_once(self, refused: NotAllowed, on_allowed: Callable[[], None]) -> None:
        """Call `ask`, but only once for each file."""
        if refused.path not in self._asked_paths:
            self.ask(refused, on_allowed)


def with_permission(make: Callable[[], T]) -> T:
    """The result of `make`. If it needs a permission, a modal dialog asks for it, before there is a window.

    Raises NotAllowed if the permission is refused.
    """
    try:
        return make()
    except NotAllowed as refused:
        box = QMessageBox()
        box.setWindowTitle("Run a Python file?")
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(question(refused))
        run = box.addButton("Run it", QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton("Not now", QMessageBox.ButtonRole.RejectRole))
        box.exec()
        if box.clickedButton() is not run:
            raise
        allow_file(refused.module, refused.path)
        return make()
