"""Errors as text for the operator."""

from __future__ import annotations

from config.refused import Refused
from control.contract import Fault


def sentence(error: BaseException) -> str:
    """The text of an error, with the name of its type unless it was written for the operator."""
    if isinstance(error, (Fault, Refused)):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
