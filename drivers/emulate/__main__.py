"""python -m drivers.emulate galvo --link PATH: an emulator as a process."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from config.refused import Refused
from drivers.emulate.faults import WORDS
from drivers.emulate.kinds import KINDS
from drivers.emulate.process import Emulator, Options


def main() -> int:
    """0; 2 for what can't be."""
    said = argparse.ArgumentParser(prog="emulate", description=f"Orders on standard input: {WORDS}.")
    said.add_argument("kind", choices=sorted(KINDS))
    said.add_argument("--link", type=Path)
    said.add_argument("--stream", type=int, default=0)
    said.add_argument("--log", type=Path)
    said.add_argument("--fault", action="append", default=[])
    said.add_argument("--ends-with-input", action="store_true")
    told = said.parse_args()
    options = Options(told.link, told.stream, told.log, tuple(told.fault), told.ends_with_input)
    try:
        Emulator(KINDS[told.kind], options).run()
    except KeyboardInterrupt:
        return 0
    except Refused as refused:
        print(f"cybloids: {refused}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
