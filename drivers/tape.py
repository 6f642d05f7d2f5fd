"""A recorded run as a camera: its frames, turn by turn.

For a run without images, `RecordedTracker` replaces the tracker and returns the recorded tracks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from config.refused import Refused
from control.contract import NOTHING_EXPECTED, Ended, Expected, Fault, Frame, RecordedLight, Tracks, Turn
from drivers.journal import Run


class Tape:
    """A run that is played once, from its first turn to its last.

    Attributes:
        turn: the turn that is being played; None before the first.
        tracker: gives the recorded tracks of that turn.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.turn: Turn | None = None
        self.tracker = RecordedTracker(str(run.path))
        self._turns: Iterator[Turn] = run.turns()

    def advance(self) -> Turn:
        """The next turn. Raises Ended after the last, Fault where the run is damaged."""
        try:
            turn = next(self._turns, None)
        except Refused as refused:
            raise Fault(str(refused)) from None
        if turn is None:
            raise Ended(f"{self.run.path}: the run is over")
        self.turn = self.tracker.turn = turn
        return turn


class TapeCamera:
    """The Camera plug: the frames of a run; None where the camera gave none. Without images they are [0, 0].

    Args:
        um_per_px: scale of the replay, if the frames shall contain the recorded light (Frame.felt); 0: without it.
    """

    def __init__(self, tape: Tape, um_per_px: float = 0.0) -> None:
        self._tape = tape
        self._um_per_px = um_per_px
        self._open = True

    def read(self) -> Frame | None:
        if not self._open:
            raise Ended(f"{self._tape.run.path}: the tape is closed")
        turn = self._tape.advance()
        if turn.frame is None or not self._um_per_px:
            return turn.frame
        return replace(turn.frame, felt=felt_in(turn, self._um_per_px / self._tape.run.header.um_per_px))

    def close(self) -> None:
        self._open = False
        self._tape.run.close()


def felt_in(turn: Turn, scale: float) -> RecordedLight:
    """The light of a recorded turn, with all positions multiplied by `scale`."""
    spots, tracks = turn.allowed, turn.tracks
    command = replace(spots, position_um=spots.position_um * scale, effect_s=turn.effect_s)
    return RecordedLight(command, tracks.particle, tracks.position_um * scale)


@dataclass
class RecordedTracker:
    """The Tracker plug that returns the tracks of a recorded turn, without use of the image. It has no memory.

    Attributes:
        source: path of the run.
        turn: the recorded turn; it is set before each step.
    """

    source: str
    turn: Turn | None = None

    def start(self) -> None:
        return None

    def step(self, memory: None, frame: Frame, expected: Expected = NOTHING_EXPECTED) -> tuple[None, Tracks]:
        """The recorded tracks. Raises Fault if `frame` is not the frame of the recorded turn."""
        if self.turn is None or self.turn.frame is None or self.turn.frame.number != frame.number:
            raise Fault(f"{self.source}: there are no recorded tracks of frame {frame.number} in this turn")
        return memory, self.turn.tracks
