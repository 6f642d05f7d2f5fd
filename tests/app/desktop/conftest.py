"""The window's tests run without a display, unless somebody wants to watch."""

import gc
import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def _widgets_go_whole() -> Iterator[None]:
    """No garbage is collected between the end of a test and the closing of its widgets.

    pytest-qt keeps weak references: a collection just then would take a window apart in any order while Qt paints it.
    """
    gc.disable()
    yield
    gc.enable()
