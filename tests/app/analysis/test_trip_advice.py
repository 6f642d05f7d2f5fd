"""The advice after a trip fits the part that failed."""

from __future__ import annotations

import pytest

from app.analysis.trip_advice import RESET, advice

REASONS = [
    ("beam: the galvo at /dev/ttyACM0: it is gone (Input/output error)", "Reconnect"),
    ("camera: the camera '0' gives no more frames", "Reconnect"),
    ("the newest frame is 352 ms old, and 250 ms is allowed", "slow"),
    ("no record, no beam: a.h5: the disk does not keep up (900 turns wait to be written)", "disk"),
    ("beam: the laser's interlock is open", "close the laser's interlock"),
    ("beam: a spot's power is negative: -1 mW", RESET),
]


@pytest.mark.parametrize(("reason", "word"), REASONS)
def test_the_advice_fits_the_reason_of_the_trip(reason: str, word: str) -> None:
    assert word in advice(reason)
