"""A recording, whatever it is: a video in a file or folder, or one of our own runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.refused import Refused
from control.contract import Camera, Frame, Tracker
from drivers.journal import Header, Run, read_run
from drivers.stated import Stated, Value
from drivers.tape import Tape, TapeCamera
from drivers.video import VideoCamera, open_video


@dataclass(frozen=True)
class OpenRecording:
    """A recording that is open, and what is known of it."""

    camera: Camera
    arrived_s: Callable[[Frame], float]  # when the computer had a frame, on the recording's clock
    frames: int
    height_px: int
    width_px: int
    pixel_type: str
    tracker: Tracker | None = None  # of a run that kept no frames: its tracks
    header: Header | None = None  # of a run
    lit: bool = False  # a run whose particles felt the commands that it has recorded
    stated: Stated = Stated()  # what it says of its frame rate and scale


def is_run(path: Path | str) -> bool:
    """Whether a file is one of our own runs, by its name."""
    return Path(path).suffix.lower() in (".h5", ".hdf5")


def open_recording(made: VideoCamera, um_per_px: float = 0.0) -> OpenRecording:
    """The recording at `made.path`. Raises Refused.

    Args:
        um_per_px: scale of the replay, for a run whose frames are to say which light they felt; 0: they are not.
    """
    if is_run(made.path):
        return _run(Path(made.path), um_per_px)
    video = open_video(made)
    late_s = made.exposure_s / 2.0 + made.readout_s
    return OpenRecording(
        video,
        lambda frame: frame.time_s + late_s,
        len(video),
        video.height_px,
        video.width_px,
        video.pixel_type,
        stated=video.stated,
    )


def was_lit(run: Run) -> bool:
    """Whether the particles of a run felt its commands: not those of a replay or of a run in which one only watched,
    and not without a spot."""
    ends = run.column("turns", "allowed_end")
    return run.header.kind.light_acts and run.header.um_per_px > 0 and len(ends) > 0 and bool(ends[-1] > 0)


def of_run(header: Header) -> Stated:
    """What the header of a run says."""
    scale = Value(header.um_per_px, "the run's header") if header.um_per_px > 0 else None
    return Stated(Value(header.fps, "the run's header"), scale)


def _run(path: Path, um_per_px: float) -> OpenRecording:
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
