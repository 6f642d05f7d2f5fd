"""The instrument as the window sees it: a plan, and a running of it. The window gives orders here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.live import Live
from app.predict import Means
from config.reader import write
from control.contract import Beam, Camera, Clock, OrderKind, Recorder, Turn
from control.loop import Machine
from control.plant import Plant


class Instrument(Protocol):
    """What is plugged together for one running."""

    @property
    def machine(self) -> Machine: ...

    @property
    def camera(self) -> Camera: ...

    @property
    def beam(self) -> Beam: ...

    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True)
class Wiring:
    """How an instrument is made from a rig and an experiment: functions of app.rig, or of a test."""

    kind: str  # REAL, SIMULATED or REPLAY
    um_per_px: float
    plant: Plant
    open_instrument: Callable[[Any], Instrument]  # of an experiment
    build_machine: Callable[[Any], Machine]  # of an experiment
    open_recorder: Callable[[Any, Any, Path], Recorder]  # of an instrument and the experiment in force


class Session:
    """One window's instrument: opened by start, closed by close, dark whenever nobody runs it."""

    def __init__(self, wiring: Wiring, experiment: Any) -> None:
        self.wiring = wiring
        self.experiment = experiment  # as it is in force
        self.live: Live | None = None
        self.instrument: Instrument | None = None

    @property
    def running(self) -> bool:
        return self.live is not None and self.live.running

    def means(self, experiment: Any) -> Means:
        """What an experiment would have to work with. Raises Refused."""
        machine = self.wiring.build_machine(experiment)
        particles = len(self.newest.tracks) if self.newest is not None else 1
        return Means(self.wiring.plant, machine.light, machine.latency_s, machine.hold_s, max(particles, 1))

    @property
    def newest(self) -> Turn | None:
        return self.live.newest if self.live is not None else None

    def start(self) -> None:
        """Open the instrument and turn the loop. Raises Refused and Fault."""
        if self.running:
            return
        self.instrument = instrument = self.wiring.open_instrument(self.experiment)
        self.live = Live(instrument.machine, instrument.camera, instrument.beam, instrument.clock)
        self.live.start()

    def order(self, kind: OrderKind, text: str = "") -> None:
        if self.live is not None:
            self.live.order(kind, text)

    def apply(self, experiment: Any) -> None:
        """This experiment from the next turn on. Raises Refused, and then nothing has changed."""
        machine = self.wiring.build_machine(experiment)
        self.experiment = experiment
        if self.live is not None and self.running:
            self.live.apply(machine, write(experiment))

    def record(self, path: Path | None) -> None:
        """Write every turn to this new file; None ends the record."""
        if self.live is not None and self.running:
            begun = path is not None and self.wiring.open_recorder(self.instrument, self.experiment, path)
            self.live.record(begun or None)

    def close(self) -> None:
        """However it is called, the beam is dark after it."""
        if self.live is not None:
            live, self.live = self.live, None
            live.close()
