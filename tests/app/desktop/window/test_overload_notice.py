"""A loop that is too slow: the window stays responsive, names the slow part and offers remedies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.assembly.rig import Rig
from app.desktop.window.overload_notice import TooSlow
from app.desktop.window.refresh_timer import RefreshTimer
from app.running.overload import Judge, Overload, overload
from config.reader import plain
from control.contract import NOTHING_EXPECTED, Expected, Frame, Turn
from tests.app.desktop import toy
from tests.app.desktop.toy import click
from tests.app.desktop.window.test_main_window import Bench


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path)
    yield made
    made.window.close()


def shown_hz(bench: Bench) -> float:
    words = bench.window.status.numbers["window"].text().split()
    return float(words[1]) if len(words) == 3 and words[1] != "–" else 0.0


@pytest.fixture
def slow_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated tracker takes 0.25 s."""
    quick = toy.Tracker.step

    def slow(self: toy.Tracker, memory: None, frame: Frame, expected: Expected = NOTHING_EXPECTED) -> object:
        time.sleep(0.25)
        return quick(self, memory, frame, expected)

    monkeypatch.setattr(toy.Tracker, "step", slow)


@pytest.mark.usefixtures("slow_tracking")
def test_slow_tracking_is_reported_and_a_lower_rate_is_one_click(bench: Bench) -> None:
    window, told = bench.window, bench.window.live_view.too_slow
    bench.armed()
    beam = bench.toy.beam
    bench.qtbot.waitUntil(told.isVisible)
    assert "of 50 fps: tracking takes" in told.text.text()
    assert "color" in window.status.numbers["rate"].styleSheet()
    assert window.view.rect().contains(told.geometry())
    bench.qtbot.waitUntil(lambda: shown_hz(bench) >= 10.0)
    name = next(text for text in told.buttons if text.endswith("fps"))
    click(told.buttons[name])
    assert window.session.plan.rig.camera.fps == float(name.split()[0]) < 5.0
    assert beam.closed
    assert not told.isVisible()


def slow(rig: Rig, *_: object) -> Overload:
    """An overload by a tracker that takes 110 ms."""
    found = overload(rig, 8.5, {"tracker": 0.11}, "", 7)
    assert found is not None
    return found


def test_each_offer_is_one_click_and_is_undone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A locator changes in flight; a camera region and binning close the rig, dark."""
    monkeypatch.setattr(Judge, "look", lambda self, rig, *more: slow(rig))
    window, told = bench.window, bench.window.live_view.too_slow
    for name in ("locator windows", "region 128×128 px", "pixels binned 2×2"):
        if not window.session.running:
            bench.armed()
        bench.qtbot.waitUntil(told.isVisible)
        rig, beam = window.session.plan.rig, bench.toy.beam
        (offer,) = [one for one in slow(rig).offers if one.text == name]
        assert offer.reopens == (not name.startswith("locator"))
        panel = window.panel
        steps: list[Callable[[], None]] = [partial(click, told.buttons[name]), panel.undo, panel.redo, panel.undo]
        for there, step in zip((True, False, True, False), steps, strict=True):
            step()
            expected, found = values_of(rig) | (offer.edits if there else {}), values_of(window.session.plan.rig)
            assert {key: value for key, value in found.items() if value != expected[key]} == {}
            assert window.session.running == (not offer.reopens)
            assert beam.closed == offer.reopens
        assert window.session.plan.rig == rig
        assert told.isVisible() == (not offer.reopens)


@pytest.mark.parametrize("width_px", [340, 380, 700])
def test_offers_are_fully_visible_on_a_narrow_image(qtbot: QtBot, width_px: int) -> None:
    """As on a screen of 1366x768 at 150 %, where Qt would cut off their text."""
    image = QWidget()
    qtbot.addWidget(image)
    image.resize(width_px, 400)
    told = TooSlow(image)
    image.show()
    told.show_overload(slow(toy.planned().rig))
    qtbot.wait(50)
    assert image.rect().contains(told.geometry())
    for part in (*told.buttons.values(), *told.findChildren(QLabel)):
        assert told.rect().contains(part.geometry())
        assert part.height() >= max(part.heightForWidth(part.width()), 10)
        assert part.width() >= part.sizeHint().width() or (isinstance(part, QLabel) and part.wordWrap())
    (first, second, *_) = told.buttons.values()
    assert (first.y() == second.y()) == (width_px > 600)


def test_a_button_applies_the_newest_offer(qtbot: QtBot) -> None:
    """Not an offer from before the tracking was changed."""
    image, chosen = QWidget(), []
    qtbot.addWidget(image)
    told = TooSlow(image)
    told.chosen.connect(lambda edits, reopens: chosen.append(edits))
    rig = toy.planned().rig
    told.show_overload(slow(rig))
    changed = slow(replace(rig, tracking=replace(rig.tracking, diameter_px=21, minmass=19400.0)))
    told.show_overload(changed)
    for offer in changed.offers:
        click(told.buttons[offer.text])
        assert chosen.pop() == offer.edits
        assert all(f"{key} {value}" in told.buttons[offer.text].toolTip() for key, value in offer.edits.items())


def values_of(rig: Rig) -> dict[str, object]:
    """The values of a rig by dotted key."""
    return {f"{part}.{name}": value for part, values in plain(rig).items() if isinstance(values, dict)
            for name, value in values.items()}  # fmt: skip


@pytest.mark.usefixtures("slow_tracking")
def test_a_dismissed_notice_stays_hidden(bench: Bench) -> None:
    told = bench.window.live_view.too_slow
    bench.armed()
    bench.qtbot.waitUntil(told.isVisible)
    click(told.away)
    bench.qtbot.wait(500)
    assert not told.isVisible()


def test_painting_takes_at_most_half_of_the_windows_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    view = bench.window.view
    shows, polls = [0], [0]

    def slow(turn: Turn, recent: list[Turn]) -> None:
        shows[0] += 1
        time.sleep(0.1)

    bench.armed()
    monkeypatch.setattr(view, "show_turn", slow)
    bench.window.refresh_timer.beat.connect(lambda: polls.__setitem__(0, polls[0] + 1))
    bench.qtbot.waitUntil(lambda: shows[0] >= 12)
    assert polls[0] >= 1.5 * shows[0]


def test_a_window_without_messages_polls_ten_times_a_second(qtbot: QtBot) -> None:
    ends, beats = os.pipe(), [0.0]
    refresh_timer = RefreshTimer(lambda: ends[0])
    refresh_timer.beat.connect(lambda: beats.append(time.monotonic()))
    refresh_timer.start()
    qtbot.waitUntil(lambda: len(beats) > 12)
    refresh_timer.stop()
    assert min(late - early for early, late in pairwise(beats)) < 0.08
    for end in ends:
        os.close(end)
