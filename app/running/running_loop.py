"""The interface of one run of an instrument: its loop runs in a thread of this process, or in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.assembly.rig import Plan
from app.running.light_wording import Light
from app.running.settings_in_force import InForce
from app.running.stopwatch import Stopwatch
from app.running.turn_buffer import Pace
from control.contract import OrderKind, Turn
from control.loop import Machine
from drivers.readback import Returned


class RunningLoop(Protocol):
    """One run: `begin`, `opened` until it is True, orders, `close`. One thread calls it; only `close` blocks.

    It has many methods because it is the whole interface between a window and a loop.
    """

    @property
    def note(self) -> str:
        """Present step of the opening, or of the closing."""
        ...

    @property
    def trouble(self) -> str:
        """Why the loop stopped, in words; empty while it runs and after a normal end."""
        ...

    @property
    def details(self) -> str:
        """Traceback of the error that stopped the loop."""
        ...

    @property
    def recorder_trouble(self) -> str:
        """Why a record could not be closed."""
        ...

    @property
    def stopwatch(self) -> Stopwatch:
        """Wall time of each stage of the turns."""
        ...

    @property
    def applies(self) -> int:
        """Number of the APPLY orders so far."""
        ...

    @property
    def in_force(self) -> InForce:
        """Results of the APPLY orders."""
        ...

    @property
    def running(self) -> bool: ...

    @property
    def newest(self) -> Turn | None:
        """The newest turn, with its image."""
        ...

    @property
    def recording(self) -> bool: ...

    @property
    def silence(self) -> str:
        """Message that a running loop sends no messages; empty while it sends some."""
        ...

    @property
    def light(self) -> Light:
        """State of the laser after the end of the loop."""
        ...

    @property
    def dark(self) -> bool:
        """Whether the loop has ended and its beam is closed; its record may still be open."""
        ...

    @property
    def lit(self) -> bool:
        """Whether the loop has ended and its laser may be on."""
        ...

    @property
    def handle(self) -> int | None:
        """A file descriptor that is readable when there are messages; None: the loop has to be polled."""
        ...

    def begin(self) -> None:
        """Begin to open the instrument."""
        ...

    def opened(self) -> bool:
        """Whether the loop runs by now. Raises Refused and Fault."""
        ...

    def beat(self) -> None:
        """Count one heartbeat of the window (app.running.heartbeat)."""
        ...

    def order(self, kind: OrderKind, text: str = "", machine: Machine | None = None) -> None:
        """Give an order to the next turn."""
        ...

    def apply(self, plan: Plan, machine: Machine | None) -> None:
        """Use the experiment of this plan from the next turn on.

        Args:
            machine: built from the plan in this process, if it was.
        """
        ...

    def ask_record(self, path: Path | None) -> None:
        """Begin to record in a new file; None: end the record. Raises Fault if the last such order has no answer."""
        ...

    def answered(self) -> bool:
        """Whether the last `ask_record` is done. Raises its Refused or Fault, once; an earlier record then goes on."""
        ...

    def returned(self) -> tuple[Returned, ...]:
        """Settings read back from the devices."""
        ...

    def recent(self, after: int = 0) -> list[tuple[int, Turn]]:
        """(count, turn) of all turns whose count is above `after`, oldest first, without images."""
        ...

    def pace(self) -> Pace: ...

    def latencies_s(self) -> NDArray[np.float64]:
        """[K] times from mid-exposure to the sending of the command, of the last turns."""
        ...

    def close(self) -> None:
        """End the loop, dark, and release the devices; or end the opening. Raises Fault."""
        ...
