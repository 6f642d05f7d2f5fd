"""Our locators and linker compared with trackpy (numba engine): same quantities, interleaved in one process.

A ratio is trackpy's median processor time over ours; low and high are the tenth and ninetieth percentile of the
ratios of the single repeats. `ratio` has all columns on both sides, `ratio_bare` positions and mass only.

    python -m benchmarks.tracking [--quick] [--json FILE] [--docs FILE]
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.console.json_file import write_json
from benchmarks.accuracy import Profile, bound_px, errors, phase_bias_px
from benchmarks.scenes import SpotScene, crystal, walk
from config.atomic import write_file
from config.geometry import Affine
from control.contract import Frame
from tracking.link import LinkMemory, link
from tracking.locate.centroid import Centroid
from tracking.locate.features import Features
from tracking.locate.page import Locator
from tracking.locate.windows import WindowMemory, Windows
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker

REPEATS, QUICK_REPEATS = 15, 5
Row = dict[str, Any]
Say = Callable[[str], None]

FULL = [(512, 50), (512, 200), (512, 500), (1024, 100), (1024, 500), (1024, 2000), (2048, 5000)]
PREDICTED = [(512, 50), (1024, 100)]
LINKED = [(50, 512), (500, 512), (2000, 1024), (5000, 2048)]
SPOT, RING = Profile(110.0, 2.2, 0.0), Profile(110.0, 1.5, 5.0)
PRECISE: list[tuple[Locator, Profile, float, int]] = [
    *(("centroid", SPOT, noise, 11) for noise in (22.0, 11.0, 3.7)),
    *(("gaussian", SPOT, noise, 11) for noise in (22.0, 11.0, 3.7)),
    *(("radial", SPOT, noise, 11) for noise in (11.0, 3.7)),
    *(("radial", RING, noise, 17) for noise in (11.0, 3.7, 1.0)),
    *(("centroid", RING, noise, 17) for noise in (11.0, 3.7)),
]


def repeats_of(quick: bool) -> int:
    return QUICK_REPEATS if quick else REPEATS


def interleaved(repeats: int, *calls: Callable[[], object]) -> Any:
    """[repeats, calls] seconds of processor time of each call, in turn; the first round, with compilation, is left out.

    Processor time, not wall time: other work on the machine must not decide which of two calls was fast.
    """
    seconds = np.empty((repeats + 1, len(calls)))
    for repeat in seconds:
        for index, call in enumerate(calls):
            start = time.process_time()
            call()
            repeat[index] = time.process_time() - start
    return seconds[1:]


def ratio(theirs: Any, ours: Any) -> tuple[float, float, float]:
    """(ratio of medians, tenth and ninetieth percentile of the single ratios)."""
    low, high = np.quantile(theirs / ours, [0.1, 0.9])
    return float(np.median(theirs) / np.median(ours)), float(low), float(high)


def peak_mib(call: Callable[[], object]) -> float:
    """Peak memory (MiB) that a call allocates from Python and numpy."""
    call()
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def _trackpy(s: Tracking, image: Any, *, every_column: bool) -> Callable[[], Any]:
    import trackpy

    return lambda: trackpy.locate(
        image, s.diameter_px, minmass=s.minmass, separation=s.separation_px, characterize=every_column, engine="numba"
    )


def locate(quick: bool, say: Say) -> list[Row]:
    """T1: full frames."""
    rows = []
    for side, count in FULL[:1] if quick else FULL:
        for kind in ("spots", "rings"):
            scene = SpotScene(side, count, kind)
            image = scene.frame(scene.places())
            s = Tracking(diameter_px=scene.diameter_px, minmass=400, separation_px=10.0)
            ours, bare = Centroid(s), Centroid(s, every_column=False)
            theirs, theirs_bare = (_trackpy(s, image, every_column=every) for every in (True, False))
            took = interleaved(repeats_of(quick), theirs, partial(ours, image), theirs_bare, partial(bare, image))
            full, low, high = ratio(took[:, 0], took[:, 1])
            rows.append({
                "case": scene.name, "ratio": full, "low": low, "high": high,
                "ratio_bare": ratio(took[:, 2], took[:, 3])[0],
                "ns_per_px": float(np.median(took[:, 1])) * 1e9 / side**2,
                "found": len(ours(image)), "found_trackpy": len(theirs()),
                "peak_mib": peak_mib(partial(ours, image)), "peak_mib_trackpy": peak_mib(theirs),
            })  # fmt: skip
            say(f"locate {scene.name}: {full:.1f}x, bare {rows[-1]['ratio_bare']:.1f}x")
    return rows


def guarded(find: Windows, image: Any, expected: WindowMemory) -> Features:
    """The features in the windows after all checks, with duplicates removed."""
    found = find.near(image, expected)
    return find._without_duplicates(found, len(found))


def windows(quick: bool, say: Say) -> list[Row]:
    """T2: windows with guards; T2b: with a strip and linking."""
    rows = []
    for side, count in PREDICTED[:1] if quick else PREDICTED:
        scene = SpotScene(side, count, "spots")
        places = scene.places()
        images = [scene.frame(places + 0.3 * k, seed=k) for k in range(8)]
        s = Tracking(locator="windows", diameter_px=11, minmass=400, separation_px=10.0, search_px=5.0)
        theirs = _trackpy(s, images[0], every_column=True)
        found = Centroid(s)(images[0])
        expected = WindowMemory(found.position_px + 0.5, found.mass, found.signal)
        tracker = LinkingTracker(s, Affine.scale("px", "um", 0.1))
        state = [tracker.start(), 0]

        def step(tracker: LinkingTracker = tracker, state: list[Any] = state, images: list[Any] = images) -> None:
            # there and back again, so that no particle jumps
            at = state[1] % 14
            image = images[min(at, 14 - at)]
            state[0], _ = tracker.step(state[0], Frame(state[1], 0.01 * state[1], image))
            state[1] += 1

        near = partial(guarded, Windows(s), images[0], expected)
        took = interleaved(repeats_of(quick), theirs, near, step)
        for index, case in ((1, "windows"), (2, "windows, strip, linking")):
            middle, low, high = ratio(took[:, 0], took[:, index])
            us = float(np.median(took[:, index])) * 1e6
            rows.append({"case": f"{case}: {scene.name}", "ratio": middle, "low": low, "high": high, "us": us})
            say(f"{rows[-1]['case']}: {middle:.0f}x ({us:.0f} us)")
    return rows


def linking(quick: bool, say: Say) -> list[Row]:
    """T3: linking; T10: a disturbed crystal that trackpy refuses."""
    import trackpy

    rows: list[Row] = []
    s = Tracking(search_px=6.0, memory=3)
    for count, side in LINKED[:1] if quick else LINKED:
        frames = walk(count, side, 10, 1.2)

        def ours(frames: list[Any] = frames) -> None:
            memory = LinkMemory()
            for number, place in enumerate(frames):
                memory, _ = link(memory, number, place, s)

        def theirs(frames: list[Any] = frames) -> None:
            list(trackpy.link_iter(iter(frames), s.search_px, memory=s.memory))

        took = interleaved(repeats_of(quick), theirs, ours)
        middle, low, high = ratio(took[:, 0], took[:, 1])
        us = float(np.median(took[:, 1])) * 1e6 / len(frames)
        rows.append({"case": f"{count} particles", "ratio": middle, "low": low, "high": high, "us_per_frame": us})
        say(f"link {rows[-1]['case']}: {middle:.1f}x ({us:.0f} us a frame)")
    right = crystal_right()
    rows.append({"case": "crystal of 2025, a = 14 px, search 12 px, 2 % missed", "correct": right})
    say(f"link {rows[-1]['case']}: {right:.5f} correct")
    return rows


def crystal_right() -> float:
    """Share of correct links in a crystal whose sites jitter by 1.4 px rms anew in every frame."""
    sites = crystal(45, 14.0)
    chance = np.random.default_rng(1)
    s = Tracking(search_px=12.0, memory=3)
    memory, owner, right, links = LinkMemory(), dict[int, int](), 0, 0
    for number in range(10):
        shown = chance.permutation(np.flatnonzero(chance.random(len(sites)) >= 0.02))
        memory, found = link(memory, number, sites[shown] + 1.4 * chance.standard_normal((len(shown), 2)), s)
        for particle, site in zip(found.particle.tolist(), shown.tolist(), strict=True):
            if particle in owner:
                links += 1
                right += owner[particle] == site
            owner[particle] = site
    return right / links


def accuracy(quick: bool, say: Say) -> list[Row]:
    """T7 to T9: errors in units of the Cramer-Rao bound, and the sub-pixel phase bias."""
    rows = []
    for name, profile, noise, diameter_px in PRECISE[::4] if quick else PRECISE:
        off_px, phase = errors(name, profile, noise, diameter_px, frames=2 if quick else 36)
        bound = bound_px(profile, noise)
        kind = "ring" if profile.ring_px else "spot"
        over = float(np.sqrt(np.mean(off_px**2)) / bound)
        rows.append({
            "case": f"{name}, {kind}, A/sigma {profile.amplitude / noise:.0f}", "over_bound": over, "bound_px": bound,
            "phase_bias_px": phase_bias_px(off_px, phase), "particles": len(off_px),
        })  # fmt: skip
        say(f"accuracy {rows[-1]['case']}: {over:.3f} of the bound, bias {rows[-1]['phase_bias_px']:.4f} px")
    return rows


def measure(quick: bool = False, say: Say = print) -> dict[str, list[Row]]:
    """Every table. About three minutes on a quiet machine; `quick`: a few seconds, first cases only."""
    cv2.setNumThreads(1)
    import trackpy

    trackpy.quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # trackpy's own, under pandas 3
        return {
            "locate": locate(quick, say),
            "windows": windows(quick, say),
            "link": linking(quick, say),
            "accuracy": accuracy(quick, say),
        }


CAPTIONS = {
    "locate": (
        "`ratio`: with all columns on both sides; `ratio_bare`: positions and mass only. `peak_mib` is the largest\n"
        "memory that Python and numpy allocate during a call (tracemalloc), without buffers inside numba, OpenCV and\n"
        "scipy. With these buffers, the memory of a fresh process grows by the same amount, within a tenth, on both\n"
        "sides."
    ),
    "windows": (
        "`windows`: with all checks of the windows, without a search for new particles. With `strip`, an eighth of\n"
        "the frame is also searched for new particles."
    ),
    "link": "`correct`: share of correct links in a disturbed crystal, which trackpy refuses to link.",
    "accuracy": (
        "`bound_px` is the Cramer-Rao bound of the rms error along one axis, `over_bound` the measured error divided\n"
        "by it. `phase_bias_px` is the rms over sub-pixel phases of the mean error. `centroid` uses trackpy's\n"
        "algorithm, whose band-pass rounds down to whole grey levels. Therefore at A/sigma 30 `over_bound` also\n"
        "depends on the amplitude in grey levels. Here A is 110. At A = 60, sigma = 2 it is 1.155, and trackpy's own\n"
        "is the same. `gaussian` and `radial` fit a slope of the background, which costs 0.9 % of the error."
    ),
}


def markdown(tables: dict[str, list[Row]], repeats: int) -> str:
    """The tables as a page."""
    parts = [
        "# Benchmarks of tracking\n",
        "Made by `make bench`. One thread; trackpy 0.7 with its numba engine and our program alternate in one",
        f"process. Medians of {repeats} repeats. A ratio is the time of trackpy divided by ours.\n",
    ]
    for name, rows in tables.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        parts.append(f"## {name}\n")
        if name in CAPTIONS:
            parts.append(f"{CAPTIONS[name]}\n")
        parts += ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
        parts += ["| " + " | ".join(_cell(row.get(column)) for column in columns) + " |" for row in rows]
        parts.append("")
    return "\n".join(parts)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def main(arguments: Sequence[str] | None = None) -> int:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--quick", action="store_true")
    reader.add_argument("--json", type=Path)
    reader.add_argument("--docs", type=Path)
    wanted = reader.parse_args(arguments)
    tables = measure(wanted.quick)
    if wanted.json:
        write_json(wanted.json, tables)
    if wanted.docs:
        write_file(wanted.docs, markdown(tables, repeats_of(wanted.quick)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
