"""Run an emulated device behind a pseudo-terminal until it is told to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from config.refused import Refused
from drivers.emulate.kinds import KINDS
from drivers.emulate.process import Emulator, Options


def emulate_device(kind: str, link: Path | None, stream: int, log: Path | None, faults: Sequence[str]) -> int:
    """The verb `emulate`. Orders are read from standard input (drivers/emulate/faults.py). Raises Refused."""
    if kind not in KINDS:
        raise Refused(f"emulate: found '{kind}' (allowed: {', '.join(KINDS)})")
    try:
        Emulator(KINDS[kind], Options(link, stream, log, tuple(faults))).run()
    except KeyboardInterrupt:
        return 0
    return 0
