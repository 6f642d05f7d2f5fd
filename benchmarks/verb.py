"""The verb `bench`: the tracking beside trackpy, identities in the closed loop, the loop under the window."""

from __future__ import annotations

from pathlib import Path

from app.answer import write_json
from benchmarks.tracking import markdown, measure


def bench_tracking(*, quick: bool, docs: Path | None, json: Path | None) -> int:
    """Every table of benchmarks.tracking, as lines while they are measured, as JSON and as a page."""
    tables = measure(quick)
    if json is not None:
        write_json(json, tables)
    if docs is not None:
        docs.write_text(markdown(tables))
    return 0


def bench_identities(*, quick: bool, json: Path | None) -> int:
    """Swaps, announced and silent, over 10,000 frames of a closed loop (600 if quick)."""
    from benchmarks import identities  # the simulated rig is opened for this one only

    identities.bench(600 if quick else identities.FRAMES, json)
    return 0


def bench_loop(*, quick: bool, json: Path | None) -> int:
    """The loop's latency at a fixed frame rate, with the desktop open and painting, and without."""
    from benchmarks import loop  # a window is opened for this one only

    loop.bench(quick, json)
    return 0
