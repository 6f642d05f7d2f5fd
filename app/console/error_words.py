"""Errors as text for the operator."""

from __future__ import annotations

from config.refused import Refused
from config.words import text_of
from control.contract import Fault


def sentence(error: BaseException) -> str:
    """The text of an error, with the name of its type unless it was written for the operator."""
    if issubclass(type(error), (Fault, Refused)):  # an error's own __class__ may fail
        return text_of(error)
    name, text = type(error).__name__, text_of(error)
    return f"{name}: {text}" if text not in ("", name) else name
