"""A run as a camera: the same frames in the same order, or the recorded tracks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from control.contract import Ended, Fault, Frame
from drivers.journal import Journal, compare, read_run
from drivers.tape import Tape, TapeCamera
from tests.drivers.turns import header, plausible


def record(path: Path, frames: bool = True) -> Path:
    journal = Journal(path, header(), frames, wait_s=30.0)
    for number in range(12):
        turn = plausible(number)
        turn = dataclasses.replace(turn, frame=None) if number == 4 else turn
        journal.write(turn)
    journal.close()
    return path


def test_the_tape_plays_each_turn_once(tmp_path: Path) -> None:
    tape = Tape(read_run(record(tmp_path / "run.h5")))
    camera = TapeCamera(tape)
    for number in range(12):
        given = plausible(number)
        frame = camera.read()
        if number == 4:
            assert frame is None
        else:
            assert frame is not None
            assert given.frame is not None
            assert (frame.number, frame.time_s) == (given.frame.number, given.frame.time_s)
            np.testing.assert_array_equal(frame.image, given.frame.image)
        assert tape.turn is not None
        assert (tape.turn.number, tape.turn.now_s) == (number, given.now_s)
    with pytest.raises(Ended):
        camera.read()
    camera.close()
    with pytest.raises(Ended):
        camera.read()


def test_without_frames_the_tape_gives_tracks(tmp_path: Path) -> None:
    tape = Tape(read_run(record(tmp_path / "run.h5", frames=False)))
    camera, tracker = TapeCamera(tape), tape.tracker
    for number in range(4):
        frame = camera.read()
        assert frame is not None
        assert frame.image.size == 0
        _, tracks = tracker.step(None, frame)
        given = plausible(number)
        assert compare(given, dataclasses.replace(given, tracks=tracks)) is None
    with pytest.raises(Fault, match="no recorded tracks of frame 99"):
        tracker.step(None, Frame(99, 0.0, np.empty((0, 0), np.uint8)))
    camera.close()
