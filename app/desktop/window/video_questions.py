"""Non-modal questions: values that a video file does not state, and permission to run a file. They do not block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QWidget

from app.assembly.rig import Plan
from app.assembly.stated_by_recording import FPS, SCALE
from app.desktop.forms.choice_box import ChoiceBox
from app.desktop.forms.error_label import ErrorLabel
from app.desktop.forms.number_box import NumberBox
from config.fields import describe

NAMES = {FPS: "Frame rate of the recording", SCALE: "Size of a pixel in the sample"}
WIDTH_PX = 360  # least width of a message
UNITS = {FPS: "fps", SCALE: "µm"}


class VideoQuestions(QDialog):
    """A non-modal question. An answer, Not now, or another file closes it.

    Args:
        done: called with the values, by dotted key of the rig.
    """

    def __init__(self, parent: QWidget, done: Callable[[dict[str, float]], None]) -> None:
        super().__init__(parent)
        self._done = done
        self.boxes: dict[str, NumberBox] = {}
        self.trouble = ErrorLabel()  # why a field did not take the typed text
        self._refused: dict[str, str] = {}  # of the fields that refused text since the last press of a button
        self.channel = ChoiceBox()  # channel of a stack with several channels
        self._answer: Callable[[], None] = lambda: None  # action for the answer
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
            box.refused.connect(partial(self._say_refused, key))
            box.valueChanged.connect(partial(self._clear_refusal, key))
            self._form.addRow(NAMES[key], box)
        self.trouble = ErrorLabel()
        self._form.addRow(self.trouble)
        self._answer = self._tell
        self._end()

    def ask_channel(self, said: str, channels: int, chosen: Callable[[int], None]) -> None:
        """Ask for the channel of a stack.

        Args:
            said: message about the available channels.
            chosen: called with the number of the channel, from 1.
        """
        self._begin()
        self._form.addRow(_wrapped(said))
        self.channel = ChoiceBox()
        self.channel.addItems([str(number) for number in range(1, channels + 1)])
        self._form.addRow("Channel", self.channel)
        self._answer = lambda: chosen(self.channel.currentIndex() + 1)
        self._end()

    def ask_to_run(self, said: str, chosen: Callable[[], None]) -> None:
        """Ask for permission to run a file, with the text `said`; `chosen` is called if the user presses Run it."""
        self._begin()
        self.setWindowTitle("Run a Python file?")
        self._form.addRow(_wrapped(said))
        self._answer = chosen
        self._end("Run it")

    def _begin(self) -> None:
        """Close the previous question and begin another one."""
        self.close()
        self.setWindowTitle("What the video does not say")
        while self._form.rowCount():
            self._form.removeRow(0)
        self.boxes, self._refused = {}, {}

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
        """Answer with the values; not if a field has just refused its text, since it shows the guess again."""
        for box in self.boxes.values():
            box.interpretText()  # on macOS a button does not take the focus from the field
        refused, self._refused = self._refused, {}
        if refused:
            return
        super().accept()
        self._answer()

    def _say_refused(self, key: str, said: str) -> None:
        self._refused[key] = said
        self.trouble.say("; ".join(self._refused.values()))

    def _clear_refusal(self, key: str, value: float) -> None:
        self._refused.pop(key, None)
        self.trouble.say("; ".join(self._refused.values()))

    def _tell(self) -> None:
        self._done({key: box.number() for key, box in self.boxes.items()})


def _wrapped(said: str) -> QLabel:
    """A label that wraps its text."""
    label = QLabel(said)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setMinimumWidth(WIDTH_PX)
    return label


def _bounds(plan: Plan, key: str) -> tuple[float, float]:
    """The limits of this value in the rig."""
    part, _, name = key.partition(".")
    form = next(form for form in describe(type(getattr(plan.rig, part))) if form.name == name)
    return form.minimum, form.maximum
