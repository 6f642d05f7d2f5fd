"""The verb `correct`: correction images, and excluded regions (dirt), from a recording or from the camera."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from numpy.typing import NDArray

from app.assembly.correction_images import correction_of, images_of
from app.assembly.darken import put_out
from app.assembly.instrument import Instrument
from app.assembly.open import open_instrument
from app.assembly.plan import planned
from app.commands.tune import given_settings, spread_frames
from app.console.json_file import write_json
from app.console.output_files import require_files
from app.console.progress import progress
from app.console.terminal import say
from app.running import stop_signals as signals
from app.running.headless import close_instrument, light_after
from app.running.stop_signals import Stopped
from app.tuning.images_to_corrections import EXCLUDED, IMAGES, TAKEN, made, resting
from config.output_kinds import NOTHING
from config.reader import Document, plain, read
from config.refused import Refused
from control.contract import Ended, Fault
from control.policies.calibrating import Calibrating, Carry
from drivers.closing import closed_after
from drivers.still_image import require_ending, write_still_image
from tracking.settings import Tracking

Image = NDArray[Any]

RIGS = (".yaml", ".yml")
MOVING_S = 20.0  # time over which a live camera is observed for particles that do not move


@dataclass(frozen=True)
class Looked:
    """Uncorrected images of a camera, and their tracking settings."""

    images: Sequence[Image]
    settings: Tracking


def correct(
    what: str, source: Path, sets: Sequence[str], *, out: Path | None, seconds: float | None, json: Path | None
) -> int:
    """Make one image, or find regions, and print the setting that uses it. Raises Refused, Fault."""
    if what not in (*TAKEN, EXCLUDED):
        raise Refused(f"correct {what}: there is no such correction (allowed: {', '.join((*TAKEN, EXCLUDED))})")
    live = source.suffix.lower() in RIGS
    if seconds is not None and not live:
        raise Refused("correct: --seconds is for a rig's camera; a recording is looked at from beginning to end")
    if what == EXCLUDED:
        if out is not None:
            raise Refused("correct excluded: regions are settings, and no image is written; leave --out away")
        require_files({"the input 'source'": source}, {}, json)
        camera_images = _look(source, sets, live, MOVING_S if seconds is None else seconds)
        return _exclude(source, camera_images, json)
    file = out or Path("runs") / f"{source.stem}.{what}.tif"
    kind = "" if out is not None else NOTHING  # settings of another recording may use a file with this name
    require_ending(file)
    require_files({"the input 'source'": source}, {"the image": (file, kind)}, json)
    camera_images = _look(source, sets, live, TAKEN[what].over_s if seconds is None else seconds)
    return _write(what, source, camera_images, (file, kind), json)


def _look(source: Path, sets: Sequence[str], live: bool, seconds: float) -> Looked:
    if live:
        return from_rig(source, sets, seconds)
    settings, _ = given_settings(sets, "correct")
    return Looked(spread_frames(source, sets, IMAGES), settings)


def _write(what: str, source: Path, camera_images: Looked, target: tuple[Path, str], json: Path | None) -> int:
    file, kind = target
    try:
        image, message = made(what, camera_images.images)
    except ValueError as error:
        raise Refused(f"{source}: {error}") from None
    write_still_image(file, image, kind)
    setting = f"{TAKEN[what].key}={os.path.abspath(file)}"
    say(message)
    say(file)
    say(f"--set {shlex.quote(setting)}")
    if json is not None:
        write_json(json, {"source": str(source), "what": what, "image": str(file), "images": len(camera_images.images),
                          "set": {TAKEN[what].key: os.path.abspath(file)}})  # fmt: skip
    return 0


def _exclude(source: Path, camera_images: Looked, json: Path | None) -> int:
    s, (height_px, width_px) = camera_images.settings, camera_images.images[0].shape
    clean = correction_of(s, images_of(s, {}, (width_px, height_px)))
    try:
        regions = resting([clean(image) for image in camera_images.images], s)
    except ValueError as error:
        raise Refused(f"{source}: {error}") from None
    values = [plain(region) for region in (*s.excluded_regions, *regions)]
    say(f"{len(regions)} regions of what rests in {len(camera_images.images)} images: dirt, and particles that stick")
    flow = yaml.safe_dump(values, default_flow_style=True, width=10**9, sort_keys=False).strip()
    say(f"--set {shlex.quote(f'tracking.excluded_regions={flow}')}")
    if json is not None:
        write_json(json, {"source": str(source), "what": EXCLUDED, "images": len(camera_images.images),
                          "found": len(regions), "set": {"tracking.excluded_regions": values}})  # fmt: skip
    return 0


def from_rig(rig: Path, sets: Sequence[str], seconds: float) -> Looked:
    """IMAGES images of a rig's camera, evenly spread over `seconds`. The laser stays dark. Raises Refused, Fault."""
    experiment = {"title": "Images for a correction", "rig": str(rig), "policy": plain(Calibrating(motion=Carry()))}
    plan = planned(Document("correct", experiment, {}), read(rig), sets, rig.parent)
    instruments: list[Instrument] = []
    try:
        instrument = open_instrument(plan)
        instruments.append(instrument)
        with closed_after(partial(close_instrument, instrument), "the rig"):
            images = _images(instrument, seconds)
    except Stopped as stopped:
        with signals.held():
            light = "the laser is dark" if instruments else put_out(plan) or "the laser is dark"
        stopped.outcome = "; ".join((light, *getattr(stopped, "__notes__", ())))
        raise
    except Fault as fault:
        if not signals.came():
            raise
        raise signals.stopped(f"{fault}; {light_after(str(fault))}") from fault
    if not images:
        raise Refused(f"{rig}: its camera gave no image")
    return Looked(images, plan.rig.tracking)


def _images(instrument: Instrument, seconds: float) -> list[Image]:
    images: list[Image] = []
    interval_s, due_s = seconds / IMAGES, -1.0
    with progress("look", IMAGES) as step:
        while len(images) < IMAGES:
            try:
                frame = instrument.camera.read()
            except Ended:
                break
            if frame is None:
                raise Fault("the camera is silent")
            if frame.time_s >= due_s:
                images.append(frame.image)
                due_s = frame.time_s + interval_s * (1.0 - 1e-9)
                step(len(images))
    return images
