"""Recorded frames through tracking, policy, limits, interlock and a simulated deflector, exactly as live ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.headless import flown, new_run
from app.plan import Check, flyable, planned
from app.recording import Recording, is_run, open_recording
from app.rig_file import EXPERIMENTS, RIGS, Plan
from app.say import say
from app.taken import SCALE, with_stated
from config.files import kind_of
from config.reader import Document, build, override, parse, put, read
from config.refused import Refused
from drivers.video import VideoCamera

OF_THE_SAMPLE = ("sample", "camera")  # what an experiment sets of these is of its own rig, not of a recording

TRAPPED = "tracking.trapped"
OWN = (TRAPPED, SCALE)  # that a recording has of its own


def replay_recording(
    recording: Path,
    rig: Path | None,
    experiment: Path | None,
    sets: Sequence[str],
    *,
    out: Path | None,
    frames: bool,
    json: Path | None,
) -> int:
    """The verb `replay`. 0, or 1 if the replay tripped or failed."""
    made = plan_replay(recording, rig, experiment, sets)
    for sentence in made.taken:
        say(sentence, error=sentence.startswith("note: "))
    say("A recorded particle can't react: what follows is what would have been sent.")
    return flown(made, None, out or new_run(recording.stem), frames, json, source=str(recording))


def plan_replay(
    recording: Path, rig: Path | None, experiment: Path | None, sets: Sequence[str], check: Check = flyable
) -> Plan:
    """The plan of a replay: a run brings its own rig and experiment, a video takes the video rig. Raises Refused."""
    if not kind_of(recording):
        raise Refused(f"{recording}: there is no such file or folder")
    bench = read(rig or RIGS / "video.yaml")
    camera = put(bench, "camera.path", str(recording), str(recording))
    for item in sets:
        if item.startswith("camera."):
            camera = override(camera, item.partition("=")[0], item.partition("=")[2], f"--set {item}")
    opened = open_recording(build(camera, VideoCamera, ("camera",)))
    opened.camera.close()
    if opened.header is not None and rig is None:
        bench = parse(opened.header.rig, f"{recording}: the run's rig")
    wanted, folder = _experiment(experiment, opened, recording)
    _require_felt(recording, opened, sets)
    bench = put(_camera(bench, recording, opened), "tracking.trapped", _felt(opened), str(recording))
    bench, taken, unknown = with_stated(bench, recording, opened.stated, sets, rig)
    corrections = opened.header.corrections if opened.header is not None else None
    return replace(planned(wanted, bench, sets, folder, check, corrections), taken=taken, unknown=unknown)


def _felt(opened: Recording) -> str:
    """Which commands have moved the recorded particles: `tracking.trapped`."""
    return "recorded" if opened.lit else "last"


def _require_felt(recording: Path, opened: Recording, sets: Sequence[str]) -> None:
    """Raises Refused where `sets` say that particles felt what they did not feel."""
    allowed = {"last", _felt(opened)}
    for item in sets:
        key, _, value = item.partition("=")
        if key.strip() == TRAPPED and value.strip() in {"commanded", "recorded"} - allowed:
            raise Refused(f"--set {item}: {recording} felt no such light (allowed for {TRAPPED} here: "
                          f"{', '.join(sorted(allowed))})")  # fmt: skip


def _camera(bench: Document, recording: Path, opened: Recording) -> Document:
    """The rig with the recording in the place of its camera."""
    was = bench.data.get("camera", {})
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


def _experiment(path: Path | None, opened: Recording, recording: Path) -> tuple[Document, Path]:
    """The experiment that was asked for, or the run's own, or the annular one; and its folder."""
    if path is None and opened.header is not None and is_run(recording):
        wanted = _as_flown(parse(opened.header.experiment, f"{recording}: the run's experiment"))
        folder = Path(str(opened.header.extra.get("folder", ".")))
    else:
        path = path or EXPERIMENTS / "annular_activity.yaml"
        wanted, folder = read(path), path.parent
    sets = wanted.data.get("set") or {}
    kept = {key: value for key, value in sets.items() if key.split(".")[0] not in OF_THE_SAMPLE and key not in OWN}
    return put(wanted, "set", kept, wanted.place(("set",))), folder
