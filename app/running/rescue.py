"""Switching off the laser of another program or process, in limited time: its port may hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from app.assembly.darken import put_out
from app.assembly.rig import Plan
from app.running.thread import answer_until, begun
from control.contract import STILL_LIT, Fault

RESCUE_S = 10.0


def switch_off_in_time(plan: Plan, put_out: Callable[[Plan], str] = put_out) -> str:
    """The result in words, with STILL_LIT where the laser may be on; empty where nothing had to be done."""
    try:
        return answer_until(time.monotonic() + RESCUE_S, begun(partial(put_out, plan)), STILL_LIT)
    except Fault as fault:
        return f"{fault}"
