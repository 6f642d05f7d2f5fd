"""Console output of the verbs: control characters are made visible, so that no file can control the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from config.words import in_one, visible


def say(text: object, *, error: bool = False, end: str = "\n") -> None:
    """Print a text; control characters except newlines are made visible.

    `error`: an error message for standard error; newlines are also made visible, except before an indented line.
    """
    shown = visible(f"{text}")
    print(in_one(shown) if error else shown, file=sys.stderr if error else sys.stdout, end=end)


def say_over(text: object) -> None:
    """Print a text on standard error over the current line."""
    print(f"\r{visible(f'{text}')}", file=sys.stderr, end="", flush=True)


def say_values(title: str, values: Mapping[str, Any]) -> None:
    """Print a title and below it one line per value."""
    say(title)
    for name, value in values.items():
        say(f"  {name.replace('_', ' '):24} {value:.4g}" if isinstance(value, float) else f"  {name:24} {value}")
