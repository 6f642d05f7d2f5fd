"""Choice of the network of a learned law: one that comes with the program, or the path of another card."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from PyQt6.QtWidgets import QComboBox, QFormLayout, QLabel

from app.assembly.rig import EXPERIMENTS
from app.desktop.forms.choice_box import ChoiceBox
from app.desktop.forms.defaults import INITIAL_VALUES
from app.desktop.forms.editing_keys import uncommitted
from app.desktop.forms.form import SPECIAL
from app.desktop.forms.value_editors import Editor
from app.desktop.window import theme
from config.reader import read
from config.refused import Refused
from control.policies.learned_law import Learned

CHECKPOINTS = EXPERIMENTS.parent / "checkpoints"


def at_hand(folder: Path = CHECKPOINTS) -> list[str]:
    """The cards that come with the program, as paths relative to the folder of experiments."""
    return [Path(os.path.relpath(path, EXPERIMENTS)).as_posix() for path in sorted(folder.glob("*.json"))]


def about(checkpoint: str) -> str:
    """Short description of a card. Empty if the card can't be read: the reader of Apply reports the error."""
    try:
        card = read(EXPERIMENTS / checkpoint).data
        trained = card["trained"]
        return (
            f"{card['network']['kind']}, {card['symmetry']}, learned from "
            f"{trained['points_least']} to {trained['points_most']} particles"
        )
    except (Refused, KeyError, TypeError):
        return ""


class CheckpointEditor(Editor):
    """The settings of a Learned law."""

    def __init__(self, cls: type) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}  # values that the form does not show, and the chosen checkpoint
        self.box, self.said = ChoiceBox(), QLabel()
        self.box.setEditable(True)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.addItems(at_hand())
        self.box.setToolTip("<b>checkpoint</b><br>card of a trained network, from the experiment's folder")
        self.said.setStyleSheet(f"color: {theme.FAINT}")
        self.said.setWordWrap(True)
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("checkpoint", self.box)
        rows.addRow(self.said)
        self.box.activated.connect(self._changed)
        line = self.box.lineEdit()
        assert line is not None
        line.editingFinished.connect(self._changed)

    def get(self) -> dict[str, Any]:
        return dict(self._values)

    def put(self, value: dict[str, Any]) -> None:
        if uncommitted(self.box) and self.box.hasFocus() and value == self._values:
            return  # the user is typing, and the value has not changed
        self._values, self.box.committed = value, str(value["checkpoint"])
        self.box.blockSignals(True)
        self.box.setCurrentText(self.box.committed)
        self.box.blockSignals(False)
        self.said.setText(about(self.box.currentText()))

    def _changed(self) -> None:
        """Take the checkpoint that was chosen or typed."""
        self.box.committed = self.box.currentText()
        self._values = {**self._values, "checkpoint": self.box.committed}
        self.said.setText(about(self.box.currentText()))
        self.edited.emit()


SPECIAL[Learned] = CheckpointEditor
INITIAL_VALUES[Learned] = {"checkpoint": next(iter(at_hand()), "")}
