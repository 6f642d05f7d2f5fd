"""python -m drivers.emulate galvo --link PATH: runs an emulator as a process."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from config.refused import Refused
from drivers.emulate.faults import WORDS
from drivers.emulate.kinds import KINDS
from drivers.emulate.process import Emulator, Options


def main() -> int:
    """Exit code 0, or 2 for refused options."""
    parser = argparse.ArgumentParser(prog="emulate", description=f"Orders on standard input: {WORDS}.")
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--link", type=Path)
    parser.add_argument("--stream", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--ends-with-input", action="store_true")
    arguments = parser.parse_args()
    options = Options(
        arguments.link, arguments.stream, arguments.log, tuple(arguments.fault), arguments.ends_with_input
    )
    try:
        Emulator(KINDS[arguments.kind], options).run()
    except KeyboardInterrupt:
        return 0
    except Refused as refused:
        print(f"cybloids: {refused}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
