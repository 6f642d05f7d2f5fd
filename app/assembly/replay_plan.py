"""The plan of a replay: tracking, policy, limits, interlock and a simulated deflector, with recorded frames."""

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

OF_THE_RIG = ("sample", "camera")  # an experiment sets these for its own rig, not for a recording

TRAPPED = "tracking.trapped"
OWN = (TRAPPED, SCALE)  # determined by the recording
CAMERA = ("camera.kind", "camera.path", "camera.width_px", "camera.height_px")  # the recording replaces the camera


def plan_replay(
    recording: Path, rig: Path | None, experiment: Path | None, sets: Sequence[str], check: Check = flyable
) -> Plan:
    """The plan of a replay. A run contains its own rig and experiment; a video is played in the video rig.

    Raises Refused.
    """
    if not kind_of(recording):
        raise Refused(f"{recording}: there is no such file or folder")
    bench = read(rig or RIGS / "video.yaml")
    opened = _open_once(bench, recording, sets)
    if opened.header is not None and rig is None:
        bench = parse(opened.header.rig, f"{recording}: the run's rig")
    experiment_document, folder = _experiment(experiment, opened, recording, sets)
    experiment_document, dropped = _without_rig_keys(experiment_document)
    rig_sets = [item for item in sets if first_word(item) != "set"]
    _require_trapped_value(recording, opened, rig_sets)
    bench, measured = _with_measured(bench, rig_sets)
    bench = put(_with_video_camera(bench, recording, opened), TRAPPED, _felt(opened), str(recording))
    bench, notes, unknown = with_stated(bench, recording, opened.stated, rig_sets, rig, measured)
    notes += _note_of_dropped(dropped, experiment, sets)
    other_sets = [item for item in rig_sets if not names_calibration(item)]
    restored = _removed_values(bench, experiment_document, other_sets, recording)
    corrections = opened.header.corrections if opened.header is not None else None

    def build_plan(document: Document) -> Plan:
        return planned(document, bench, other_sets, folder, check, corrections, restored)

    try:
        plan = build_plan(experiment_document)
    except Refused as refused:
        by_default = experiment is None and opened.header is None and not any(map(names_policy, sets))
        without = _without_forces(experiment_document) if by_default else None
        if without is None:
            raise
        try:
            plan = build_plan(without)
        except Refused:
            raise refused from None  # its reason is not the law
        notes += (f"note: no law is replayed, since that of the first experiment does not go with it ({refused})",)
    return replace(plan, taken=notes, unknown=unknown)


def names_policy(item: str) -> bool:
    """Whether a `--set` changes the law."""
    return first_word(item) == "policy"


def _without_forces(document: Document) -> Document | None:
    """The experiment with a law without forces; None if it has none already."""
    policy = document.data.get("policy")
    if not isinstance(policy, dict) or not policy.get("forces"):
        return None
    return put(document, "policy.forces", [], document.place(("policy",)))


def _note_of_dropped(dropped: Sequence[str], experiment: Path | None, sets: Sequence[str]) -> tuple[str, ...]:
    """A sentence about ignored settings of an experiment that a person gave; empty for the experiment of the run."""
    set_item = next((item for item in sets if first_word(item) == "set"), None)
    if not dropped or (experiment is None and set_item is None):
        return ()
    source = quoted(experiment.name if experiment is not None else f"--set {set_item}", 60)
    ignored = f"what {source} sets of {quoted(', '.join(dropped), 200)}"
    return (f"note: {ignored} is of a rig of its own, and not taken for a recording; --set KEY=VALUE gives it",)


def _open_once(bench: Document, recording: Path, sets: Sequence[str]) -> OpenRecording:
    """The properties of the recording, which is closed again. Raises Refused."""
    camera = put(bench, "camera.path", str(recording), str(recording))
    for item in sets:
        if first_word(item) == "camera":
            camera = override(camera, *pair(item))
    stated_path = given_by(sets, "camera.path")
    if stated_path is not None and stated_path.value not in (GONE, str(recording)):
        raise Refused(
            f"--set {stated_path.by}: the recording of a replay is the one that it is called with, {recording}"
        )
    camera = put(camera, "camera.path", str(recording), str(recording))
    opened = open_recording(build(camera, VideoCamera, ("camera",)))
    opened.camera.close()
    return opened


def _with_measured(bench: Document, sets: Sequence[str]) -> tuple[Document, dict[str, str]]:
    """The rig with its calibration file, and those of frame rate and scale that the file sets. Raises Refused."""
    calibrated_rig = with_calibration(bench, sets)
    file = value_at(calibrated_rig, "calibration.file")
    places = {key: (key.partition(".")[0], key.partition(".")[2]) for key in KEYS}
    changed_keys = [key for key, place in places.items() if calibrated_rig.where.get(place) != bench.where.get(place)]
    return calibrated_rig, {key: f"the calibration file {quoted(Path(str(file)).name, 60)}" for key in changed_keys}


def _removed_values(
    bench: Document, document: Document, sets: Sequence[str], recording: Path
) -> list[tuple[str, Any, str]]:
    """Values of the recording that a given mapping for a whole part of the rig would remove."""
    values = document.data.get("set")
    set_names = (
        [f"{name}" for name, value in values.items() if isinstance(value, dict)] if isinstance(values, dict) else []
    )
    entries = []
    for key in (*CAMERA, *KEYS, TRAPPED):
        given = given_by(sets, key)
        removed = any(decides(name, key) for name in set_names) if given is None else given.value is GONE
        value = value_at(bench, key)
        if removed and value is not None:
            entries.append((key, value, str(recording)))
    return entries


def _felt(opened: OpenRecording) -> str:
    """The value of `tracking.trapped`: which commands moved the recorded particles."""
    return "recorded" if opened.lit else "last"


def _require_trapped_value(recording: Path, opened: OpenRecording, sets: Sequence[str]) -> None:
    """Raises Refused if `sets` state a light that did not act on the recorded particles."""
    allowed = ("last", _felt(opened))
    given = given_by(sets, TRAPPED)
    if given is not None and given.value in ("commanded", "recorded") and given.value not in allowed:
        raise Refused(f"--set {given.by}: {recording} felt no such light (allowed for {TRAPPED} here: "
                      f"{', '.join(sorted(set(allowed)))})")  # fmt: skip


def _with_video_camera(bench: Document, recording: Path, opened: OpenRecording) -> Document:
    """The rig with the recording in place of its camera. Raises Refused."""
    previous = mapping_at(bench, "camera")
    camera = {"kind": "video", "path": str(recording)} | {
        key: previous[key] for key in ("fps", "exposure_s", "readout_s", "channel", "channel_number") if key in previous
    }
    bench = put(bench, "camera", camera, bench.place(("camera",)))
    bench = put(bench, "rate", "lockstep", str(recording))
    for key, size_px in (("width_px", opened.width_px), ("height_px", opened.height_px)):
        bench = put(bench, f"camera.{key}", size_px, str(recording))
    return bench


def _as_obeyed(document: Document) -> Document:
    """The experiment of a run with the settings that its law obeyed.

    An older run may contain settings without effect, which are refused today.
    """
    policy = document.data.get("policy")
    if not isinstance(policy, dict) or policy.get("kind", "programmed") == "programmed":
        return document
    for key, obeyed in (("mode", "steered"), ("trap.predict", False), ("trap.compensate_latency", False)):
        document = put(document, key, obeyed, document.place((key.partition(".")[0],)))
    return document


def _experiment(
    path: Path | None, opened: OpenRecording, recording: Path, sets: Sequence[str]
) -> tuple[Document, Path]:
    """The requested experiment, or that of the run, or annular_activity.yaml; and its folder. Raises Refused."""
    if path is None and opened.header is not None and is_run(recording):
        document = _as_obeyed(parse(opened.header.experiment, f"{recording}: the run's experiment"))
        folder = Path(str(opened.header.extra.get("folder", ".")))
    else:
        path = path or EXPERIMENTS / "annular_activity.yaml"
        document, folder = read(path), path.parent
    for item in sets:
        if first_word(item) == "set":
            document = override(document, *pair(item))
    return document, folder


def _without_rig_keys(document: Document) -> tuple[Document, list[str]]:
    """The experiment without the keys of its `set` for sample and camera and those that the recording determines.

    Also returns the removed keys, except those of the sample: a recording has no simulated sample.
    """
    values = document.data.get("set") or {}
    if not isinstance(values, dict):
        return document, []  # the strict reader refuses it
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
                kept[name] = {
                    inner: inner_value for inner, inner_value in kept[name].items() if inner != key.partition(".")[2]
                }
    return put(document, "set", kept, document.place(("set",))), dropped
