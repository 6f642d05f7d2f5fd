"""THE PAGE: every value and every plug that two rooms share. Everything on it is frozen.

Lengths are in um, times in s, powers in mW, forces in pN, energies in kT; x runs right and y down, as in the image.
A number without a unit at its end is a count, an index or a pure ratio.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from config.words import sentence
from control.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


STILL_LIT = "the laser could not be put out"  # every Fault after which light may be on has these words


class Fault(Exception):
    """The world did not do its part (a device, a disk). One sentence, for the operator. The beam is dark after it.

    Its text is safe to print, whatever a device has answered. A long text is shortened; STILL_LIT is never left out.
    """

    def __init__(self, said: str = "") -> None:
        words = sentence(said)
        super().__init__(sentence(f"{STILL_LIT}; {said}") if STILL_LIT in said and STILL_LIT not in words else words)


class Ended(Exception):
    """A camera has no more frames: the recording is over, or the camera was closed."""


class State(IntEnum):
    """How sure the tracker is of one identity. Only GOOD particles may get light."""

    GOOD = 0
    NEW = 1
    UNCERTAIN = 2
    UNSORTED = 3  # a classifier is there, and has not yet said what it is


ALARM = "alarm: "  # what a tracker's note begins with if it makes many identities uncertain at once
UNKNOWN = -1  # the species of a particle that a classifier has not yet named


class Level(StrEnum):
    """The interlock. Light leaves the instrument at ARMED, and, at probe power and to calibrate, at PROBING."""

    SAFE = "SAFE"
    PROBING = "PROBING"
    ARMED = "ARMED"
    TRIPPED = "TRIPPED"


class OrderKind(StrEnum):
    ARM = "ARM"
    PROBE = "PROBE"  # arm to calibrate, at probe power: all that a rig whose map is not confirmed may do
    STOP = "STOP"
    RESET = "RESET"
    TRIP = "TRIP"  # a device's or the recorder's fault, found outside of the turn
    APPLY = "APPLY"  # a new machine, from this turn on
    MARK = "MARK"  # a remark of the operator


@dataclass(frozen=True, slots=True)
class Order:
    """What the instrument was told. `text` is what the journal keeps: a reason, a remark, or the settings of APPLY."""

    kind: OrderKind
    text: str = ""
    machine: Any = field(
        default=None, compare=False
    )  # control.loop.Machine, with APPLY; rebuilt from `text` in a replay


@dataclass(frozen=True, slots=True)
class Frame:
    """One exposure. `image` is [height, width], uint8 or uint16, read-only."""

    number: int  # the camera's own counter: a gap is a dropped frame
    time_s: float  # middle of the exposure
    image: NDArray[Any]
    felt: Felt | None = field(default=None, compare=False)  # of a recording; a journal does not keep it


def _floats(count: int = 0) -> Floats:
    return np.full(count, np.nan)


@dataclass(frozen=True, slots=True)
class Tracks:
    """Who was seen where in one frame; rows are in order of rising `particle`. Lost ones have no row."""

    time_s: float
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] identity, never used again in a run
    position_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2] x, y
    state: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))  # [N] State
    species: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N]
    cell: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] particles of different cells never interact
    position_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2] x, y
    mass: Floats = field(default_factory=_floats)  # [N] and below: trackpy's columns of the same names
    size_px: Floats = field(default_factory=_floats)
    ecc: Floats = field(default_factory=_floats)
    signal: Floats = field(default_factory=_floats)
    raw_mass: Floats = field(default_factory=_floats)
    ep_px: Floats = field(default_factory=_floats)
    species_age: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] frames since its image was read; -1
    lost: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # remembered, not seen in this frame
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.particle)


@dataclass(frozen=True, slots=True)
class Expected:
    """Where some particles are thought to be by the middle of a frame's exposure: those that light has moved."""

    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] rising
    position_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2]


NOBODY = Expected()


@dataclass(frozen=True, slots=True)
class Forces:
    """What a policy wants: forces on particles (steered traps), rings of light (painted landscape), or both.

    A ring of radius 0 is a spot. `ring_kt` is the depth its light would have if it were all in one spot.
    """

    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] whom the force is meant for
    force_pn: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2]
    delay_s: Floats = field(default_factory=lambda: np.empty(0))  # [N] mean age of the centres used; nan: newest seen
    carried: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))  # [N] being brought back
    ring_particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [M] whose past it surrounds, or -1
    ring_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2] centres
    ring_radius_um: Floats = field(default_factory=lambda: np.empty(0))  # [M]
    ring_kt: Floats = field(default_factory=lambda: np.empty(0))  # [M]
    ring_delay_s: Floats = field(default_factory=lambda: np.empty(0))  # [M] mean age of the centres; nan: newest seen
    withheld: tuple[tuple[int, str], ...] = ()  # (particle, why it gets no light)
    notes: tuple[str, ...] = ()  # what began or ended in this turn


@dataclass(frozen=True, slots=True)
class Command:
    """Spots that one beam visits in turn, over and over, until the next command. No spots is a dark beam."""

    position_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2]
    power_mw: Floats = field(default_factory=lambda: np.empty(0))  # [M] while the beam is on the spot
    dwell_s: Floats = field(default_factory=lambda: np.empty(0))  # [M] a visit
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [M] for whom, or -1
    reason: str = ""  # why it is dark; empty where light is allowed
    effect_s: float = float("nan")  # when it acts on the sample; known of a command that was sent
    may_be_lit: bool = False  # the laser did not confirm that it is off

    def __len__(self) -> int:
        return len(self.power_mw)


@dataclass(frozen=True, slots=True)
class Felt:
    """The light that recorded particles felt after a frame.

    `command` has the recorded identities, and in `effect_s` when it was planned to act.
    """

    command: Command
    particle: Ints  # [N] rising: the particles of the recorded frame
    position_um: Floats  # [N, 2] where


def dark(reason: str) -> Command:
    """The dark command, and why."""
    return Command(reason=reason)


DARK = dark("dark")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a policy may know. `effect_s`: when its answer acts; `hold_s`: for how long.

    `allowed` is the command of the turn before, as the interlock let it through, and when it was planned to act.
    """

    tracks: Tracks
    history: History
    effect_s: float
    hold_s: float
    allowed: Command = DARK


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the loop. wanted, allowed and sent stand side by side: clipping is never silent."""

    number: int
    frame: Frame | None  # None: the camera was silent
    now_s: float
    orders: tuple[Order, ...]
    tracks: Tracks
    wanted: Forces
    allowed: Command
    sent: Command
    level: Level
    reason: str  # why the level is what it is
    effect_s: float  # when the command was expected to act
    withheld: tuple[tuple[int, str], ...] = ()  # (particle, why it got no light)
    notes: tuple[str, ...] = ()  # what was clipped, carried, lost, merged
    sent_s: float = float("nan")  # when beam.send had returned
    dropped: int = 0  # frames that the loop did not see, since the start

    @property
    def alarm(self) -> str:
        """What makes many identities uncertain at once in this turn; "" where nothing does."""
        return next((note.removeprefix(ALARM) for note in self.tracks.notes if note.startswith(ALARM)), "")


class Clock(Protocol):
    def now_s(self) -> float:
        """Seconds since the run began."""
        ...


class Camera(Protocol):
    def read(self) -> Frame | None:
        """The newest frame not yet seen; None if the camera was silent for too long. Raises Ended, Fault."""
        ...

    def close(self) -> None: ...


class Beam(Protocol):
    def send(self, command: Command) -> Command:
        """Steer, and answer what was done. Raises Fault, after which the beam is dark."""
        ...

    def dark(self, reason: str) -> Command:
        """Dark now. Never raises."""
        ...

    def close(self) -> None:
        """Dark, and let the devices go."""
        ...


class Recorder(Protocol):
    def write(self, turn: Turn) -> None:
        """Keep the turn. Raises Fault if it can't: no record, no beam."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class InFlightRecorder(Recorder, Protocol):
    """A Recorder whose record may begin while the loop turns."""

    def begin(self, memory: Any) -> None:
        """The memory (control.loop.Memory) that the record's first turn begins from. Called before that turn is
        written, in the loop's thread: it must be quick."""
        ...


@runtime_checkable
class CrashRecorder(Recorder, Protocol):
    """A Recorder whose record states whether the program ended cleanly."""

    def leave_unfinished(self) -> None:
        """The program failed: `close` keeps what was written, and does not mark the record as ended cleanly."""
        ...


class Tracker(Protocol):
    def start(self) -> Any: ...

    def step(self, memory: Any, frame: Frame, expected: Expected = NOBODY) -> tuple[Any, Tracks]:
        """The tracks in `frame`. The tracker predicts particles absent from `expected`."""
        ...


class Policy(Protocol):
    """A law: programmed or learned. `longest_delay_s` says how much history it needs."""

    @property
    def longest_delay_s(self) -> float: ...

    def start(self) -> Any: ...

    def step(self, memory: Any, seen: Seen) -> tuple[Any, Forces]: ...


class Classifier(Protocol):
    """Names the species of particles from their image patches, `patch_px` wide and high."""

    @property
    def patch_px(self) -> int: ...

    def start(self) -> Any: ...

    def step(
        self, memory: Any, particle: Ints, patches: NDArray[Any], whole: NDArray[np.bool_]
    ) -> tuple[Any, Ints, Ints]:
        """Of particles [N], patches [N, size, size] and whether each lies within the image: species, UNKNOWN where it
        can't yet be told, and how many frames ago each was looked at, -1 for never."""
        ...
