"""The event log of a run: events of several kinds, in words. Repeated events become one line with a count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from app.analysis.setting_changes import changes
from app.analysis.trip_advice import advice
from config.refused import Refused
from control.contract import Level, Order, OrderKind, Turn
from control.interlock import SAYS

QUIET_S = 2.0  # after such a pause a repeated event gets a new line
NAMED = 4  # largest number of particles that a line lists
NUMBERS = re.compile(r"(?<![\w.])\d+(\.\d+)?(e[+-]?\d+)?(?!\w)")  # without numbers in a name such as ttyACM0
PARTICLES = re.compile(r"\bparticles? (\d+(?: and \d+)?)")


class EventKind(StrEnum):
    """The kind of a line of the log."""

    FAULT = "Faults"
    ORDER = "Orders"  # and the resulting levels
    NOTE = "Notes"
    DARK = "No light"  # particles without light, and the reason


@dataclass(frozen=True)
class Happening:
    """An event at the time `at_s`; None: an event outside of a turn."""

    kind: EventKind
    text: str
    at_s: float | None = None
    level: Level | None = None  # new level of the instrument
    particle: int | None = None  # particle without light; `text` is the reason
    advice: str = ""  # what to do about it

    @property
    def like(self) -> tuple[EventKind, str]:
        """The key under which repeated events are merged: kind, and text without numbers except those in names.

        Of an order only its name, such as APPLY: the line of an earlier order is complete when another one follows.
        """
        if self.kind is EventKind.ORDER:
            return self.kind, self.text.partition(":")[0]
        return self.kind, without_numbers(self.text)


@dataclass
class Line:
    """One line of the log: an event that happened once or repeatedly."""

    first: Happening
    times: int = 1
    last_s: float | None = None
    particles: set[int] = field(default_factory=set)
    named: dict[str, None] = field(default_factory=dict)  # particles named in the text: "7", or "3 and 9"

    @classmethod
    def of(cls, happening: Happening) -> Line:
        particles = set() if happening.particle is None else {happening.particle}
        return cls(happening, 1, happening.at_s, particles, dict.fromkeys(named_in(happening.text)))

    def takes(self, other: Happening) -> bool:
        """Whether the event repeats this line within QUIET_S.

        A change of level always gets its own line, and so does an order with other values.
        """
        if other.level is not None or other.at_s is None or self.last_s is None:
            return False
        if other.kind is EventKind.ORDER and other.text != self.first.text:
            return False
        return 0.0 <= other.at_s - self.last_s < QUIET_S

    def add(self, other: Happening) -> None:
        self.times, self.last_s = self.times + 1, other.at_s
        if other.particle is not None:
            self.particles.add(other.particle)
        self.named.update(dict.fromkeys(named_in(other.text)))

    @property
    def text(self) -> str:
        first = self.first
        time = "" if first.at_s is None else f"{first.at_s:9.2f} s  "
        repeats = ""
        if self.times > 1 and self.last_s != first.at_s:
            repeats = (
                f"  (until {self.last_s:.2f} s)" if self.particles else f"  (×{self.times}, until {self.last_s:.2f} s)"
            )
        message = no_light(self.particles, first.text) if self.particles else " ".join(first.text.splitlines())
        others = [*self.named][1:]
        if others and not self.particles:
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            message = f"{message}; likewise {', '.join(others[:NAMED])}{more}"
        return f"{time}{message}{f'; {first.advice}' if first.advice else ''}{repeats}"


def named_in(text: str) -> list[str]:
    """The particles named in a text.

    >>> named_in("particles 3 and 9 are seen as one"), named_in("2 spots outside of the field were left out")
    (['3 and 9'], [])
    """
    names: list[str] = PARTICLES.findall(text)
    return names[:1]


def no_light(particles: set[int], reason: str) -> str:
    """One line about particles that get no light.

    >>> no_light(set(range(12)), "new")
    'no light for 12 new particles'
    >>> no_light({3, 7}, "its identity is uncertain")
    'no light for 3, 7: its identity is uncertain'
    """
    if len(particles) <= NAMED:
        return f"no light for {', '.join(map(str, sorted(particles)))}: {reason}"
    if reason in ("new", "lost"):
        return f"no light for {len(particles)} {reason} particles"
    return f"no light for {len(particles)} particles: {reason}"


class Teller:
    """Converts turns into events: the changes in each turn."""

    def __init__(self, experiment: str = "", rig: Mapping[str, Any] | None = None) -> None:
        self._experiment, self._rig = experiment, rig or {}  # currently in force
        self._level: Level | None = None
        self._tripped_by = ""  # the reason of the present trip
        self._withheld: frozenset[tuple[int, str]] = frozenset()

    def of(self, turn: Turn) -> Iterator[Happening]:
        """The events of this turn: its changes since the last turn.

        A trip with another reason is a new event: a reset and the next fault may occur in one turn.
        """
        tripped_by = turn.reason if turn.level is Level.TRIPPED else ""
        changed = turn.level is not self._level or tripped_by != self._tripped_by
        for order in turn.orders:
            yield from self.of_order(order, turn.now_s, turn.reason if changed else "")
        if changed:
            yield of_level(turn.level, turn.reason, turn.now_s)
        for note in turn.notes:
            yield Happening(EventKind.NOTE, note, turn.now_s)
        withheld = frozenset(turn.withheld)
        for particle, reason in sorted(withheld - self._withheld):
            yield Happening(EventKind.DARK, reason, turn.now_s, particle=particle)
        self._level, self._tripped_by, self._withheld = turn.level, tripped_by, withheld

    def of_order(self, order: Order, at_s: float, reason: str) -> Iterator[Happening]:
        """The event of an order, unless the resulting change of level states the same.

        Args:
            reason: reason of the change of level in this turn; empty: no change.
        """
        if order.kind is OrderKind.APPLY:
            yield Happening(EventKind.ORDER, self.applied(order.text), at_s)
        elif reason != (order.text or SAYS.get(order.kind, str(order.kind))):
            words = order.text.partition("\n")[0]
            if order.kind is OrderKind.TRIP:
                yield Happening(EventKind.FAULT, f"TRIPPED: {words or 'tripped'}", at_s)
            else:
                yield Happening(EventKind.ORDER, f"{order.kind}: {words}" if words else str(order.kind), at_s)

    def applied(self, text: str) -> str:
        """The changes of an APPLY, in words. The next APPLY is compared with this text."""
        previous, self._experiment = self._experiment, text
        try:
            return f"APPLY: {changes(previous, text, self._rig)}" if previous and text else "APPLY"
        except Refused as refused:
            return f"APPLY: {refused}"


@lru_cache(4096)
def without_numbers(text: str) -> str:
    """The text without its numbers, except those in names.

    >>> without_numbers("the galvo at ttyACM0: no answer within 50 ms")
    'the galvo at ttyACM0: no answer within  ms'
    >>> without_numbers("3 forces clipped, the largest from 0.2 pN")
    ' forces clipped, the largest from  pN'
    """
    return NUMBERS.sub("", text)


def of_level(level: Level, reason: str, at_s: float) -> Happening:
    """The event of a new level, with its reason and, after a trip, advice."""
    if level is Level.TRIPPED:
        return Happening(EventKind.FAULT, f"TRIPPED: {reason}", at_s, level, advice=advice(reason))
    return Happening(EventKind.ORDER, f"{level}: {reason}" if reason else str(level), at_s, level)


class EventLog:
    """Lines of the log, oldest first. If there are too many, old notes and dark lines are removed first."""

    def __init__(self, most: int = 3000) -> None:
        self.lines: list[Line] = []
        self._most = most
        self._open: dict[tuple[EventKind, str], Line] = {}

    def clear(self) -> None:
        self.lines.clear()
        self._open.clear()

    def take(self, happenings: Iterable[Happening]) -> tuple[list[Line], set[int]]:
        """Add events. Return (new lines, `id` of each older line that has changed)."""
        new: list[Line] = []
        changed: set[int] = set()
        for happening in happenings:
            open_line = self._open.get(happening.like)
            if open_line is not None and open_line.takes(happening):
                open_line.add(happening)
                changed.add(id(open_line))
                continue
            line = Line.of(happening)
            self._open[happening.like] = line
            new.append(line)
        self.lines += new
        return new, changed - {id(line) for line in new}

    def thin(self) -> bool:
        """Remove the oldest lines if there are too many. Return whether any were removed."""
        extra = len(self.lines) - self._most
        if extra <= 0:
            return False
        extra += self._most // 4
        small = [line for line in self.lines if line.first.kind in (EventKind.NOTE, EventKind.DARK)]
        removed = {id(line) for line in small[:extra]} or {id(line) for line in self.lines[:extra]}
        self.lines = [line for line in self.lines if id(line) not in removed]
        self._open = {like: line for like, line in self._open.items() if id(line) not in removed}
        return True
