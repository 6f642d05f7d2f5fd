"""The verb `tune`: tracking settings for a new recording, and a picture of their effect."""

from __future__ import annotations

import json as json_text
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.correction_images import FILES, absolute, correction_of, images_of
from app.assembly.recording import open_recording
from app.console.json_file import write_json
from app.console.output_files import require_files
from app.console.progress import progress
from app.console.terminal import say
from app.tuning.judge import LOOKED_AT, SUGGESTED
from config.atomic import fresh_file, refuse_what_is_no_file
from config.output_kinds import SOFTWARE
from config.reader import Document, build, override, parse, plain
from config.refused import Refused
from control.contract import Ended, Fault
from drivers.video import VideoCamera
from tracking.settings import Tracking
from tracking.tune import PHASES, Inspection, Suggestion, inspect, suggest

Image = NDArray[Any]
Axes = Any  # matplotlib's, which has no types

WIDE_TITLE, NARROW_TITLE = 90, 50  # characters per line
PICTURES = (".png", ".pdf", ".svg")


def tune_recording(recording: Path, sets: Sequence[str], *, out: Path | None, json: Path | None) -> int:
    """Print settings for the recording and write a picture. Settings in `sets` are kept, the others chosen to match."""
    picture = picture_file(recording, out)
    kind = "" if out is not None else "a PNG that Cybloids has made"  # a default path
    require_files({"the input 'recording'": recording}, {"the picture": (picture, kind)}, json)
    start, given_names = given_settings(sets)
    frames = corrected(spread_frames(recording, sets), start)
    try:
        suggestion = suggest(frames, start, given_names)
    except ValueError as error:
        raise Refused(f"{recording}: {error}") from None
    s = suggestion.settings
    inspection = inspect(frames, s)
    values = {name: plain(getattr(s, name)) for name in SUGGESTED} | {"separation_px": s.least_distance_px}
    try:
        draw(frames[0], s, inspection, picture, suggestion.doubt, kind)
    finally:  # the settings are printed, even if the picture can't be written
        for sentence in (*filter(None, [suggestion.doubt]), *suggestion.why):
            say(sentence)
        say(command_line(values, sets))
        say(inspection.verdict)
    say(picture)
    if json is not None:
        write_json(json, summary(recording, suggestion, values, inspection, picture))
    return 0


def picture_file(recording: Path, out: Path | None) -> Path:
    """Path of the picture. Raises Refused."""
    picture = out or Path("runs") / f"{recording.stem}.tuned.png"
    refuse_what_is_no_file(picture, "a file for the picture")
    if picture.suffix.lower() not in PICTURES:
        raise Refused(f"{picture}: found the ending '{picture.suffix}' of a picture (allowed: {', '.join(PICTURES)})")
    return picture


def given_settings(sets: Sequence[str], verb: str = "tune") -> tuple[Tracking, set[str]]:
    """(tracking settings with those in `sets`, names of these); no frame is read yet. Raises Refused."""
    for item in sets:
        part, dot, key = item.partition("=")[0].partition(".")
        if "=" not in item or part not in ("camera", "tracking") or not (dot and key):
            raise Refused(
                f"--set {item}: {verb} takes tracking.KEY=VALUE and camera.KEY=VALUE, as in camera.channel=red"
            )
    overrides = _of("tracking", sets)
    document = Document(" ".join(source for _, _, source in overrides), plain(Tracking()), {})
    for key, value, source in overrides:
        document = override(document, key, value, source)
    tracking = build(document, Tracking)
    files: dict[str, Any] = {name: absolute(file, Path()) for name in FILES if (file := getattr(tracking, name))}
    return replace(tracking, **files), {key.partition(".")[0] for key, _, _ in overrides}


def corrected(frames: Sequence[Image], s: Tracking) -> list[Image]:
    """The corrected frames, as the locators get them. Raises Refused."""
    height_px, width_px = frames[0].shape
    correct = correction_of(s, images_of(s, {}, (width_px, height_px)))
    return [correct(frame) for frame in frames]


def _of(part: str, sets: Sequence[str]) -> list[tuple[str, str, str]]:
    """(key, value, its name in error messages) of the overrides of one part."""
    overrides = []
    for item in sets:
        key, _, value = item.partition("=")
        if key.startswith(f"{part}."):
            overrides.append((key.removeprefix(f"{part}."), value, f"--set {item}"))
    return overrides


def command_line(values: dict[str, Any], sets: Sequence[str]) -> str:
    """The suggestion as options of another verb, with all given settings for which it was made."""
    suggested = [f"tracking.{name}={str(value).lower()}" for name, value in values.items() if value is not None]
    others = [item for item in sets if item.partition("=")[0] not in {f"tracking.{name}" for name in values}]
    return " ".join(f"--set {item}" for item in (*suggested, *others))


def spread_frames(recording: Path, sets: Sequence[str], number: int = LOOKED_AT) -> list[Image]:
    """`number` images, evenly spread from the first to the last. Raises Refused."""
    camera = parse(f"kind: video\npath: {json_text.dumps(str(recording))}\n", str(recording))
    for key, value, source in _of("camera", sets):
        camera = override(camera, key, value, source)
    opened = open_recording(build(camera, VideoCamera))
    indices = set(np.linspace(0, max(opened.frames - 1, 0), number).astype(int).tolist())
    images: list[Image] = []
    with progress("look", opened.frames) as step:
        try:
            for index in range(opened.frames):
                frame = opened.camera.read()
                if frame is not None and index in indices:
                    images.append(frame.image)
                step(index + 1)
        except Ended:
            pass  # a recording may have fewer frames than it states
        except Fault as fault:  # there is no run: a damaged frame is bad input
            raise Refused(str(fault)) from None
        finally:
            opened.camera.close()
    if not images:
        raise Refused(f"{recording}: there is no frame in it to look at")
    return images


def wrapped(title: str, letters: int) -> str:
    """The title in lines of at most `letters` characters, so that it fits into the picture."""
    return textwrap.fill(title, letters)


def summary(
    recording: Path, suggestion: Suggestion, values: dict[str, Any], inspection: Inspection, picture: Path
) -> dict[str, Any]:
    """The content of --json."""
    kept, rejected = inspection.mass
    return {
        "recording": str(recording), "suggested": values, "why": list(suggestion.why), "doubt": suggestion.doubt,
        "frames": len(inspection.kept),
        "kept": len(kept), "rejected": len(rejected), "phase": inspection.phase.tolist(), "alarm": inspection.alarm,
        "picture": str(picture),
    }  # fmt: skip


def draw(image: Image, s: Tracking, inspection: Inspection, picture: Path, doubt: str = "", kind: str = "") -> None:
    """Candidates kept and rejected, the histogram of masses, the histogram of sub-pixel phases."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(12, 8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplot_mosaic([["image", "mass"], ["image", "phase"]], width_ratios=[2, 1])
    frame: Axes = axes["image"]
    frame.imshow(image, cmap="gray")
    for features, colour, name in (
        (inspection.rejected[0], "#d95f02", "rejected"),
        (inspection.kept[0], "#1b9e77", "kept"),
    ):
        x, y = features.position_px.T
        frame.plot(x, y, "o", mfc="none", mec=colour, ms=6, label=f"{len(features)} {name}")
    title = f"first frame: diameter {s.diameter_px} px, minmass {s.minmass:.4g}, separation {s.least_distance_px:g} px"
    frame.set_title("\n".join(filter(None, [wrapped(title, WIDE_TITLE), wrapped(doubt, WIDE_TITLE)])), fontsize=10)
    frame.legend(loc="upper right")
    kept, rejected = inspection.mass
    all_masses = np.concatenate([kept, rejected])
    mass: Axes = axes["mass"]
    if len(all_masses):
        bins = np.geomspace(max(all_masses.min(), 1e-3), all_masses.max() * 1.001, 50)
        mass.hist([rejected, kept], bins, stacked=True, color=["#d95f02", "#1b9e77"], label=["rejected", "kept"])
        mass.axvline(max(s.minmass, bins[0]), color="k", lw=1)
        mass.set_xscale("log")
        mass.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        mass.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        mass.xaxis.set_minor_formatter(NullFormatter())
    mass.set_xlabel("mass / grey levels")
    phase: Axes = axes["phase"]
    tenths = (np.arange(PHASES) + 0.5) / PHASES
    for share, shift, name in ((inspection.phase[0], -0.02, "x"), (inspection.phase[1], 0.02, "y")):
        phase.bar(tenths + shift, share, 0.04, label=name)
    phase.axhline(1, color="k", lw=1)
    phase.set_xlabel("sub-pixel phase / px")
    phase.set_title(wrapped(inspection.verdict, NARROW_TITLE), fontsize=9)
    phase.legend()
    extension = picture.suffix[1:].lower()
    metadata = {"Software": SOFTWARE} if extension == "png" else None
    with fresh_file(picture, kind=kind) as temporary_path:
        figure.savefig(temporary_path, dpi=100, format=extension, metadata=metadata)
