"""Repeated events share one line of the log, and the line names all particles and devices that it covers."""

from __future__ import annotations

import pytest

from app.analysis.run_events import EventKind, EventLog, Happening


def lines_of(texts: list[str], kind: EventKind = EventKind.NOTE) -> list[str]:
    lines = EventLog()
    for index, text in enumerate(texts):
        lines.take([Happening(kind, text, 1.0 + 0.1 * index)])
    return [" ".join(line.text.split()) for line in lines.lines]


def test_a_combined_line_names_its_particles() -> None:
    said = "particle {} may be another from here on"
    assert lines_of([said.format(who) for who in (7, 9, 12, 9)]) == [
        "1.00 s particle 7 may be another from here on; likewise 9, 12 (×4, until 1.30 s)"
    ]
    (line,) = lines_of([said.format(who) for who in range(20)])
    assert "particle 0 may be another from here on; likewise 1, 2, 3, 4 and 15 more" in line
    (line,) = lines_of(["particles 3 and 9 are seen as one", "particles 4 and 11 are seen as one"])
    assert "particles 3 and 9 are seen as one; likewise 4 and 11" in line


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("TRIPPED: beam: the galvo at ttyACM0: no answer within 50 ms",
         "TRIPPED: beam: the galvo at ttyACM1: no answer within 50 ms"),
        ("TRIPPED: laser at COM3: it is gone", "TRIPPED: laser at COM4: it is gone"),
    ],
)  # fmt: skip
def test_events_of_two_devices_are_two_lines(first: str, second: str) -> None:
    assert len(lines_of([first, second], EventKind.FAULT)) == 2
    assert len(lines_of([first, first], EventKind.FAULT)) == 1


def test_events_that_differ_only_in_measured_numbers_are_one_line() -> None:
    clipped = "{} forces clipped, the largest from {} pN"
    assert len(lines_of([clipped.format(index, 0.1 * index + 1e-5) for index in range(1, 9)])) == 1


def test_an_apply_with_other_values_is_a_line_of_its_own() -> None:
    """Also if a change is undone and redone at once: the last line states the settings in force."""
    there, back = "APPLY: policy.forces.0.radius_um 1 → 1.25", "APPLY: policy.forces.0.radius_um 1.25 → 1"
    other = "APPLY: policy.forces.0.radius_um 1.25 → 3"
    said = [line.partition(" s ")[2] for line in lines_of([there, other, there, back, there], EventKind.ORDER)]
    assert said == [there, other, there, back, there]
    (line,) = lines_of([there, there, there], EventKind.ORDER)
    assert line.endswith("(×3, until 1.20 s)")
