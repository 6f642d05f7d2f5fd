"""What a verb says on the console. All of it goes through here, so that no file can send orders to a terminal."""

from __future__ import annotations

import sys

from config.words import visible


def say(text: object, *, error: bool = False, end: str = "\n") -> None:
    """Print a text, every control character in it but a new line made visible."""
    print(visible(f"{text}"), file=sys.stderr if error else sys.stdout, end=end)
