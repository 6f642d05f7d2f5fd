"""Switch the beam on in tests of the window, also on a busy computer."""

from __future__ import annotations

import time

from pytestqt.qtbot import QtBot

from app.desktop.window.session import Session
from app.running.thread import beam_is_on


def arm_until_lit(qtbot: QtBot, session: Session) -> None:
    """Send ARM every 2 s until the beam is on: an ARM that has waited for more than 1 s is not obeyed."""
    armed_s = float("-inf")

    def lit() -> bool:
        nonlocal armed_s
        if time.monotonic() - armed_s > 2.0:
            armed_s = time.monotonic()
            session.arm()
        return beam_is_on(session.newest)

    qtbot.waitUntil(lit)
