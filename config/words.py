"""Text that came from outside, made fit to be shown: no control characters, and not too long. One place for all."""

from __future__ import annotations

from typing import Any

LONGEST_VALUE = 60  # characters of a value that a sentence quotes
LONGEST_SENTENCE = 500
CUT = " ... "


def visible(text: str, keep: str = "\n") -> str:
    """The text with every character that a terminal may obey written as its code; those in `keep` stay.

    >>> visible("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one in keep or _shown(one) else _code(one) for one in text)


def shortened(text: str, most: int) -> str:
    """At most `most` characters: the middle of a longer text is left out.

    >>> shortened("abcdefghijklmnop", 12)
    'abcd ... nop'
    """
    if len(text) <= most:
        return text
    end = (most - len(CUT)) // 2
    return text[: most - len(CUT) - end] + CUT + text[len(text) - end :]


def quoted(value: Any, most: int = LONGEST_VALUE) -> str:
    """A found value as a sentence quotes it: in one line, visible, at most `most` characters long."""
    if isinstance(value, bytes):
        value = value[: 4 * most].decode("utf-8", "backslashreplace")
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4 * most:
        return f"a whole number of {value.bit_length()} bits"
    text = value if isinstance(value, str) else f"{value}"
    return shortened(visible(shortened(text, 4 * most), keep=""), most)


def sentence(text: str) -> str:
    """What is wrong, as it may be printed: visible, and not longer than LONGEST_SENTENCE."""
    return shortened(visible(shortened(text, 4 * LONGEST_SENTENCE)), LONGEST_SENTENCE)


def one_line(error: BaseException | str, most: int = 160) -> str:
    """What a library said of an error, in one line."""
    said = " ".join(f"{error}"[: 20 * most].split())
    return quoted(said or type(error).__name__, most)


def _shown(one: str) -> bool:
    return one.isprintable()


def _code(one: str) -> str:
    number = ord(one)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
