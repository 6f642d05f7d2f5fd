"""Emulators shared by the tests of the serial devices."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from drivers.emulate.child import Child
from tests.drivers.emulated import Emulated


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """A galvo and a laser, each in a separate process."""
    if not hasattr(os, "openpty"):
        pytest.skip("this system has no pseudo-terminals")
    folder = tmp_path_factory.mktemp("emulated")
    with Child("galvo", folder / "galvo") as galvo, Child("cobolt", folder / "laser") as laser:
        yield Emulated(galvo, laser)


@pytest.fixture
def emulated(running: Emulated) -> Iterator[Emulated]:
    """The same two emulators, reset after each test."""
    for child in (running.galvo, running.laser):
        for words in ("well", "connect", "interlock closed", "power 1", "mode 1"):
            child.order(words)
            assert child.wait_for("order", order=words) is not None
    yield running
    running.close()
