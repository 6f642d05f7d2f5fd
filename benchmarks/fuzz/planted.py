"""Faults on purpose, to test that the harness finds each kind."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

FAULTS = ("none", "traceback", "hang", "wait", "slow", "memory", "died")  # values of CYBLOIDS_PLANTED


@dataclass
class Planted:
    """The environment variable CYBLOIDS_PLANTED chooses the fault: see FAULTS."""

    folder: Path
    name: str = "planted"

    def prepare(self) -> None:
        """Nothing is needed."""

    def case(self, chance: Random, folder: Path) -> float:
        fault = os.environ.get("CYBLOIDS_PLANTED", "none")
        (folder / "input.txt").write_text(fault, encoding="utf-8")
        began_s = time.process_time()
        if fault == "traceback":
            raise KeyError("planted")
        if fault == "wait":
            signal.pause()
        while fault in ("hang", "slow") and (fault == "hang" or time.process_time() - began_s < 2.5):
            pass
        if fault == "memory":
            bytearray(b"\1") * (1 << 30 | 1 << 27)
        if fault == "died":
            os.kill(os.getpid(), signal.SIGSEGV)
        return 0.0
