"""Safe display of text from outside (files, devices, plug-ins): no control characters, bounded length."""

from __future__ import annotations

import re
from typing import Any

LONGEST_VALUE = 60  # characters of a value quoted in a message
LONGEST_SENTENCE = 500
CUT = " ... "


def visible(text: str, keep: str = "\n") -> str:
    """The text with the code in place of each unprintable character except those in `keep`.

    >>> visible("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or c.isprintable() else _code(c) for c in text)


def shortened(text: str, most: int) -> str:
    """The text, with its middle left out if it is longer than `most` characters.

    >>> shortened("abcdefghijklmnop", 12)
    'abcd ... nop'
    """
    if len(text) <= most:
        return text
    end = (most - len(CUT)) // 2
    return text[: most - len(CUT) - end] + CUT + text[len(text) - end :]


def quoted(value: Any, most: int = LONGEST_VALUE) -> str:
    """A value for a message: in one line, without control characters, at most `most` characters long."""
    kind = type(value)  # `__class__` of a value may be anything
    if issubclass(kind, bytes):
        value = value[: 4 * most].decode("utf-8", "backslashreplace")
    if issubclass(kind, int) and not issubclass(kind, bool) and value.bit_length() > 4 * most:
        return f"a whole number of {value.bit_length()} bits"
    return shortened(visible(shortened(text_of(value), 4 * most), keep=""), most)


def text_of(value: Any) -> str:
    """The value as Python prints it; the name of its type if its own method for that fails."""
    try:
        return "".join([f"{value}"])  # a plain str, also if the value returns a subclass of it
    except BaseException as error:  # of a plug-in or a law: a message about its value must not fail with it
        if is_signal(error):
            raise
        return type(value).__name__


def is_signal(error: BaseException) -> bool:
    """Whether an error is a signal that ends the program (Ctrl-C, app.running.stop_signals.Stopped).

    It is decided by the true type, since an error's own `__class__` may fail.
    """
    kind = type(error)
    return issubclass(kind, KeyboardInterrupt) or (issubclass(kind, SystemExit) and kind is not SystemExit)


def sentence(text: str) -> str:
    """A message made safe to print: without control characters, at most LONGEST_SENTENCE characters long."""
    return shortened(in_one(visible(shortened(text, 4 * LONGEST_SENTENCE))), LONGEST_SENTENCE)


def in_one(text: str) -> str:
    """The text with the code in place of each newline, except before indented lines (as below a formula).

    Otherwise a file name with a newline could imitate another message.
    """
    return re.sub(r"\n(?!    )", r"\\x0a", text)


def one_line(error: BaseException | str, most: int = 160) -> str:
    """The message of a library's error in one line, or its type if it has none."""
    message = " ".join(text_of(error)[: 20 * most].split())
    return quoted(message or type(error).__name__, most)


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
