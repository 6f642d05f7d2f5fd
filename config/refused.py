"""Bad input, in one sentence."""

from config.words import sentence


class Refused(Exception):
    """Input that is refused: which file, which key or line, what was found, what is allowed. One sentence.

    Its text is safe to print: bounded, and without control characters.
    """

    def __init__(self, text: str) -> None:
        super().__init__(sentence(text))
