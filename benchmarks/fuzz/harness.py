"""Runs cases in a watched worker process: it is killed if it hangs, and failures are reported with their seeds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from config.words import shortened

ROOT = Path(__file__).parent.parent.parent
HANG_S = 10.0  # processor time of one case
STUCK_S = 120.0  # wall time of one case: generous, as the machine may be busy
IDLE_S = 15.0  # wall time without processor time: the case waits for something that does not come
PREPARE_S = 600.0
LOOK_S = 0.05


@dataclass(frozen=True)
class FuzzFailure:
    """A failed case."""

    domain: str
    seed: int
    wrong: str
    kept: Path | None  # folder with its input

    def __str__(self) -> str:
        where = f"; its input is in {self.kept}" if self.kept else ""
        return f"{self.domain} --seed {self.seed} --cases 1: {shortened(self.wrong, 1500)}{where}"


class Watched:
    """The worker process; restarted after it was killed or died."""

    def __init__(self, names: Sequence[str], base: Path, *, hang_s: float = HANG_S, idle_s: float = IDLE_S) -> None:
        self.names, self.base, self.hang_s, self.idle_s = names, base, hang_s, idle_s
        self._worker: subprocess.Popen[str] | None = None
        self._lines: Queue[str] = Queue()

    def attempt(self, domain: str, seed: int) -> dict[str, Any]:
        """Result of one case: see `worker.attempt`."""
        worker = self._started()
        assert worker.stdin is not None
        worker.stdin.write(f"{domain} {seed}\n")
        worker.stdin.flush()
        return self._answer(worker)

    def close(self) -> None:
        """End the process."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                pipe.close()

    def _started(self) -> subprocess.Popen[str]:
        if self._worker is not None and self._worker.poll() is None:
            return self._worker
        self.close()
        more = {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "QT_QPA_PLATFORM": "offscreen",
        }
        with (self.base / "worker.log").open("a", encoding="utf-8") as log:
            self._worker = worker = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.fuzz.worker", ",".join(self.names), str(self.base)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                cwd=ROOT,
                env=os.environ | more,
            )
        self._lines = lines = Queue[str]()
        threading.Thread(target=_listen, args=(worker, lines), daemon=True).start()
        try:
            ready = lines.get(timeout=PREPARE_S)
        except Empty:
            ready = ""
        if not ready:
            raise RuntimeError(f"the fuzz worker did not start: see {self.base / 'worker.log'}")
        return worker

    def _answer(self, worker: subprocess.Popen[str]) -> dict[str, Any]:
        began_s, began_cpu_s = time.monotonic(), cpu_s(worker.pid)
        worked_s, newest = began_s, began_cpu_s
        while True:
            try:
                line = self._lines.get(timeout=LOOK_S)
            except Empty:
                now_s, now_cpu_s = time.monotonic(), cpu_s(worker.pid)
                if now_cpu_s > newest + 0.02:
                    worked_s, newest = now_s, now_cpu_s
                spent_s = now_cpu_s - began_cpu_s
                if spent_s > self.hang_s or now_s - worked_s > self.idle_s or now_s - began_s > STUCK_S:
                    self.close()
                    return {"wrong": f"hang: killed after {now_s - began_s:.0f} s ({spent_s:.1f} s of the processor)"}
                continue
            if line:
                found: dict[str, Any] = json.loads(line)
                return found
            code = worker.wait()
            self.close()
            return {"wrong": f"died: the process ended with {code}"}


def _listen(worker: subprocess.Popen[str], lines: Queue[str]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        lines.put(line)
    lines.put("")


def cpu_s(pid: int) -> float:
    """Processor time (s) of a process; 0 if unknown."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / float(os.sysconf("SC_CLK_TCK"))
    except (OSError, IndexError, ValueError, AttributeError):
        return 0.0


def hunt(
    names: Sequence[str],
    seed: int,
    base: Path,
    *,
    cases: int | None = None,
    until_s: float | None = None,
    watched: Watched | None = None,
    report: Any = print,
) -> tuple[dict[str, int], list[FuzzFailure]]:
    """Run cases of all domains in turn, with seeds from `seed` on. Returns (cases by domain, failures).

    Args:
        cases: number for each domain; None: no limit.
        until_s: no new round begins after this time (time.monotonic); None: no limit.
    """
    base.mkdir(parents=True, exist_ok=True)
    worker = watched or Watched(names, base)
    done = dict.fromkeys(names, 0)
    findings: list[FuzzFailure] = []
    try:
        step = 0
        while (cases is None or step < cases) and (until_s is None or time.monotonic() < until_s):
            for name in names:
                found = worker.attempt(name, seed + step)
                done[name] += 1
                if found["wrong"]:
                    findings.append(FuzzFailure(name, seed + step, found["wrong"], keep(base, name, seed + step)))
                    report(f"{findings[-1]}")
            step += 1
    finally:
        worker.close()
    return done, findings


def keep(base: Path, name: str, seed: int) -> Path | None:
    """Copy the input of a case. Returns the folder of the copy, or None if it failed."""
    kept = base / "found" / f"{name}-{seed}"
    shutil.rmtree(kept, ignore_errors=True)
    try:
        shutil.copytree(base / "case", kept, symlinks=True, ignore=_odd)
    except (OSError, shutil.Error):
        return None
    return kept


def _odd(folder: str, names: list[str]) -> list[str]:
    """Pipes, which can't be copied."""
    return [name for name in names if not (Path(folder) / name).is_symlink() and Path(folder, name).is_fifo()]
