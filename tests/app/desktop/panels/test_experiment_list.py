"""The list of experiments, operated by keys."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QComboBox

from tests.app.desktop.forms.test_editing_keys import focused
from tests.app.desktop.window.test_main_window import Bench
from tests.app.desktop.window.test_main_window import bench as bench

REAL: Any = QTest  # its type stubs do not declare the functions as static
KEY = Qt.Key


def test_a_stray_key_does_not_open_another_experiment(bench: Bench) -> None:
    window = bench.window
    chosen: list[object] = []
    window.panel.list.chosen.connect(chosen.append)
    box = focused(bench, window.panel.list.box)
    for key in (KEY.Key_D, KEY.Key_End, KEY.Key_PageDown, KEY.Key_Return, KEY.Key_Right):
        REAL.keyClick(box, key)
    assert not chosen
    assert window.files.reading is None
    assert window.panel.list.box.currentText() == "Annular activity"


@pytest.mark.parametrize("key", [KEY.Key_Down, KEY.Key_Space])
def test_a_key_opens_the_list_and_return_chooses_there(bench: Bench, key: Qt.Key) -> None:
    window = bench.window
    box = focused(bench, window.panel.list.box)
    assert isinstance(box, QComboBox)
    REAL.keyClick(box, key)
    rows = box.view()
    assert rows is not None
    assert rows.isVisible()
    assert window.files.reading is None
    REAL.keyClicks(rows, "Ring c")
    assert window.files.reading is None
    REAL.keyClick(rows, KEY.Key_Return)
    bench.qtbot.waitUntil(lambda: window.session.plan.experiment.title == "Ring crystal")


@pytest.fixture
def lost_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose every use fails, as that of a share after its server has gone."""
    share, real = tmp_path / "share", os.stat

    def stat(path: Any, *more: Any, **options: Any) -> Any:
        if isinstance(path, str | os.PathLike) and Path(path).is_relative_to(share):
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return real(path, *more, **options)

    monkeypatch.setattr(os, "stat", stat)
    return share


def test_a_file_on_a_lost_share_is_not_saved_with_a_message(bench: Bench, lost_share: Path) -> None:
    """Regression: the error, of the button Save, tripped a lit beam."""
    files = bench.window.panel.list
    saved: list[Path] = []
    files.saved.connect(saved.append)
    files._named(lost_share / "a.yaml", True)
    assert saved == [lost_share / "a.yaml"]
    bench.qtbot.waitUntil(lambda: "a.yaml" in bench.window.status.currentMessage())
    assert "saved" not in bench.window.status.currentMessage()


def test_a_dialog_begins_in_a_folder_that_can_be_read(bench: Bench, lost_share: Path) -> None:
    files = bench.window.panel.list
    files.runs = lost_share / "runs"
    files._ask(False)
    assert files.dialog is not None
    files.close_dialog()
