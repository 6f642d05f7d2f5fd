"""The window's tests run without a display, unless somebody wants to watch."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from tests.patience import PATIENCE_MS

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A window lives by the clock on the wall."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("real_time")


class PatientBot(QtBot):
    """Waits longer than pytest-qt's 5 s, in which a window on a busy computer may not have painted once."""

    def waitUntil(self, callback: Any, *, timeout: int = PATIENCE_MS) -> None:
        super().waitUntil(callback, timeout=timeout)


@pytest.fixture
def qtbot(qapp: Any, request: pytest.FixtureRequest) -> QtBot:
    return PatientBot(request)


@pytest.fixture(autouse=True)
def _widgets_go_whole() -> Iterator[None]:
    """No garbage is collected between the end of a test and the closing of its widgets.

    pytest-qt keeps weak references: a collection just then would take a window apart in any order while Qt paints it.
    """
    gc.disable()
    yield
    gc.enable()
