"""The error for bad input, with one sentence."""

from config.words import sentence


class Refused(Exception):
    """Input is refused. One sentence states the file, the key or line, the value found, and the allowed values.

    The text is safe to print: bounded, and without control characters.
    """

    def __init__(self, text: str) -> None:
        super().__init__(sentence(text))
