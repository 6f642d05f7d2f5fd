"""A recorded run as a bench: its frames, its clock, its orders, turn by turn.

    tape = Tape(run)
    loop.run(machine, TapeCamera(tape), beam, TapeClock(tape), recorder, tape.told, watch)

A run that has no frames gives its recorded tracks instead: `TapeTracker` stands where the tracker does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from config.refused import Refused
from control.contract import NOBODY, Ended, Expected, Fault, Felt, Frame, Order, Tracks, Turn
from drivers.journal import Run


class Tape:
    """A run that is played once, from its first turn to its last. The turn that is being played is `turn`."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.turn: Turn | None = None
        self.clock_reads = 0
        self._turns: Iterator[Turn] = run.turns()

    def advance(self) -> Turn:
        """The next turn. Raises Ended after the last, Fault where the run is damaged."""
        try:
            turn = next(self._turns, None)
        except Refused as refused:
            raise Fault(str(refused)) from None
        if turn is None:
            raise Ended(f"{self.run.path}: the run is over")
        self.turn, self.clock_reads = turn, 0
        return turn

    def told(self) -> tuple[Order, ...]:
        """The orders of this turn, as they were recorded; an APPLY has its text, and no machine."""
        return self.turn.orders if self.turn is not None else ()


class TapeCamera:
    """The Camera plug: the frames of a run, silent where the camera was silent. Without images they are [0, 0].

    Args:
        um_per_px: scale of the replay, for a run whose frames are to say which light they felt; 0: they are not.
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


def felt_in(turn: Turn, scale: float) -> Felt:
    """The light of a recorded turn, with all of its lengths times `scale`."""
    spots, seen = turn.allowed, turn.tracks
    command = replace(spots, position_um=spots.position_um * scale, effect_s=turn.effect_s)
    return Felt(command, seen.particle, seen.position_um * scale)


class TapeClock:
    """The Clock plug: what the clock said when the turn began, and from its second reading on when it had been sent."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def now_s(self) -> float:
        turn = self._tape.turn
        if turn is None:
            return 0.0
        self._tape.clock_reads += 1
        return turn.sent_s if self._tape.clock_reads > 1 and np.isfinite(turn.sent_s) else turn.now_s


class TapeTracker:
    """The Tracker plug: the tracks that were recorded, for a run without frames."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def start(self) -> Any:
        """Nothing is remembered: the tape knows its place."""
        return None

    def step(self, memory: Any, frame: Frame, expected: Expected = NOBODY) -> tuple[Any, Tracks]:
        turn = self._tape.turn
        if turn is None or turn.frame is None or turn.frame.number != frame.number:
            raise Fault(f"{self._tape.run.path}: there are no tracks of frame {frame.number} on the tape now")
        return memory, turn.tracks
