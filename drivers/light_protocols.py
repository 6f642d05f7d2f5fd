"""What drives the light: the plugs that every deflector and every laser driver fills, simulated or real.

Neither is called by anybody but the guard (drivers/guard.py), in this order: steer, then shine.

Where the deflector also dims the beam (a Modulator), its laser's driver asks it to: `steer` then keeps the places, and
the laser's `shine` hands them their fractions of its set point, upon which both go to the device in one message.
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
    """What a deflector did: its converter's steps and its shortest visit are in it."""

    position_v: Floats  # [M, 2]
    dwell_s: Floats  # [M]
    effect_s: float  # when the first visit begins, on the run's clock


class Deflector(Protocol):
    """Points the beam at places in turn, over and over. A jump between two of them is dark."""

    @property
    def firmware(self) -> str:
        """Maker, model and version, for the journal."""
        ...

    @property
    def identity(self) -> str:
        """Model and serial number, the same with another firmware; "" where the device does not say."""
        ...

    @property
    def returned(self) -> tuple[Returned, ...]:
        """Its settings as the device gave them back when it last did; no device is asked now."""
        ...

    @property
    def low_v(self) -> tuple[float, float]: ...

    @property
    def high_v(self) -> tuple[float, float]: ...

    def steer(self, position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        """Visit position_v [M, 2], each for dwell_s [M], M > 0. Answers what was done. Raises Fault."""
        ...

    def status(self) -> str:
        """'ready', or what is wrong."""
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
        """Model and serial number, the same with another firmware; "" where the device does not say."""
        ...

    @property
    def returned(self) -> tuple[Returned, ...]:
        """Its settings as the device gave them back when it last did; no device is asked now."""
        ...

    @property
    def max_power_mw(self) -> float: ...

    def shine(self, power_mw: Floats, at_most_s: float) -> Floats:
        """power_mw [M] while on each spot of the last `steer`. Answers the powers that it gives. Raises Fault.

        The light goes out after at_most_s if nobody asks again, where the device can count for itself.
        """
        ...

    def off(self) -> None:
        """No light, at once. Raises Fault only if the light may still be on."""
        ...

    def status(self) -> str:
        """'ready', or what is wrong."""
        ...

    def close(self) -> None:
        """No light, and let the device go. Raises Fault, with STILL_LIT, after that, where light may be left on."""
        ...


@runtime_checkable
class Modulator(Protocol):
    """A deflector that also dims: each visit of the last `steer` gets a fraction of the laser's set point."""

    def modulate(self, fraction: Floats, at_most_s: float) -> Floats:
        """fraction [M], 0 to 1. Answers the fractions that it gives. Raises Fault, also if it was gone since.

        The light goes out after at_most_s if nobody asks again: the device counts for itself.
        """
        ...

    def blank(self) -> None:
        """No light, at once; a device that was gone is looked for again. Raises Fault if it may not be dark."""
        ...
