"""What a verb says on the console. All of it goes through here, so that no file can send orders to a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from config.words import visible


def say(text: object, *, error: bool = False, end: str = "\n") -> None:
    """Print a text, every control character in it but a new line made visible."""
    print(visible(f"{text}"), file=sys.stderr if error else sys.stdout, end=end)


def say_over(text: object) -> None:
    """Print a text at standard error in the place of the line that stands there."""
    print(f"\r{visible(f'{text}')}", file=sys.stderr, end="", flush=True)


def say_values(title: str, values: Mapping[str, Any]) -> None:
    """A title, and below it one line a value."""
    say(title)
    for name, value in values.items():
        say(f"  {name.replace('_', ' '):24} {value:.4g}" if isinstance(value, float) else f"  {name:24} {value}")
