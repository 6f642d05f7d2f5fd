"""Frame rate and scale of a replay: the value set by a person, else by the recording, else by the rig."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.assembly.given_keys import GONE, given_by
from app.assembly.recording import FPS as FPS
from app.assembly.recording import KEYS as KEYS
from app.assembly.recording import SCALE as SCALE
from app.assembly.recording import open_recording
from app.assembly.rig import RIGS, Plan
from config.reader import Document, put
from config.refused import Refused
from config.words import quoted
from drivers.device_settings import of_class
from drivers.stated import RecordingMetadata, Value
from drivers.video import VideoCamera

CHOOSE = re.compile(r"choose one with camera\.channel_number \(1 to (\d+)\)")  # in error messages of drivers.stated
SAME = 1e-6  # relative difference up to which two numbers are equal


def with_stated(
    bench: Document,
    recording: Path,
    stated: RecordingMetadata,
    sets: Sequence[str],
    rig: Path | None,
    measured: Mapping[str, str],
) -> tuple[Document, tuple[str, ...], tuple[str, ...]]:
    """(the rig with frame rate and scale as stated by the recording, sentences that name the sources, unknown keys).

    An unknown key is stated neither by a person nor by the recording. A number that a person gave, with `sets` or in
    their own rig file, is kept; a sentence reports it if the recording states another number.

    Args:
        rig: the requested rig file; None: the rig of the recorded run, or that for videos.
        measured: those of KEYS that a calibration file has set in the rig, with the name of the file in words.

    Raises Refused for pixels that are not square, if no scale was given.
    """
    own_rig = rig is not None and rig.resolve() != (RIGS / "video.yaml").resolve()
    name = quoted(recording.name, 60)
    statements: list[str] = []
    conflicts: list[str] = []
    unknown: list[str] = []
    for key, value in zip(KEYS, (stated.fps, stated.um_per_px), strict=True):
        given_value, source = _given_value(bench, key, sets, own_rig, measured)
        if given_value is not None:
            statements.append(f"{key} {given_value} ({source})")
            conflicts += _conflict(key, given_value, source, value, name)
            conflicts += _as_square(key, given_value, source, stated.oblong, name)
            continue
        if key == SCALE and stated.oblong:
            raise Refused(f"{recording}: its pixels are {stated.oblong}, and square ones are needed; set "
                          f"{SCALE} to take them as square")  # fmt: skip
        if value is None:
            unknown.append(key)
            statements.append(f"{key} {value_at(bench, key) or 'as by default'} (a guess: {name} does not say)")
        else:
            statements.append(f"{key} {value.value:.6g} ({value.where})")
            if value.value != value_at(bench, key):
                bench = put(bench, key, value.value, f"{recording}: {value.where}")
    notes = (f"{name}: {note}" for note in stated.notes)
    sentences = (f"{name}: {'; '.join(statements)}", *(f"note: {sentence}" for sentence in (*conflicts, *notes)))
    return bench, sentences, tuple(unknown)


def contradictions(plan: Plan) -> tuple[str, ...]:
    """Differences between the values stated by a video and its rig, if not yet reported in the plan. Raises Refused."""
    camera = plan.rig.camera
    if plan.taken or camera.images != "recorded" or not camera.address:
        return ()
    opened = open_recording(of_class(camera, VideoCamera))
    opened.camera.close()
    values = zip(
        KEYS, (camera.fps, plan.rig.optics.um_per_px), (opened.stated.fps, opened.stated.um_per_px), strict=True
    )
    name = quoted(Path(camera.address).name, 60)
    sentences = [
        sentence
        for key, given_value, value in values
        for sentence in _conflict(key, given_value, "the rig", value, name)
    ]
    return (*sentences, *_as_square(SCALE, plan.rig.optics.um_per_px, "the rig", opened.stated.oblong, name))


def channels_to_choose(refused: Refused) -> int:
    """Number of channels of a recording that was refused since no channel was chosen; 0: another reason."""
    match = CHOOSE.search(str(refused))
    return int(match[1]) if match else 0


def with_user_values(plan: Plan, values: Mapping[str, float]) -> Plan:
    """The plan of a recording with values that a person gave for some of KEYS, also in the `set` of its experiment."""
    camera, optics = of_class(plan.rig.camera, VideoCamera), plan.rig.optics
    camera = replace(camera, fps=values.get(FPS, camera.fps))
    optics = replace(optics, um_per_px=values.get(SCALE, optics.um_per_px))
    statement = "; ".join(f"{key} {value:g} (given in the window)" for key, value in values.items())
    notes = (*plan.taken, f"{quoted(Path(camera.path).name, 60)}: {statement}")
    unknown = tuple(key for key in plan.unknown if key not in values)
    experiment = replace(plan.experiment, set={**plan.experiment.set, **values})
    rig = replace(plan.rig, camera=camera, optics=optics)
    return replace(plan, rig=rig, experiment=experiment, taken=notes, unknown=unknown)


def stated(plan: Plan) -> str:
    """Frame rate and scale in the plan of a recording, each with its source."""
    values = zip(KEYS, (plan.rig.camera.fps, plan.rig.optics.um_per_px), strict=True)
    return "; ".join(f"{key} {value:.6g} ({_source(plan, key, value)})" for key, value in values)


def _source(plan: Plan, key: str, value: float) -> str:
    if key in plan.unknown:
        return "a guess: the file does not say"
    matches = (re.search(rf"{re.escape(key)} ([^;( ]+) \((.*?)\)(?=;|$)", note) for note in reversed(plan.taken))
    last = next((match for match in matches if match), None)
    if key in plan.experiment.set and not (last and _is_number(last[1], value)):
        return "as set"  # after the recording was opened
    return last[2] if last else "as in the rig"


def _is_number(text: str, value: float) -> bool:
    """Whether a number written with six digits equals this value."""
    try:
        return abs(float(text) - value) <= 1e-5 * abs(value)
    except ValueError:
        return False


def _given_value(
    bench: Document, key: str, sets: Sequence[str], own_rig: bool, measured: Mapping[str, str]
) -> tuple[object, str]:
    """(the value that a person gave for a key, or None; its source)."""
    setting = given_by(sets, key)
    if setting is not None and setting.value is not GONE:
        return setting.value, f"--set {quoted(setting.by, 60)}"
    if key in measured:
        return value_at(bench, key), measured[key]
    return value_at(bench, key) if own_rig else None, f"the rig file {quoted(Path(bench.source).name, 60)}"


def value_at(bench: Document, key: str) -> Any:
    """The value of a rig at a key such as camera.fps; None if there is none."""
    part, _, inner = key.partition(".")
    section = bench.data.get(part)
    return section.get(inner) if isinstance(section, dict) else None


def _conflict(key: str, number: object, source: str, value: Value | None, name: str) -> list[str]:
    """One sentence if the given value differs from that of the recording; else empty."""
    if value is None or isinstance(number, bool) or not isinstance(number, int | float):
        return []
    if abs(number - value.value) <= SAME * abs(value.value):
        return []
    return [f"{key} is {number:g} ({source}), and {name} says {value.value:.6g} ({value.where}); {number:g} is taken"]


def _as_square(key: str, given_value: object, source: str, oblong: str, name: str) -> list[str]:
    """One sentence where a scale was given for pixels that are not square."""
    if key != SCALE or not oblong:
        return []
    return [f"{key} is {given_value} ({source}), and the pixels of {name} are {oblong}; they are taken as square"]
