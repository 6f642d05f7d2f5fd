"""The window polls often enough, and right after a message if it can wait for one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from app.desktop.window.refresh_timer import PAINT_S, SILENT_MS, RefreshTimer


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_without_a_handle_the_timer_beats_periodically(qtbot: QtBot) -> None:
    beats: list[float] = []
    refresh_timer = RefreshTimer(lambda: None)
    refresh_timer.beat.connect(lambda: beats.append(time.monotonic()))
    refresh_timer.start()
    qtbot.waitUntil(lambda: len(beats) > 5)
    refresh_timer.stop()
    number = len(beats)
    qtbot.wait(100)
    assert len(beats) == number
    assert beats[-1] - beats[0] > 0.8 * PAINT_S * (number - 1) - PAINT_S  # a late beat is compensated


def test_with_a_handle_the_timer_waits_for_messages(qtbot: QtBot, pipe: tuple[int, int]) -> None:
    """Each message causes a beat that finds it; without messages the timer still beats."""
    reader, writer = pipe
    heard: list[bytes] = []

    def hear() -> None:
        os.set_blocking(reader, False)
        try:
            heard.append(os.read(reader, 100))
        except BlockingIOError:
            heard.append(b"")

    refresh_timer = RefreshTimer(lambda: reader)
    refresh_timer.beat.connect(hear)
    refresh_timer.start()
    assert heard == [b""]  # the first beat does not wait
    for number in range(4):
        qtbot.wait(int(2e3 * PAINT_S))
        told = f"turn {number}".encode()
        os.write(writer, told)
        qtbot.waitUntil(lambda told=told: heard[-1] == told)  # type: ignore[misc]
    silent = len(heard)
    qtbot.wait(3 * SILENT_MS)
    refresh_timer.stop()
    assert 1 <= len(heard) - silent <= 3
