"""The instrument as the window sees it: a plan, and a running of it. The window gives orders here and nowhere else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.apart import Apart
from app.host import Opening
from app.live import Live
from app.machine import build_machine, ready_for_learned
from app.means import Means
from app.plan import pinned, planned, unpinned
from app.rig import open_instrument, open_recorder
from app.rig_file import Plan
from config.atomic import write_file
from config.reader import Document, plain, write
from control.contract import Fault, OrderKind, Recorder, Turn
from control.experiment import Experiment, Learned
from control.loop import Machine
from control.policies.calibrating import Calibrating


def _recorder(instrument: Any, path: Path) -> Recorder:
    return open_recorder(instrument, path, frames=True)


@dataclass(frozen=True)
class Wiring:
    """How a plan becomes an instrument: as app.rig does it, or a test."""

    open_instrument: Callable[[Plan], Any] = open_instrument
    build_machine: Callable[[Plan, str], Machine] = build_machine
    open_recorder: Callable[[Any, Path], Recorder] = _recorder
    apart: Opening | None = None  # opens rigs in real time in a process of their own; None: everything is here


class Session:
    """One window's instrument: opened by start, closed by close, dark whenever nobody runs it."""

    def __init__(self, plan: Plan, wiring: Wiring | None = None) -> None:
        self.wiring = wiring or Wiring()
        self.plan = plan  # as it is in force
        self.live: Live | Apart | None = None
        self.instrument: Any = None
        self.particles = 0  # as many as were seen last

    @property
    def running(self) -> bool:
        return self.live is not None and self.live.running

    @property
    def newest(self) -> Turn | None:
        return self.live.newest if self.live is not None else None

    def means(self, experiment: Experiment) -> Means:
        """What an experiment would have to work with. Raises Refused."""
        plan = self.planned(experiment)
        machine = self.wiring.build_machine(plan, "the experiment panel")
        seen_s = plan.rig.camera.exposure_s / 2.0 + plan.rig.camera.readout_s
        particles = self.particles or plan.rig.sample.number
        return Means(plan.rig.plant, machine.light, seen_s + machine.latency_s, machine.hold_s, particles)

    def planned(self, experiment: Experiment) -> Plan:
        """The plan with another experiment, whose `set` goes into the rig. Raises Refused."""
        if experiment == self.plan.experiment:
            return self.plan
        if experiment.set == self.plan.experiment.set:
            return replace(self.plan, experiment=experiment)
        wanted, rig = (Document("the panel", plain(value), {}) for value in (experiment, self.plan.rig))
        return planned(wanted, rig, (), self.plan.folder)

    def start(self) -> None:
        """Open the instrument and turn the loop. Raises Refused and Fault."""
        if self.running:
            return
        if self.wiring.apart is not None and self.plan.rig.rate == "real time":
            threading.Thread(target=ready_for_learned, daemon=True).start()  # while the other process begins
            apart = Apart(self.plan, self.wiring.apart)
            apart.start()
            self.live = self.instrument = apart
            return
        self.instrument = opened = self.wiring.open_instrument(self.plan)
        self.live = Live(opened.machine, opened.camera, opened.beam, opened.clock)
        self.live.start()

    @property
    def returned(self) -> tuple[Any, ...]:
        """Settings as the devices gave them back: name, asked, returned."""
        return tuple(self.instrument.returned()) if self.running else ()

    def order(self, kind: OrderKind, text: str = "") -> None:
        if self.live is not None:
            self.live.order(kind, text)

    def arm(self) -> None:
        """Light; of an unconfirmed rig only for a calibration, at probe power. An order that is refused says why."""
        probing = not self.plan.rig.confirmed and isinstance(self.plan.experiment.policy, Calibrating)
        self.order(OrderKind.PROBE if probing else OrderKind.ARM)

    def apply(self, experiment: Experiment) -> None:
        """This experiment from the next turn on. Raises Refused, and then nothing has changed."""
        plan = pinned(self.planned(experiment))
        machine = self.wiring.build_machine(plan, "the experiment panel")
        self.plan = plan
        if self.live is not None and self.running:
            self.live.apply(machine, write(plan.experiment))

    def record(self, path: Path | None) -> None:
        """Write every turn from the next one on to this new file; None ends the record. The loop goes on as it was.

        Raises Refused, Fault, and then a record that was open goes on.
        """
        if self.live is not None and self.running:
            if path is None:
                self.live.record(None)
            elif isinstance(self.live, Apart):
                self.live.record(path)
            else:
                self.live.record(self.wiring.open_recorder(replace(self.instrument, plan=self.plan), path))

    def open(self, plan: Plan) -> None:
        """Another plan: what ran is dark and closed. Raises Fault."""
        self.close()
        self.plan, self.particles = plan, 0

    def close(self) -> None:
        """However it is called, the beam is dark after it."""
        if self.live is not None:
            live, self.live = self.live, None
            live.close()


def save_experiment(plan: Plan, experiment: Experiment, path: Path) -> None:
    """As YAML that a person can read, with the paths in it as seen from there. Raises Fault."""
    experiment = replace(unpinned(experiment), rig=os.path.relpath(plan.folder / experiment.rig, path.parent))
    law = experiment.policy
    if isinstance(law, Learned):
        there = os.path.relpath(plan.folder / law.checkpoint, path.parent)
        experiment = replace(experiment, policy=replace(law, checkpoint=there))
    try:
        write_file(path, write(experiment), "an experiment file", make_folder=False)
    except OSError as error:
        raise Fault(f"{path}: this file can't be written ({error.strerror})") from None
