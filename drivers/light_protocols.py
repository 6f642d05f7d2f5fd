"""The interfaces of deflector and laser drivers, simulated or real.

Only the guard (drivers/guard.py) calls them, in this order: steer, then shine.

If the deflector also dims the beam (a Modulator), the laser's driver controls it: `steer` stores the positions, and the
laser's `shine` adds their fractions of its set point. Then both go to the device in one message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from drivers.readback import Returned

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DeflectorReadback:
    """The visits as executed, with the rounding to the converter's steps and the shortest visit."""

    position_v: Floats  # [M, 2]
    dwell_s: Floats  # [M]
    effect_s: float  # when the first visit begins, on the run's clock


class Deflector(Protocol):
    """Points the beam at positions in turn, repeatedly. The beam is dark during jumps."""

    @property
    def firmware(self) -> str:
        """Maker, model and version, for the journal."""
        ...

    @property
    def identity(self) -> str:
        """Model and serial number, independent of the firmware; "" if the device does not report them."""
        ...

    @property
    def returned(self) -> tuple[Returned, ...]:
        """Its settings as last read back; this does not query the device."""
        ...

    @property
    def low_v(self) -> tuple[float, float]: ...

    @property
    def high_v(self) -> tuple[float, float]: ...

    def steer(self, position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        """Visit position_v [M, 2], each for dwell_s [M], M > 0. Returns the visits as executed. Raises Fault."""
        ...

    def status(self) -> str:
        """'ready', or the problem."""
        ...

    def close(self) -> None: ...


class Laser(Protocol):
    """Gives each visit of the deflector its power."""

    @property
    def firmware(self) -> str:
        """Maker, model and version, for the journal."""
        ...

    @property
    def identity(self) -> str:
        """Model and serial number, independent of the firmware; "" if the device does not report them."""
        ...

    @property
    def returned(self) -> tuple[Returned, ...]:
        """Its settings as last read back; this does not query the device."""
        ...

    @property
    def max_power_mw(self) -> float: ...

    def shine(self, power_mw: Floats, at_most_s: float) -> Floats:
        """Give power_mw [M] during the visits of the last `steer`. Returns the powers as executed. Raises Fault.

        The light goes out after at_most_s without another call, if the device has its own timer.
        """
        ...

    def off(self) -> None:
        """Switch the light off at once. Raises Fault only if the light may still be on."""
        ...

    def status(self) -> str:
        """'ready', or the problem."""
        ...

    def close(self) -> None:
        """Switch the light off and release the device. Then raises Fault, with STILL_LIT, if light may still be on."""
        ...


@runtime_checkable
class Modulator(Protocol):
    """A deflector that also dims: each visit of the last `steer` gets a fraction of the laser's set point."""

    def modulate(self, fraction: Floats, at_most_s: float) -> Floats:
        """Give fraction [M], 0 to 1. Returns the fractions as executed. Raises Fault, also after a lost connection.

        The light goes out after at_most_s without another call: the device has its own timer.
        """
        ...

    def blank(self) -> None:
        """Make the beam dark at once, after reconnection if need be. Raises Fault if it may not be dark."""
        ...
