"""The window remembers a layout for each screen size."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QByteArray
from PyQt6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from app.desktop.window import remembered_layout
from app.desktop.window.remembered_layout import RememberedLayout


def test_a_layout_belongs_to_a_size_of_screen(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a layout of a large screen left little room for the image and the form on a small one."""
    window = QMainWindow()
    qtbot.addWidget(window)
    window.resize(700, 500)
    monkeypatch.setattr(remembered_layout, "_screen", lambda _: "1920x1080")
    RememberedLayout(tmp_path).keep(window, "a.yaml")
    for screen, width in (("911x512", 400), ("1920x1080", 700)):
        monkeypatch.setattr(remembered_layout, "_screen", lambda _, screen=screen: screen)
        window.resize(400, 300)
        RememberedLayout(tmp_path).restore(window)
        assert window.width() == width


def test_an_invalid_stored_layout_is_ignored(qtbot: QtBot, tmp_path: Path) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    window.resize(400, 300)
    memory = RememberedLayout(tmp_path)
    memory.keep(window, "a.yaml")
    memory._kept.setValue(f"{remembered_layout._screen(window)}/geometry", QByteArray(b"nonsense"))
    memory.restore(window)
    assert (window.width(), window.height()) == (400, 300)


def test_a_file_on_a_lost_share_is_not_opened_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: the program could not start."""
    RememberedLayout(tmp_path)._kept.setValue("experiment", "/share/a.yaml")
    real = os.stat

    def stat(path: object, *more: Any, **options: Any) -> Any:
        if str(path) == "/share/a.yaml":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stat)
    assert RememberedLayout(tmp_path).path is None
