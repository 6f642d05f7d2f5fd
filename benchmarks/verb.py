"""The verb `bench`: the tracking beside trackpy, identities in the closed loop, the loop under the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.console.json_file import write_json
from config.atomic import write_file
from config.refused import Refused

ONLY = {"docs": ("tracking", "safety"), "repeats": ("loop",), "seconds": ("loop",)}  # who takes an option


def bench(what: str, *, quick: bool, json: Path | None, **options: Any) -> int:
    """One of MEASURED; `options` are those of ONLY, None where they were not given. Raises Refused."""
    if what not in MEASURED:
        raise Refused(f"bench: found '{what}' (allowed: {', '.join(MEASURED)})")
    for name, owners in ONLY.items():
        if options.get(name) is not None and what not in owners:
            raise Refused(f"bench {what}: found --{name}, which only bench {' and '.join(owners)} takes")
    own = {name: options.get(name) for name, owners in ONLY.items() if what in owners}
    MEASURED[what](quick, json, **own)
    return 0


def bench_tracking(quick: bool, json: Path | None, docs: Path | None) -> None:
    """Every table of benchmarks.tracking, as lines while they are measured, as JSON and as a page."""
    from benchmarks.tracking import markdown, measure, repeats_of

    tables = measure(quick)
    if json is not None:
        write_json(json, tables)
    if docs is not None:
        write_file(docs, markdown(tables, repeats_of(quick)))


def bench_identities(quick: bool, json: Path | None) -> None:
    """Swaps, announced and silent, over 10,000 frames of a closed loop (600 if quick)."""
    from benchmarks import identities  # the simulated rig is opened for this one only

    identities.bench(600 if quick else identities.FRAMES, json)


def bench_loop(quick: bool, json: Path | None, repeats: int | None, seconds: float | None) -> None:
    """The loop's latency at a fixed frame rate, with the desktop open and painting, and without."""
    from benchmarks import loop  # a window is opened for this one only

    loop.bench(quick, json, repeats, seconds)


def bench_safety(quick: bool, json: Path | None, docs: Path | None) -> None:
    """What kills, signals, a full disk and a hung window do to the light and the record."""
    from benchmarks import safety  # emulators are started for this one only

    safety.bench(quick, json, docs)


MEASURED: dict[str, Callable[..., None]] = {
    "tracking": bench_tracking,
    "identities": bench_identities,
    "loop": bench_loop,
    "safety": bench_safety,
}
