"""The verb `emulate`: runs an emulated device behind a pseudo-terminal until it receives the order to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.console.output_files import require_apart, require_writable
from config.refused import Refused
from drivers.emulate.faults import Trouble, ordered
from drivers.emulate.kinds import KINDS
from drivers.emulate.process import Emulator, Options
from drivers.emulate.terminal import MARK, mark_of


def emulate_device(kind: str, link: Path | None, stream: int, log: Path | None, faults: Sequence[str]) -> int:
    """The verb `emulate`. Orders are read from standard input (drivers/emulate/faults.py). Raises Refused."""
    if kind not in KINDS:
        raise Refused(f"emulate: found '{kind}' (allowed: {', '.join(KINDS)})")
    for words in faults:
        try:
            ordered(Trouble(), words)
        except Refused as error:
            raise Refused(f"--fault: {error}") from None
    if link is not None and link.name:
        require_writable(MARK, mark_of(link), MARK)
        require_apart({}, {"--link": link, MARK: mark_of(link), **({"--log": log} if log else {})})
    try:
        Emulator(KINDS[kind], Options(link, stream, log, tuple(faults))).run()
    except KeyboardInterrupt:
        return 0
    return 0
