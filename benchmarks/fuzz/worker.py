"""The worker process: reads one case per line, tries it and reports the result; it may be killed."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any, TextIO

from benchmarks.fuzz.rules import MEMORY, SECONDS, Broken, Domain

CEILING = 6 << 30  # bytes of additional address space, to protect the machine


def main(names: str, base: str) -> int:
    """Reads lines "domain seed" from standard input; writes lines of JSON to the original standard output."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")  # a case must not write among the answers
    os.dup2(2, 1)
    from benchmarks.fuzz.domains import domains

    known = {domain.name: domain for domain in domains(Path(base)) if domain.name in names.split(",")}
    for domain in known.values():
        domain.folder.mkdir(parents=True, exist_ok=True)
        os.chdir(domain.folder)
        domain.prepare()
    _limit()
    _answer(answers, {"ready": True})
    for line in sys.stdin:
        name, seed = line.split()
        _answer(answers, attempt(known[name], int(seed), Path(base)))
    return 0


def attempt(domain: Domain, seed: int, base: Path) -> dict[str, Any]:
    """One case: the rules that it broke ("" if none), its processor time (s) and its memory (bytes)."""
    folder = base / "case"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    before = reset_peak()
    began_s = time.process_time()
    wrong, allowed_s = "", 0.0
    try:
        allowed_s = domain.case(Random(f"{domain.name} {seed}"), folder)
    except Broken as broken:
        wrong = f"{broken}"
    except BaseException as error:  # noqa: BLE001 - every uncaught exception is a finding
        wrong = f"traceback: {type(error).__name__}: {error}"[:300] + "\n" + "".join(traceback.format_exc()[-3000:])
    spent_s, took = time.process_time() - began_s, peak() - before
    broken_rules = [wrong] if wrong else []
    if took > MEMORY:
        broken_rules.append(f"memory: {took / 2**30:.2f} GiB (allowed: {MEMORY / 2**30:g})")
    if spent_s > SECONDS + allowed_s:
        broken_rules.append(f"slow: {spent_s:.1f} s of the processor (allowed: {SECONDS + allowed_s:.1f})")
    return {"wrong": "; ".join(broken_rules), "cpu_s": round(spent_s, 3), "bytes": took}


def reset_peak() -> int:
    """Reset the peak memory of this process, if the system can do this. Returns the new peak (bytes)."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak()


def peak() -> int:
    """Peak memory of this process in bytes; 0 if unknown."""
    if sys.platform != "linux":
        return 0
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def _limit() -> None:
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + CEILING
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(answers: TextIO, said: dict[str, Any]) -> None:
    answers.write(json.dumps(said) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
