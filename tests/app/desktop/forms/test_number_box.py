"""Typed numbers: what a field takes, what it refuses with a sentence, and what it holds after a step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot

from app.desktop.forms.number_box import MOST, CountBox, NumberBox
from app.desktop.forms.value_editors import Single, count, number
from config.fields import LARGEST_COUNT, LARGEST_NUMBER, describe
from control.policies.calibrating import Flash
from tracking.settings import Tracking

SEED = next(form for form in describe(Flash) if form.name == "seed")
PERCENTILE = next(form for form in describe(Tracking) if form.name == "percentile")


@pytest.fixture
def enter(qtbot: QtBot) -> Callable[[NumberBox | CountBox, str], str]:
    """Put text into a field and commit it; returns the sentence with which the field refuses it."""

    def enter(box: NumberBox | CountBox, text: str) -> str:
        refused: list[str] = []
        qtbot.addWidget(box)
        box.refused.connect(refused.append)
        line = box.lineEdit()
        assert line is not None
        line.setText(text)
        box.interpretText()
        box.refused.disconnect(refused.append)
        return "".join(refused)

    return enter


Enter = Callable[[NumberBox | CountBox, str], str]


@pytest.mark.parametrize("text", ["1,000", "-1,500", "12,345,678", "1,000e3"])
def test_a_comma_that_may_separate_thousands_is_refused(enter: Enter, text: str) -> None:
    """1,000 was 1."""
    box = NumberBox("mW")
    box.setValue(20.0)
    said = f"{text} may have a decimal comma, or commas between thousands: write it without a comma; 20 mW stays"
    assert enter(box, text) == said
    assert (box.number(), box.text()) == (20.0, "20 mW")


@pytest.mark.parametrize(("text", "value"), [("0,125", 0.125), ("1,5", 1.5), ("1234,567", 1234.567), ("-2,25", -2.25)])
def test_a_decimal_comma_is_read(enter: Enter, text: str, value: float) -> None:
    box = NumberBox("mW")
    assert enter(box, text) == ""
    assert box.number() == value


@pytest.mark.parametrize(
    ("before", "steps", "after"), [(99.5, 1, 100.0), (99.5, 10, 100.0), (100.0, 1, 100.0), (0.05, -60, 0.0)]
)
def test_a_step_past_a_limit_stops_at_it(qtbot: QtBot, before: float, steps: int, after: float) -> None:
    """The field showed 100 and held 100.5, which the reader refused; 100 typed over it changed nothing."""
    editor = number(PERCENTILE)
    qtbot.addWidget(editor)
    assert isinstance(editor, Single)
    box = editor.widget
    assert isinstance(box, NumberBox)
    editor.edited.connect(lambda: editor.put(editor.get()))  # as the panels do
    editor.put(before)
    box.stepBy(steps)
    assert (editor.get(), box.value()) == (after, after)


def test_a_step_below_the_decimals_of_the_field_changes_nothing(qtbot: QtBot) -> None:
    box = NumberBox("")
    qtbot.addWidget(box)
    box.setValue(1e-30)
    box.stepBy(1)
    assert (box.number(), box.text()) == (1e-30, "1e-30")


def test_a_number_as_large_as_the_reader_accepts_is_shown(enter: Enter) -> None:
    box = NumberBox("")
    box.setValue(LARGEST_NUMBER)
    assert (box.number(), box.text()) == (LARGEST_NUMBER, "1e+18")
    assert enter(box, "2e17") == ""
    assert box.number() == 2e17
    assert enter(NumberBox("px"), "2e6") == "2e6 px is too large, the most is 1000000 px; 0 px stays"


@pytest.mark.parametrize("text", ["9" * 4301, "9" * 5000, "-" + "9" * 4301])
def test_a_whole_number_of_thousands_of_digits_is_refused(enter: Enter, text: str) -> None:
    """int() raises for 4301 digits: the window tripped."""
    box = CountBox("frames", 0, 100)
    box.setValue(3)
    said = enter(box, text)
    end = "small, the least is 0 frames" if text.startswith("-") else "large, the most is 100 frames"
    assert said.endswith(f" frames is too {end}; 3 frames stays")
    assert len(said) < 150
    assert (box.number(), box.text()) == (3, "3 frames")


def test_zeros_before_a_whole_number_do_not_count(enter: Enter) -> None:
    box = CountBox("", 0, 100)
    assert enter(box, "0" * 5000 + "42") == ""
    assert (box.number(), box.text()) == (42, "42")
    assert enter(box, "-0") == ""
    assert (box.number(), box.text()) == (0, "0")


@pytest.mark.parametrize("seed", [3_000_000_000, MOST, MOST + 1, 2**60 + 1, LARGEST_COUNT])
def test_a_whole_number_as_large_as_the_reader_accepts_is_shown(qtbot: QtBot, enter: Enter, seed: int) -> None:
    """setValue of a QSpinBox raises for a seed of 3000000000."""
    editor = count(SEED)
    qtbot.addWidget(editor)
    assert isinstance(editor, Single)
    box = editor.widget
    assert isinstance(box, CountBox)
    edits: list[object] = []
    editor.edited.connect(lambda: edits.append(editor.get()))
    for value in (1, seed - 1, seed):
        editor.put(value)
        assert (editor.get(), box.text()) == (value, str(value))
    assert enter(box, str(seed)) == ""
    assert (editor.get(), edits) == (seed, [])
    if seed != MOST + 1:
        assert f"{MOST + 1} is too large, the most is {MOST}; {seed} stays" in enter(box, str(MOST + 1))
    assert (editor.get(), box.text()) == (seed, str(seed))
    assert enter(box, "3000000001") == ""
    assert (editor.get(), edits) == (3_000_000_001, [3_000_000_001])
    box.stepBy(2)
    assert (editor.get(), box.text()) == (3_000_000_003, "3000000003")
    assert type(editor.get()) is int


def test_a_very_small_number_is_shown(enter: Enter) -> None:
    """Regression: below 1e-12 the field showed 0 and held another value, which 0 typed over it did not change."""
    box = NumberBox("")
    assert enter(box, "3e-13") == ""
    box.setValue(box.number())  # as the panels do
    assert (box.number(), box.text()) == (3e-13, "3e-13")
    assert enter(box, "0") == ""
    assert box.number() == 0.0
