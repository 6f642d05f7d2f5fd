"""Non-modal questions: values that a video file does not state, and permission to run a file. They do not block."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QWidget

from app.assembly.rig import Plan
from app.assembly.stated_by_recording import FPS, SCALE
from app.desktop.forms.choice_box import ChoiceBox
from app.desktop.forms.number_box import NumberBox
from config.fields import describe

NAMES = {FPS: "Frame rate of the recording", SCALE: "Size of a pixel in the sample"}
WIDTH_PX = 360  # least width of a message
UNITS = {FPS: "fps", SCALE: "µm"}


class Asking(QDialog):
    """A non-modal question. An answer, Not now, or another file closes it.

    Args:
        use_values: called with the values, by dotted key of the rig.
    """

    def __init__(self, parent: QWidget, use_values: Callable[[dict[str, float]], None]) -> None:
        super().__init__(parent)
        self._use_values = use_values
        self.boxes: dict[str, NumberBox] = {}
        self.channel = ChoiceBox()  # channel of a stack with several channels
        self._on_answer: Callable[[], None] = lambda: None  # action for the answer
        self._form = QFormLayout(self)

    def ask(self, plan: Plan) -> None:
        """Ask for the unknown values of a plan; show nothing if all are known."""
        self._begin()
        if not plan.unknown:
            return
        self._form.addRow(
            QLabel("The file does not state this. Until it is given it is a guess, and the scale bar is in pixels.")
        )
        guesses = {FPS: plan.rig.camera.fps, SCALE: plan.rig.optics.um_per_px}
        for key in plan.unknown:
            low, high = _bounds(plan, key)
            box = self.boxes[key] = NumberBox(UNITS[key], low, high)
            box.setValue(guesses[key])
            self._form.addRow(NAMES[key], box)
        self._on_answer = self._send_values
        self._end()

    def ask_channel(self, message: str, channels: int, chosen: Callable[[int], None]) -> None:
        """Ask for the channel of a stack.

        Args:
            message: message about the available channels.
            chosen: called with the number of the channel, from 1.
        """
        self._begin()
        self._form.addRow(_wrapped(message))
        self.channel = ChoiceBox()
        self.channel.addItems([str(number) for number in range(1, channels + 1)])
        self._form.addRow("Channel", self.channel)
        self._on_answer = lambda: chosen(self.channel.currentIndex() + 1)
        self._end()

    def ask_to_run(self, message: str, chosen: Callable[[], None]) -> None:
        """Ask for permission to run a file, with the text `message`; `chosen` is called if the user presses Run it."""
        self._begin()
        self.setWindowTitle("Run a Python file?")
        self._form.addRow(_wrapped(message))
        self._on_answer = chosen
        self._end("Run it")

    def _begin(self) -> None:
        """Close the previous question and begin another one."""
        self.close()
        self.setWindowTitle("What the video does not say")
        while self._form.rowCount():
            self._form.removeRow(0)
        self.boxes = {}

    def _end(self, use: str = "Use these") -> None:
        """Add the buttons and show the question."""
        buttons = QDialogButtonBox()
        self.use = buttons.addButton(use, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton("Not now", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self._form.addRow(buttons)
        self.show()

    def accept(self) -> None:
        super().accept()
        self._on_answer()

    def _send_values(self) -> None:
        self._use_values({key: box.number() for key, box in self.boxes.items()})


def _wrapped(text: str) -> QLabel:
    """A label that wraps its text."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setMinimumWidth(WIDTH_PX)
    return label


def _bounds(plan: Plan, key: str) -> tuple[float, float]:
    """The limits of this value in the rig."""
    part, _, name = key.partition(".")
    form = next(form for form in describe(type(getattr(plan.rig, part))) if form.name == name)
    return form.minimum, form.maximum
