"""What a video does not say of itself is asked for: frame rate, size of a pixel. Nothing waits for the answer."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QWidget

from app.desktop.number_box import NumberBox
from app.rig_file import Plan
from app.taken import FPS, SCALE
from config.fields import describe

NAMES = {FPS: "Frame rate of the recording", SCALE: "Size of a pixel in the sample"}
UNITS = {FPS: "fps", SCALE: "µm"}


class Asking(QDialog):
    """A question beside the window, which is closed by an answer, by Cancel, and by another file.

    Args:
        told: called with the answers by the rig's keys.
    """

    def __init__(self, parent: QWidget, told: Callable[[dict[str, float]], None]) -> None:
        super().__init__(parent)
        self._told = told
        self.boxes: dict[str, NumberBox] = {}
        self.setWindowTitle("What the video does not say")
        self._form = QFormLayout(self)

    def ask(self, plan: Plan) -> None:
        """Show the question; not where everything is known."""
        self.close()
        while self._form.rowCount():
            self._form.removeRow(0)
        self.boxes = {}
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
        buttons = QDialogButtonBox()
        use = buttons.addButton("Use these", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton("Not now", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self._form.addRow(buttons)
        self.use = use
        self.show()

    def accept(self) -> None:
        values = {key: box.number() for key, box in self.boxes.items()}
        super().accept()
        self._told(values)


def _bounds(plan: Plan, key: str) -> tuple[float, float]:
    """Least and largest that the rig takes."""
    part, _, name = key.partition(".")
    form = next(form for form in describe(type(getattr(plan.rig, part))) if form.name == name)
    return form.minimum, form.maximum
