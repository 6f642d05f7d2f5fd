"""Errors of code that is not of this program: a law, an argument's own class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from config.refused import Refused
from config.words import is_signal, one_line


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """For a block that runs foreign code. Raises Refused for any error of it; a signal is raised again.

    Args:
        what: the beginning of the sentence; type and text of the error follow in brackets.
    """
    try:
        yield
    except Refused:
        raise
    except BaseException as error:
        if is_signal(error):
            raise
        raise Refused(f"{what} ({type(error).__name__}: {one_line(error)})") from error
