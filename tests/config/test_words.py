"""Text from outside is made safe to display."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.console.error_words import sentence as error_sentence
from config.refused import Refused
from config.words import (
    LONGEST_SENTENCE,
    LONGEST_VALUE,
    is_signal,
    one_line,
    quoted,
    sentence,
    shortened,
    text_of,
    visible,
)


@given(st.text(st.characters()))
def test_visible_text_has_no_control_characters(text: str) -> None:
    shown = visible(text)
    assert all(one == "\n" or one.isprintable() for one in shown)
    shown.encode("utf-8")  # no lone surrogate
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize("text", ["\x1b[31mred", "\x07", "a\rb", "\x9b5m", "\u202etxt", "\udcff", "\u2028", "\0"])
def test_control_and_invisible_characters_are_shown_as_codes(text: str) -> None:
    assert visible(text).isprintable()
    assert "\\" in visible(text)


def test_plain_text_and_units_are_unchanged() -> None:
    assert visible("κ = 0.9 pN/µm, 2 × 10³ counts\nnext") == "κ = 0.9 pN/µm, 2 × 10³ counts\nnext"


@given(
    st.one_of(st.text(st.characters()), st.binary(), st.integers(), st.floats(), st.lists(st.integers(), max_size=300))
)
def test_a_quoted_value_is_one_short_line(value: object) -> None:
    assert len(quoted(value)) <= LONGEST_VALUE
    assert quoted(value).isprintable()


def test_a_value_of_a_megabyte_is_quoted_by_its_ends() -> None:
    assert quoted("a" * 500_000 + "b" * 500_000).startswith("aaaa")
    assert quoted("a" * 5000 + "b") == shortened("a" * 235 + " ... " + "a" * 0 + "b", 60) or quoted(
        "a" * 5000 + "b"
    ).endswith("b")
    assert quoted(1 << 100_000) == "a whole number of 100001 bits"


def test_the_length_of_a_refusal_is_bounded() -> None:
    said = str(Refused("file.yaml: " + "x" * 100_000 + "\x1b[2J (allowed: 3)"))
    assert len(said) <= LONGEST_SENTENCE
    assert said.startswith("file.yaml: ")
    assert said.endswith("(allowed: 3)")
    assert "\x1b" not in said
    assert sentence(said) == said


def test_an_error_without_text_is_shown_by_its_type() -> None:
    assert one_line(KeyError()) == "KeyError"
    assert one_line(OSError("a\nb  c")) == "a b c"


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit(0)


class Interrupted(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class Stopped(SystemExit):
    """As app.running.stop_signals.Stopped."""


def test_a_value_whose_str_exits_is_shown_by_its_type() -> None:
    assert text_of(Exits()) == quoted(Exits()) == "Exits"
    with pytest.raises(KeyboardInterrupt):
        text_of(Interrupted())
    assert [is_signal(one) for one in (KeyboardInterrupt(), Stopped(3), SystemExit(3), ValueError())] == [
        True, True, False, False,
    ]  # fmt: skip


def test_a_value_whose_str_fails_is_shown_by_its_type() -> None:
    assert one_line(Mute("a")) == quoted(Mute("a")) == "Mute"
    assert error_sentence(Mute("a")) == "Mute"
    assert error_sentence(ValueError("b")) == "ValueError: b"
    assert error_sentence(ValueError()) == "ValueError"
