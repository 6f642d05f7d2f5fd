"""Bad input, in one sentence."""


class Refused(Exception):
    """Input that is not used: which file, which key or line, what was found, what is allowed. One sentence."""
