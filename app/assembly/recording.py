"""A recording: a video in a file or folder, or a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.refused import Refused
from control.contract import Camera, Frame, Tracker
from drivers.journal import Header, Run, read_run
from drivers.stated import RecordingMetadata, Value
from drivers.tape import Tape, TapeCamera
from drivers.video import VideoCamera, open_video

FPS, SCALE = "camera.fps", "optics.um_per_px"
KEYS = (FPS, SCALE)
GUESSED = "guessed"  # in the header of a run: those of KEYS that neither a person nor the recording stated


@dataclass(frozen=True)
class OpenRecording:
    """An open recording and its properties."""

    camera: Camera
    arrived_s: Callable[[Frame], float]  # arrival time of a frame at the computer, on the recording's clock
    frames: int
    height_px: int
    width_px: int
    pixel_type: str
    tracker: Tracker | None = None  # for a run without frames: it returns the recorded tracks
    header: Header | None = None  # of a run
    lit: bool = False  # whether the recorded commands acted on the particles
    stated: RecordingMetadata = RecordingMetadata()  # frame rate and scale stated by the recording


def is_run(path: Path | str) -> bool:
    """Whether the name of a file is that of a recorded run."""
    return Path(path).suffix.lower() in (".h5", ".hdf5")


def open_recording(camera_settings: VideoCamera, um_per_px: float = 0.0) -> OpenRecording:
    """Open the recording at `camera_settings.path`. Raises Refused.

    Args:
        um_per_px: scale of the replay, if the frames of a run should carry the recorded light; 0: they should not.
    """
    if is_run(camera_settings.path):
        return _open_run(Path(camera_settings.path), um_per_px)
    video = open_video(camera_settings)
    image_age_s = camera_settings.image_age_s
    return OpenRecording(
        video,
        lambda frame: frame.time_s + image_age_s,
        len(video),
        video.height_px,
        video.width_px,
        video.pixel_type,
        stated=video.stated,
    )


def was_lit(run: Run) -> bool:
    """Whether the commands of a run acted on its particles: false for a replay, a watch-only run, or a run without a
    spot."""
    ends = run.column("turns", "allowed_end")
    return run.header.kind.light_acts and run.header.um_per_px > 0 and len(ends) > 0 and bool(ends[-1] > 0)


def of_run(header: Header) -> RecordingMetadata:
    """Frame rate and scale in the header of a run, without guesses."""
    guessed = guessed_in(header)
    fps, scale = (
        Value(value, "the run's header") if value > 0 and key not in guessed else None
        for key, value in ((FPS, header.fps), (SCALE, header.um_per_px))
    )
    return RecordingMetadata(fps, scale)


def guessed_in(header: Header) -> tuple[str, ...]:
    """Those of KEYS that are guesses in a run; the file may have any source."""
    keys = header.extra.get(GUESSED)
    return tuple(key for key in KEYS if isinstance(keys, list) and key in keys)


def guess_words(guessed: Sequence[str], fps: float, um_per_px: float) -> str:
    """A sentence about those of KEYS that are guesses; empty if none is."""
    values = {FPS: fps, SCALE: um_per_px}
    words = " and ".join(f"{key} {values[key]:g}" for key in guessed)
    return f"{words}: a guess, since neither a person nor the recording stated it" if words else ""


def _open_run(path: Path, um_per_px: float) -> OpenRecording:
    run = read_run(path)
    try:
        run.require_turns()
    except Refused:
        run.close()
        raise
    tape = Tape(run)
    header = run.header
    tracker = tape.tracker if run.image_count == 0 else None

    def arrived_s(frame: Frame) -> float:
        return tape.turn.now_s if tape.turn is not None else frame.time_s

    return OpenRecording(
        TapeCamera(tape, um_per_px),
        arrived_s,
        len(run),
        header.height_px,
        header.width_px,
        header.pixel_type,
        tracker,
        header,
        was_lit(run),
        of_run(header),
    )
