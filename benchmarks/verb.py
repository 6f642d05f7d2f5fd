"""The verb `bench`: tracking compared with trackpy, identities, the loop with a window, and interrupted runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.console.json_file import write_json
from config.atomic import write_file
from config.refused import Refused

ONLY = {"docs": ("tracking", "safety"), "repeats": ("loop",), "seconds": ("loop",)}  # benchmarks that take an option


def bench(what: str, *, quick: bool, json: Path | None, **options: Any) -> int:
    """Run one of MEASURED; `options` are those of ONLY, None if not given. Raises Refused."""
    if what not in MEASURED:
        raise Refused(f"bench: found '{what}' (allowed: {', '.join(MEASURED)})")
    for name, owners in ONLY.items():
        if options.get(name) is not None and what not in owners:
            raise Refused(f"bench {what}: found --{name}, which only bench {' and '.join(owners)} takes")
    own = {name: options.get(name) for name, owners in ONLY.items() if what in owners}
    MEASURED[what](quick, json, **own)
    return 0


def bench_tracking(quick: bool, json: Path | None, docs: Path | None) -> None:
    """Measure every table of benchmarks.tracking; print its lines, and write JSON and a page."""
    from benchmarks.tracking import markdown, measure, repeats_of

    tables = measure(quick)
    if json is not None:
        write_json(json, tables)
    if docs is not None:
        write_file(docs, markdown(tables, repeats_of(quick)))


def bench_identities(quick: bool, json: Path | None) -> None:
    """All swaps, and silent ones, over 10,000 frames of a closed loop (600 if quick)."""
    from benchmarks import identities  # the simulated rig is needed here only

    identities.bench(600 if quick else identities.FRAMES, json)


def bench_loop(quick: bool, json: Path | None, repeats: int | None, seconds: float | None) -> None:
    """The loop's latency at a fixed frame rate, with the desktop open and painting, and without."""
    from benchmarks import loop  # a window is needed here only

    loop.bench(quick, json, repeats, seconds)


def bench_safety(quick: bool, json: Path | None, docs: Path | None) -> None:
    """Effect of kills, signals, a full disk and a hung window on the light and the record."""
    from benchmarks import safety  # emulators are needed here only

    safety.bench(quick, json, docs)


MEASURED: dict[str, Callable[..., None]] = {
    "tracking": bench_tracking,
    "identities": bench_identities,
    "loop": bench_loop,
    "safety": bench_safety,
}
