"""The emulated devices by name."""

from __future__ import annotations

import random
from collections.abc import Callable

from drivers.emulate.cobolt import CoboltDevice
from drivers.emulate.galvo import GalvoDevice
from drivers.emulate.process import Device, Tell
from drivers.galvo_protocol import LARGEST_CODE, Info

RANGE_V = 10.0
LASER_MW = 200.0


def galvo(notify: Tell, now_ns: int) -> Device:
    """A galvo with +-10 V, 16 bits, 512 spots and jumps of 10 us."""
    full = LARGEST_CODE
    info = Info(
        boot=random.SystemRandom().randrange(2**32), range_v=RANGE_V, low=(-full, -full), high=(full, full), spots=512,
        min_dwell_ns=20_000, settle_ns=10_000, delay_ns=100_000, longest_watchdog_ms=1000,
        name="Cybloids emulated galvo 1.0",
    )  # fmt: skip
    return GalvoDevice(info, notify, now_ns)


def cobolt(notify: Tell, now_ns: int) -> Device:
    """A laser of 200 mW."""
    return CoboltDevice(LASER_MW, notify, now_ns)


KINDS: dict[str, Callable[[Tell, int], Device]] = {"galvo": galvo, "cobolt": cobolt}
