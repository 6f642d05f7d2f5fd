"""A typed checkpoint name is an edit: it enables Apply, Ctrl+Enter commits it, Undo reverts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.assembly.open import open_instrument
from app.assembly.rig import Plan
from app.desktop.forms.checkpoint_editor import CheckpointEditor
from app.desktop.forms.form import Variant
from app.desktop.window.session import Wiring
from control.policies.learned_law import Learned
from tests.app.desktop.test_learned import choose
from tests.app.desktop.test_long_work import opened

KEYS: Any = QTest  # its type stubs do not declare the functions as static
CTRL = Qt.KeyboardModifier.ControlModifier
PONITA, EGNN = (f"../checkpoints/ring_{name}.json" for name in ("ponita", "egnn"))


def accepted(made: Plan, source: str) -> None:
    """Accept any network."""


@pytest.mark.parametrize("by", ["the key", "the button"])
def test_a_typed_checkpoint_is_an_edit(qtbot: QtBot, tmp_path: Path, by: str) -> None:
    window = opened(qtbot, tmp_path, Wiring(apart=open_instrument, check=accepted))
    panel = window.panel
    choose(panel, PONITA)  # the list offers EGNN first, so both are checked
    qtbot.waitUntil(panel.apply_button.isEnabled)
    panel.apply_button.click()
    edits = panel.undo_stack.count()
    policy = panel.law.rows["policy"]
    assert isinstance(policy, Variant)
    assert isinstance(policy.fields, CheckpointEditor)
    box = policy.fields.box
    line = box.lineEdit()
    assert line is not None
    window.activateWindow()
    box.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is box)
    line.selectAll()
    KEYS.keyClicks(box, EGNN)
    qtbot.waitUntil(panel.apply_button.isEnabled)
    assert policy.fields.get()["checkpoint"] == PONITA  # it is not committed yet
    if by == "the key":
        KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    else:
        panel.apply_button.setFocus()
        panel.apply_button.click()
    assert panel.undo_stack.count() == edits + 1
    assert policy.fields.get()["checkpoint"] == EGNN
    law = window.session.plan.experiment.policy
    assert isinstance(law, Learned)
    assert law.checkpoint == EGNN
    panel.undo_button.click()
    law = window.session.plan.experiment.policy
    assert isinstance(law, Learned)
    assert law.checkpoint == PONITA
    window.close()
