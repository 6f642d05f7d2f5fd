"""The command line of the package."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.fuzz.domains import NAMES
from benchmarks.fuzz.harness import hunt


def main() -> int:
    """Exit code: 0 if no case failed, else 1."""
    asks = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description="Broken input, made by chance.")
    asks.add_argument("--minutes", type=float, default=3.0, help="how long")
    asks.add_argument("--cases", type=int, help="cases of each kind, instead of --minutes")
    asks.add_argument("--seed", type=int, help="of the first case; else by the clock, and printed")
    asks.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), help="kinds of input")
    asks.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="folder of what was found")
    asked = asks.parse_args()
    seed = asked.seed if asked.seed is not None else time.time_ns() // 1_000_000 % 10**9
    print(f"fuzz: seed {seed}, {', '.join(asked.only)}", flush=True)
    until_s = None if asked.cases is not None else time.monotonic() + 60.0 * asked.minutes
    done, findings = hunt(asked.only, seed, asked.out.resolve(), cases=asked.cases, until_s=until_s)
    for name, count in done.items():
        wrong = sum(finding.domain == name for finding in findings)
        print(f"{name:<12} {count:>7} cases, {wrong} wrong")
    print(f"fuzz: {sum(done.values())} cases from seed {seed} on, {len(findings)} wrong")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
