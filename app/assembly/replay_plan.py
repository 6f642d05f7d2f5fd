"""Recorded frames through tracking, policy, limits, interlock and a simulated deflector, exactly as live ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.assembly.given_keys import GONE, decides, given_by, inside
from app.assembly.plan import Check, first_word, flyable, names_calibration, pair, planned, with_calibration
from app.assembly.recording import OpenRecording, is_run, open_recording
from app.assembly.rig import EXPERIMENTS, RIGS, Plan
from app.assembly.stated_by_recording import KEYS, SCALE, value_at, with_stated
from config.files import kind_of
from config.reader import Document, build, mapping_at, override, parse, put, read
from config.refused import Refused
from config.words import quoted
from drivers.video import VideoCamera

OF_THE_RIG = ("sample", "camera")  # what an experiment sets of these is of its own rig, not of a recording

TRAPPED = "tracking.trapped"
OWN = (TRAPPED, SCALE)  # that a recording has of its own
CAMERA = ("camera.kind", "camera.path", "camera.width_px", "camera.height_px")  # that the recording is


def plan_replay(
    recording: Path, rig: Path | None, experiment: Path | None, sets: Sequence[str], check: Check = flyable
) -> Plan:
    """The plan of a replay: a run brings its own rig and experiment, a video takes the video rig. Raises Refused."""
    if not kind_of(recording):
        raise Refused(f"{recording}: there is no such file or folder")
    bench = read(rig or RIGS / "video.yaml")
    opened = _opened(bench, recording, sets)
    if opened.header is not None and rig is None:
        bench = parse(opened.header.rig, f"{recording}: the run's rig")
    wanted, folder = _experiment(experiment, opened, recording, sets)
    wanted, dropped = _for_a_recording(wanted)
    of_rig = [item for item in sets if first_word(item) != "set"]
    _require_felt(recording, opened, of_rig)
    bench, measured = _measured(bench, of_rig)
    bench = put(_camera(bench, recording, opened), TRAPPED, _felt(opened), str(recording))
    bench, taken, unknown = with_stated(bench, recording, opened.stated, of_rig, rig, measured)
    taken += _said_of(dropped, experiment, sets)
    rest = [item for item in of_rig if not names_calibration(item)]
    last = _kept(bench, wanted, rest, recording)
    corrections = opened.header.corrections if opened.header is not None else None
    return replace(planned(wanted, bench, rest, folder, check, corrections, last), taken=taken, unknown=unknown)


def _said_of(dropped: Sequence[str], experiment: Path | None, sets: Sequence[str]) -> tuple[str, ...]:
    """One sentence about what of the experiment that a person gave is not taken; none for a run's own."""
    typed = next((item for item in sets if first_word(item) == "set"), None)
    if not dropped or (experiment is None and typed is None):
        return ()
    by = quoted(experiment.name if experiment is not None else f"--set {typed}", 60)
    which = f"what {by} sets of {quoted(', '.join(dropped), 200)}"
    return (f"note: {which} is of a rig of its own, and not taken for a recording; --set KEY=VALUE gives it",)


def _opened(bench: Document, recording: Path, sets: Sequence[str]) -> OpenRecording:
    """What is known of the recording, which is closed again. Raises Refused."""
    camera = put(bench, "camera.path", str(recording), str(recording))
    for item in sets:
        if first_word(item) == "camera":
            camera = override(camera, *pair(item))
    other = given_by(sets, "camera.path")
    if other is not None and other.value not in (GONE, str(recording)):
        raise Refused(f"--set {other.by}: the recording of a replay is the one that it is called with, {recording}")
    camera = put(camera, "camera.path", str(recording), str(recording))
    opened = open_recording(build(camera, VideoCamera, ("camera",)))
    opened.camera.close()
    return opened


def _measured(bench: Document, sets: Sequence[str]) -> tuple[Document, dict[str, str]]:
    """The rig with its calibration file in it, and what of frame rate and scale is from there. Raises Refused."""
    made = with_calibration(bench, sets)
    file = value_at(made, "calibration.file")
    places = {key: (key.partition(".")[0], key.partition(".")[2]) for key in KEYS}
    new = [key for key, place in places.items() if made.where.get(place) != bench.where.get(place)]
    return made, {key: f"the calibration file {quoted(Path(str(file)).name, 60)}" for key in new}


def _kept(bench: Document, wanted: Document, sets: Sequence[str], recording: Path) -> list[tuple[str, Any, str]]:
    """What mappings in place of a whole part of the rig would leave out: values of the recording."""
    values = wanted.data.get("set")
    by_set = (
        [f"{name}" for name, value in values.items() if isinstance(value, dict)] if isinstance(values, dict) else []
    )
    found = []
    for key in (*CAMERA, *KEYS, TRAPPED):
        given = given_by(sets, key)
        gone = any(decides(name, key) for name in by_set) if given is None else given.value is GONE
        value = value_at(bench, key)
        if gone and value is not None:
            found.append((key, value, str(recording)))
    return found


def _felt(opened: OpenRecording) -> str:
    """Which commands have moved the recorded particles: `tracking.trapped`."""
    return "recorded" if opened.lit else "last"


def _require_felt(recording: Path, opened: OpenRecording, sets: Sequence[str]) -> None:
    """Raises Refused where `sets` say that particles felt what they did not feel."""
    allowed = ("last", _felt(opened))
    given = given_by(sets, TRAPPED)
    if given is not None and given.value in ("commanded", "recorded") and given.value not in allowed:
        raise Refused(f"--set {given.by}: {recording} felt no such light (allowed for {TRAPPED} here: "
                      f"{', '.join(sorted(set(allowed)))})")  # fmt: skip


def _camera(bench: Document, recording: Path, opened: OpenRecording) -> Document:
    """The rig with the recording in the place of its camera. Raises Refused."""
    was = mapping_at(bench, "camera")
    camera = {"kind": "video", "path": str(recording)} | {
        key: was[key] for key in ("fps", "exposure_s", "readout_s", "channel", "channel_number") if key in was
    }
    bench = put(bench, "camera", camera, bench.place(("camera",)))
    bench = put(bench, "rate", "lockstep", str(recording))
    for key, size_px in (("width_px", opened.width_px), ("height_px", opened.height_px)):
        bench = put(bench, f"camera.{key}", size_px, str(recording))
    return bench


def _as_flown(wanted: Document) -> Document:
    """The experiment of a run: one from before they were refused may have settings that its law did not obey."""
    policy = wanted.data.get("policy")
    if not isinstance(policy, dict) or policy.get("kind", "programmed") == "programmed":
        return wanted
    for key, obeyed in (("mode", "steered"), ("trap.predict", False), ("trap.compensate_latency", False)):
        wanted = put(wanted, key, obeyed, wanted.place((key.partition(".")[0],)))
    return wanted


def _experiment(
    path: Path | None, opened: OpenRecording, recording: Path, sets: Sequence[str]
) -> tuple[Document, Path]:
    """The experiment that was asked for, or the run's own, or the annular one; and its folder. Raises Refused."""
    if path is None and opened.header is not None and is_run(recording):
        wanted = _as_flown(parse(opened.header.experiment, f"{recording}: the run's experiment"))
        folder = Path(str(opened.header.extra.get("folder", ".")))
    else:
        path = path or EXPERIMENTS / "annular_activity.yaml"
        wanted, folder = read(path), path.parent
    for item in sets:
        if first_word(item) == "set":
            wanted = override(wanted, *pair(item))
    return wanted, folder


def _for_a_recording(wanted: Document) -> tuple[Document, list[str]]:
    """The experiment without what its `set` says of a sample, a camera and what a recording has of its own.

    And those keys, but for the sample's: a recording has none.
    """
    values = wanted.data.get("set") or {}
    if not isinstance(values, dict):
        return wanted, []  # the strict reader refuses it
    kept: dict[Any, Any] = {}
    dropped = []
    for name, value in values.items():
        part = f"{name}".split(".")[0]
        if part in OF_THE_RIG or name in OWN:
            dropped += [f"{name}"] * (part != "sample")
            continue
        kept[name] = value
        for key in OWN:
            if decides(f"{name}", key) and inside(value, f"{name}", key) is not GONE and isinstance(value, dict):
                dropped.append(key)
                kept[name] = {inner: one for inner, one in kept[name].items() if inner != key.partition(".")[2]}
    return put(wanted, "set", kept, wanted.place(("set",))), dropped
