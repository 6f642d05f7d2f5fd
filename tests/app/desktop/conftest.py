"""Tests of the window run without a display, unless QT_QPA_PLATFORM is set."""

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
    """Mark the tests of this folder `real_time`: a window depends on the wall clock."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("real_time")


class PatientBot(QtBot):
    """Waits longer than the 5 s of pytest-qt: on a busy computer a window may need longer to paint once."""

    def waitUntil(self, callback: Any, *, timeout: int = PATIENCE_MS) -> None:
        super().waitUntil(callback, timeout=timeout)


@pytest.fixture
def qtbot(qapp: Any, request: pytest.FixtureRequest) -> QtBot:
    return PatientBot(request)


@pytest.fixture(autouse=True)
def _widgets_go_whole() -> Iterator[None]:
    """Switch the garbage collector off until the widgets of the test are closed.

    pytest-qt keeps weak references: a collection before that would delete parts of a window while Qt paints it.
    """
    gc.disable()
    yield
    gc.enable()
