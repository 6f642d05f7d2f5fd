"""All values and interfaces that two or more folders share. All values are frozen.

Lengths are in um, times in s, powers in mW, forces in pN, energies in kT; x runs right and y down, as in the image.
A number without a unit at the end of its name is a count, an index or a ratio.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from config.words import sentence, text_of
from control.history import History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


STILL_LIT = "the laser could not be put out"  # part of the text of every Fault after which light may be on


class Fault(Exception):
    """A device, a disk or another part of the computer failed. The text is one sentence; the beam is dark afterwards.

    The text is safe to print, whatever a device has sent. A long text is shortened, but keeps STILL_LIT.
    """

    def __init__(self, text: str = "") -> None:
        message = sentence(text)
        super().__init__(
            sentence(f"{STILL_LIT}; {text}") if STILL_LIT in text and STILL_LIT not in message else message
        )


def says_lit(error: BaseException | None) -> bool:
    """Whether light may be on after this error. Never raises: an error may have no words."""
    return STILL_LIT in text_of(error)


class Ended(Exception):
    """A camera has no more frames: the recording is over, or the camera was closed."""


class State(IntEnum):
    """How certain the tracker is of a particle's identity. Only GOOD particles may get light."""

    GOOD = 0
    NEW = 1
    UNCERTAIN = 2
    UNSORTED = 3  # species not yet classified


ALARM = "alarm: "  # first word of a tracker's note if many identities are uncertain at once
UNKNOWN = -1  # species of a particle that the classifier has not yet identified


class Level(StrEnum):
    """Level of the interlock. The beam can be lit in ARMED, and at probe power for a calibration in PROBING."""

    SAFE = "SAFE"
    PROBING = "PROBING"
    ARMED = "ARMED"
    TRIPPED = "TRIPPED"


class OrderKind(StrEnum):
    ARM = "ARM"
    PROBE = "PROBE"  # arm for a calibration, at probe power; the only light for a rig with an unconfirmed map
    STOP = "STOP"
    RESET = "RESET"
    TRIP = "TRIP"  # fault of a device or the recorder, found outside of the turn
    APPLY = "APPLY"  # a new machine, from this turn on
    MARK = "MARK"  # a remark of the operator


@dataclass(frozen=True, slots=True)
class Order:
    """A command to the loop. The journal records `text`: a reason, a remark, or the settings of APPLY."""

    kind: OrderKind
    text: str = ""
    machine: Any = field(default=None, compare=False)  # control.loop.Machine of APPLY; a replay rebuilds it from `text`


@dataclass(frozen=True, slots=True)
class Frame:
    """One exposure. `image` is [height, width], uint8 or uint16, read-only."""

    number: int  # the camera's own counter: a gap is a dropped frame
    time_s: float  # middle of the exposure
    image: NDArray[Any]
    felt: RecordedLight | None = field(default=None, compare=False)  # only in replays: light on the recorded particles


def _floats(count: int = 0) -> Floats:
    return np.full(count, np.nan)


@dataclass(frozen=True, slots=True)
class Tracks:
    """The particles detected in one frame, by rising `particle`. Lost particles have no row."""

    time_s: float
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] ID, used once in a run
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
    species_age: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] age in frames; -1: none
    lost: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # IDs, not detected in this frame
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.particle)


@dataclass(frozen=True, slots=True)
class Expected:
    """Predicted positions, at the middle of a frame's exposure, of the particles that light has moved."""

    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] rising
    position_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2]


NOTHING_EXPECTED = Expected()  # no predictions


@dataclass(frozen=True, slots=True)
class Forces:
    """The result of a policy: forces on particles (steered traps), rings of light (painted landscape), or both.

    A ring of radius 0 is a spot. `ring_kt` is the trap depth if all light of the ring were in one spot.
    """

    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] IDs
    force_pn: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2]
    delay_s: Floats = field(default_factory=lambda: np.empty(0))  # [N] mean age of the positions used; nan: the newest
    carried: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))  # [N] moved by the instrument
    ring_particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [M] ID it is centred on; -1: none
    ring_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2] centres
    ring_radius_um: Floats = field(default_factory=lambda: np.empty(0))  # [M]
    ring_kt: Floats = field(default_factory=lambda: np.empty(0))  # [M]
    ring_delay_s: Floats = field(default_factory=lambda: np.empty(0))  # [M] mean age of the positions used; nan: newest
    withheld: tuple[tuple[int, str], ...] = ()  # (particle, reason why it gets no light)
    notes: tuple[str, ...] = ()  # events that began or ended in this turn


@dataclass(frozen=True, slots=True)
class Command:
    """Spots that one beam visits in turn, repeatedly, until the next command. Without spots the beam is dark."""

    position_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2]
    power_mw: Floats = field(default_factory=lambda: np.empty(0))  # [M] during the visit
    dwell_s: Floats = field(default_factory=lambda: np.empty(0))  # [M] duration of one visit
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [M] ID in the spot; -1: none
    reason: str = ""  # why the beam is dark; empty if it may be lit
    effect_s: float = float("nan")  # time at which it acts on the sample; nan: not sent
    may_be_lit: bool = False  # the laser did not confirm that it is off

    def __len__(self) -> int:
        return len(self.power_mw)


@dataclass(frozen=True, slots=True)
class RecordedLight:
    """The light on the recorded particles after a frame.

    `command` has the IDs of the recording; its `effect_s` is the planned one.
    """

    command: Command
    particle: Ints  # [N] rising: IDs in the recorded frame
    position_um: Floats  # [N, 2] their positions


def dark(reason: str) -> Command:
    """A command without spots, with its reason."""
    return Command(reason=reason)


DARK = dark("dark")


@dataclass(frozen=True, slots=True)
class Seen:
    """The input of a policy. Its result acts from `effect_s` on, for `hold_s`.

    `allowed` is the command of the turn before, after the interlock, with its planned `effect_s`.
    """

    tracks: Tracks
    history: History
    effect_s: float
    hold_s: float
    allowed: Command = DARK


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the loop. `wanted`, `allowed` and `sent` are three fields, so that clipping is visible."""

    number: int
    frame: Frame | None  # None: no frame within the camera's timeout
    now_s: float
    orders: tuple[Order, ...]
    tracks: Tracks
    wanted: Forces
    allowed: Command
    sent: Command
    level: Level
    reason: str  # reason for the level
    effect_s: float  # when the command was expected to act
    withheld: tuple[tuple[int, str], ...] = ()  # (particle, reason why it got no light)
    notes: tuple[str, ...] = ()  # what was clipped, carried, lost or merged
    sent_s: float = float("nan")  # time at which beam.send returned
    dropped: int = 0  # frames since the start that the loop did not process

    @property
    def alarm(self) -> str:
        """The reason why many identities are uncertain at once in this turn; empty: there is none."""
        return next((note.removeprefix(ALARM) for note in self.tracks.notes if note.startswith(ALARM)), "")


class Clock(Protocol):
    def now_s(self) -> float:
        """Seconds since the run began."""
        ...


class Camera(Protocol):
    def read(self) -> Frame | None:
        """The newest frame not yet read; None if none came within the timeout. Raises Ended, Fault."""
        ...

    def close(self) -> None: ...


class Beam(Protocol):
    def send(self, command: Command) -> Command:
        """Steer, and return the command as executed. Raises Fault, after which the beam is dark."""
        ...

    def dark(self, reason: str) -> Command:
        """Switch the beam off at once. Never raises."""
        ...

    def close(self) -> None:
        """Switch the beam off and close the devices."""
        ...


class Recorder(Protocol):
    def write(self, turn: Turn) -> None:
        """Record the turn. Raises Fault if that fails: no record, no beam."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class InFlightRecorder(Recorder, Protocol):
    """A Recorder that can start while the loop runs."""

    def begin(self, memory: Any) -> None:
        """Store the memory (control.loop.LoopMemory) before the record's first turn. Called in the loop's thread
        before that turn is written; must return quickly."""
        ...


@runtime_checkable
class CrashRecorder(Recorder, Protocol):
    """A Recorder whose record states whether the program ended cleanly."""

    def leave_unfinished(self) -> None:
        """Mark the record as not ended cleanly, because the program failed; what was written is kept."""
        ...


class Tracker(Protocol):
    def start(self) -> Any: ...

    def step(self, memory: Any, frame: Frame, expected: Expected = NOTHING_EXPECTED) -> tuple[Any, Tracks]:
        """The tracks in `frame`. The tracker predicts particles absent from `expected`."""
        ...


class Policy(Protocol):
    """A law, programmed or learned. `longest_delay_s` is the length of the history that it needs."""

    @property
    def longest_delay_s(self) -> float: ...

    def start(self) -> Any: ...

    def step(self, memory: Any, seen: Seen) -> tuple[Any, Forces]: ...


class Classifier(Protocol):
    """Classifies the species of particles from image patches of `patch_px` x `patch_px`."""

    @property
    def patch_px(self) -> int: ...

    def start(self) -> Any: ...

    def step(
        self, memory: Any, particle: Ints, patches: NDArray[Any], whole: NDArray[np.bool_]
    ) -> tuple[Any, Ints, Ints]:
        """(new memory, species [N], age [N]) of particles [N] from patches [N, size, size].

        `whole` [N]: the patch lies within the image. The species is UNKNOWN before it can be determined; the age is
        the number of frames since the last classification, -1 for never."""
        ...
