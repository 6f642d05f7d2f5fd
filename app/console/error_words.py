"""An error in words for the operator."""

from __future__ import annotations

from config.refused import Refused
from control.contract import Fault


def sentence(error: BaseException) -> str:
    """What went wrong, in words for the operator."""
    if isinstance(error, (Fault, Refused)):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
