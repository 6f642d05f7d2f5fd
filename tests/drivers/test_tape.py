"""A run as a bench: the same frames, the same time, the same orders, so the same turns."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from control.contract import Ended, Fault, Frame, Order, OrderKind
from drivers.journal import Journal, compare, read_run
from drivers.tape import Tape, TapeCamera, TapeClock, TapeTracker
from tests.drivers.turns import header, plausible

MARK = Order(OrderKind.MARK, "here")


def record(path: Path, frames: bool = True) -> Path:
    journal = Journal(path, header(), frames, wait_s=30.0)
    for number in range(12):
        turn = plausible(number)
        turn = dataclasses.replace(turn, frame=None) if number == 4 else turn
        journal.write(dataclasses.replace(turn, orders=(MARK,)) if number == 7 else turn)
    journal.close()
    return path


def test_the_tape_plays_frames_times_and_orders(tmp_path: Path) -> None:
    tape = Tape(read_run(record(tmp_path / "run.h5")))
    camera, clock = TapeCamera(tape), TapeClock(tape)
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
        assert tape.told() == ((MARK,) if number == 7 else ())
        assert (clock.now_s(), clock.now_s()) == (given.now_s, given.sent_s)
    with pytest.raises(Ended):
        camera.read()
    camera.close()
    with pytest.raises(Ended):
        camera.read()


def test_without_frames_the_tape_gives_tracks(tmp_path: Path) -> None:
    tape = Tape(read_run(record(tmp_path / "run.h5", frames=False)))
    camera, tracker = TapeCamera(tape), TapeTracker(tape)
    memory = tracker.start()
    for number in range(4):
        frame = camera.read()
        assert frame is not None
        assert frame.image.size == 0
        memory, tracks = tracker.step(memory, frame)
        given = plausible(number)
        assert compare(given, dataclasses.replace(given, tracks=tracks)) is None
    with pytest.raises(Fault, match="no tracks of frame 99"):
        tracker.step(memory, Frame(99, 0.0, np.empty((0, 0), np.uint8)))
    camera.close()
