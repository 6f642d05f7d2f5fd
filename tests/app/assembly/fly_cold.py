"""Runs one experiment in a separate process and prints, as JSON, the kernels compiled before and after ARM.

    NUMBA_CACHE_DIR=EMPTY python tests/app/assembly/fly_cold.py EXPERIMENT RIG|- SECONDS OUT [KEY=VALUE ...]

`after`: kernels compiled, or read from the cache, after the start of the loop, with their argument types.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from numba.core import event
from numba.core.dispatcher import Dispatcher

import app.running.headless
from app.assembly.garbage_collection import every_object
from app.assembly.plan import plan
from control.contract import Turn

compiled: list[tuple[float, str]] = []


class Compilations(event.Listener):
    """Records when each kernel was compiled."""

    def on_start(self, event: Any) -> None:
        compiled.append((time.perf_counter(), f"{event.data['dispatcher'].py_func.__qualname__}{event.data['args']}"))

    def on_end(self, event: Any) -> None: ...


def signatures() -> set[str]:
    """All compiled kernels, with their argument types."""
    return {
        f"{found.py_func.__module__}.{found.py_func.__qualname__}{signature}"
        for found in every_object()
        if issubclass(type(found), Dispatcher)
        for signature in found.signatures
    }


def main(experiment: str, rig: str, seconds: str, out: str, *sets: str) -> None:
    event.register("numba:compile", Compilations())  # type: ignore[no-untyped-call]
    began: dict[str, Any] = {}
    turns_s: list[float] = []
    headless: Any = app.running.headless
    loop = headless.run

    def run(machine: Any, camera: Any, beam: Any, clock: Any, recorder: Any, told: Any, watch: Any) -> None:
        """The loop, with records of its start time and of the time of each turn."""

        def watched(turn: Turn) -> None:
            turns_s.append(time.perf_counter())
            watch(turn)

        began["s"], began["signatures"] = time.perf_counter(), signatures()
        loop(machine, camera, beam, clock, recorder, told, watched)

    headless.run = run
    path = Path(experiment)
    made = plan(path, None if rig == "-" else Path(rig), sets)
    done = app.running.headless.fly(made, float(seconds), Path(out), False, path.stem)
    gaps_s = [later - earlier for earlier, later in pairwise(turns_s)]
    late = sorted(signatures() - began["signatures"])
    late += [name for at_s, name in compiled if at_s >= began["s"]]
    print(json.dumps({
        "before": sum(at_s < began["s"] for at_s, _ in compiled), "after": late, "turns": done["turns"],
        "level": done["level"], "longest_gap_s": max(gaps_s, default=0.0), "period_s": 1.0 / made.rig.camera.fps,
        "summary": done,
    }))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
