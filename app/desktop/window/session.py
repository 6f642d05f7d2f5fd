"""The instrument as the window sees it: a plan, and a running of it. The window gives orders here and nowhere else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.assembly.in_flight import require_same_devices
from app.assembly.machine import build_machine
from app.assembly.open import open_instrument, open_recorder
from app.assembly.plan import pinned, unpinned
from app.assembly.rig import Plan
from app.desktop.window.applied_plans import AppliedPlans
from app.desktop.window.laser_doubts import LaserDoubts
from app.desktop.window.plan_edits import PANEL, PlanEdits
from app.desktop.window.rig_opening import RigOpening
from app.running.light_wording import Light
from app.running.loop_in_thread import LoopInThread
from app.running.plan_check import at_once, networks_of
from app.running.process import LoopProcess
from app.running.process_side import Opening, RecordOrder
from app.running.running_loop import RunningLoop
from app.running.thread import begun
from config.atomic import write_file
from config.reader import write
from config.refused import Refused
from control.contract import Fault, OrderKind, Recorder, Turn
from control.experiment import Experiment
from control.loop import Machine
from control.policies.learned_law import Learned

NOT_WHILE_RECORDING = (
    "the images that correct the camera's can't be exchanged while a run is recorded, which has those that it began "
    "with: end the record first"
)


def _recorder(instrument: Any, path: Path) -> Recorder:
    return open_recorder(instrument, path, frames=True)


@dataclass(frozen=True)
class Wiring:
    """Functions that make an instrument from a plan: those of app.assembly.open, or those of a test."""

    open_instrument: Callable[[Plan], Any] = open_instrument
    build_machine: Callable[[Plan, str], Machine] = build_machine
    open_recorder: Callable[[Any, Path], Recorder] = _recorder
    apart: Opening | None = None  # opens real-time rigs in their own process; None: all rigs run in this process
    check: Callable[[Plan, str], Any] = build_machine  # check of a network, in the Checker's process

    def loop(self, plan: Plan) -> RunningLoop:
        """The loop of a plan, not yet opened."""
        if self.apart is not None and plan.rig.rate == "real time":
            return LoopProcess(plan, self.apart)
        return LoopInThread(plan, self.open_instrument, self.open_recorder)


class Session:
    """The instrument of a window: opened by `start`, closed by `close`, dark while no loop runs.

    It has many methods because each order of the window, and each state that it shows, is one.
    """

    def __init__(self, plan: Plan, wiring: Wiring | None = None) -> None:
        self.wiring = wiring or Wiring()
        self.plan = plan  # the plan in force
        self.edits = PlanEdits(
            lambda: self.plan, self.wiring.build_machine, self.wiring.check if self.wiring.apart is not None else None
        )
        self.live: RunningLoop | None = None
        self.opening = RigOpening()
        self.opened_plan = plan  # at the last opening of the instrument, without later changes
        self.wait_for: Callable[[Future[None]], object] = Future.exception  # waits for a closing; a window paints
        self._closing: Future[None] | None = None
        self._closed_live: RunningLoop | None = None  # loop that another thread is closing
        self._doubts = LaserDoubts()
        self._commanded_off = False  # whether this rig's laser was commanded to be off
        self._applied = AppliedPlans(plan)
        self.lost_record = ""  # error of the record at the last closing of the rig
        self._recording: RecordOrder | None = None  # order to record that is in progress

    @property
    def running(self) -> bool:
        return self.live is not None and self.live.running

    @property
    def doubt(self) -> str:
        """Why a laser of this or a previous rig may be on; empty if all are off."""
        return self._doubts.text

    @property
    def light(self) -> Light:
        """State of the laser while no loop runs."""
        if self.doubt:
            return "may be on"
        if self._closed_live is not None:
            confirmed = self._closed_live.dark and not self._closed_live.lit
            return "dark" if confirmed or self.opened_plan.rig.laser.simulated else "unknown"
        if self.live is not None:
            return self.live.light
        if self.opening.unfinished:
            return "unknown"
        real_laser = self.plan.kind != "REPLAY" and not self.plan.rig.laser.simulated
        return "not asked" if real_laser and not self._commanded_off else "dark"

    @property
    def silence(self) -> str:
        """Message that the loop sends no messages, and the consequence for the light; else empty."""
        return self.live.silence if self.live is not None else ""

    @property
    def newest(self) -> Turn | None:
        return self.live.newest if self.live is not None else None

    @property
    def returned(self) -> tuple[Any, ...]:
        """Settings as returned by the devices: name, asked, returned."""
        return self.live.returned() if self.live is not None and self.live.running else ()

    def start(self) -> None:
        """Begin to open the instrument and start the loop. Returns at once; `poll` gives the result."""
        if self.running or self.opening.duration_s is not None or self._closing is not None:
            return
        self.opened_plan = self.plan
        self.opening.begin(self.wiring.loop(self.plan))

    def poll(self) -> bool:
        """Whether the loop has just started. Does not block. Raises Refused and Fault if the opening failed."""
        try:
            loop = self.opening.poll()
        except BaseException as error:
            self._commanded_off = self._commanded_off or isinstance(error, Fault)
            if self.opening.failed is not None:
                self._keep_doubt(self.opening.failed, self.opened_plan, str(error))
            raise
        if loop is None:
            return False
        self._commanded_off = True
        self._doubts.remove(self.opened_plan)  # the driver has just commanded it off
        self.live, self._applied = loop, AppliedPlans(self.opened_plan)
        if self.plan is not self.opened_plan:  # another plan was applied during the opening
            self._apply_changed_plan()
        return True

    def _apply_changed_plan(self) -> None:
        """Apply the plan changed during the opening. If refused, close, dark, and raise: the loop has another law."""
        try:
            self._apply(self.wiring.build_machine(self.plan, PANEL) if self.wiring.apart is None else None)
        except BaseException:
            self.close()
            raise

    def wait(self) -> None:
        """Wait until the instrument is open, for a program without a window. Raises Refused and Fault."""
        while self.opening.duration_s is not None:
            if not self.poll():
                time.sleep(0.02)

    def beat(self) -> None:
        """Heartbeat of the window, to be called by a timer of its thread (app.running.heartbeat)."""
        if self.live is not None:
            self.live.beat()

    def cancel(self) -> bool:
        """Cancel an opening, dark. Returns whether there was one. Does not wait for the end of its process."""
        plan = self.opened_plan
        cancelled = self.opening.cancel(lambda loop, reason: self._keep_doubt(loop, plan, reason))
        self._commanded_off = self._commanded_off or cancelled
        return cancelled

    def _keep_doubt(self, loop: RunningLoop, plan: Plan, reason: str) -> None:
        """Remember that a laser may be on, until it is confirmed to be off."""
        if loop.light != "dark":
            self._doubts.add(plan, reason)

    def order(self, kind: OrderKind, text: str = "") -> None:
        if self.live is not None:
            self.live.order(kind, text)

    def arm(self) -> None:
        """Order ARM, or PROBE (probe power) for calibration on an unconfirmed rig. A refused order gives its reason."""
        self.order(self.plan.arming)

    def apply(self, experiment: Experiment) -> None:
        """Put this experiment in force from the next turn on. If it raises Refused, nothing has changed.

        An experiment that changes settings of open devices is refused: see `PlanEdits.needs_opening`.
        """
        plan = self.edits.planned(experiment)
        if self.running or self.opening.duration_s is not None:
            require_same_devices(self.opened_plan.rig, plan.rig)
        if self.recording and set(plan.corrections) != set(self.plan.corrections):
            raise Refused(NOT_WHILE_RECORDING)
        in_own_process = self.edits.needs_process(plan)
        plan = at_once(plan, PANEL) if in_own_process else pinned(plan)
        # no check is necessary if the networks are those in force
        same_networks = in_own_process and networks_of(plan) == networks_of(self.plan)
        machine = None if same_networks else self.edits.check(plan)
        self.plan = plan
        self._apply(machine)

    def _apply(self, machine: Machine | None) -> None:
        """Send the plan in force to the loop. A loop in its own process builds the machine itself."""
        if self.live is not None and self.running:
            self.live.apply(self.plan, machine)
            self._applied.add(self.live, self.plan)

    def not_applied(self) -> str:
        """Why the last applied settings are not in force, once; `plan` is then again the plan in force.

        The loop's process stays dark until it receives settings that it can put in force.
        """
        reverted = self._applied.put_back(self.live) if self.live is not None else None
        if reverted is None:
            return ""
        self.plan, reason = reverted
        return reason

    @property
    def recording(self) -> bool:
        """Whether a record is open or ordered."""
        return self.running and self.live is not None and (self.live.recording or self.asked_to_record)

    @property
    def asked_to_record(self) -> bool:
        """Whether an order to begin or end a record is in progress."""
        return self._recording is not None

    def record(self, path: Path | None) -> None:
        """Write every turn from the next one on to this new file; None ends the record. The loop does not change.

        Does not block: `recorded` gives the result. Raises Fault while the last order is in progress.
        """
        if self.live is None or not self.running:
            return
        if self._recording is not None:
            raise Fault("the last order to record is still being obeyed")
        self.live.ask_record(path)
        self._recording = RecordOrder(path)

    def recorded(self) -> RecordOrder | None:
        """The order to record that was just done; else None. Does not block.

        Raises Refused, Fault if it failed; an open record then continues.
        """
        record_order = self._recording
        if record_order is None or self.live is None:
            return None
        try:
            if not self.live.answered():
                return None
        except BaseException:
            self._recording = None
            raise
        self._recording = None
        return record_order

    def open(self, plan: Plan) -> None:
        """Close the instrument, dark, and take another plan. If it raises Fault, the old plan stays."""
        self.close()
        same_laser = plan.rig.laser == self.plan.rig.laser
        self.edits.begin(plan)
        self.plan, self._commanded_off = plan, self._commanded_off and same_laser

    def close(self) -> None:
        """Switch the beam off and close the instrument, in every state; cancel an opening.

        Raises Fault. Slow steps run in another thread; `wait_for` waits for it.
        """
        if self._closing is not None:  # called again while the window waits
            self.wait_for(self._closing)
        self.cancel()
        self._recording = None
        self.lost_record = ""
        if self.live is not None:
            live, self.live = self.live, None
            trouble_before = live.recorder_trouble
            self._closed_live = live
            try:
                self._run_in_thread(live.close)
            except Fault as fault:
                self._keep_doubt(live, self.opened_plan, str(fault))
                raise
            finally:
                self._closed_live = None
                self.lost_record = live.recorder_trouble if live.recorder_trouble != trouble_before else ""

    def close_helpers(self) -> None:
        """End the checker's process and a cancelled opening, when the window closes.

        Raises Fault if a laser may be on after one more command to switch off.
        """
        self._run_in_thread(self._close_helpers)

    def _close_helpers(self) -> None:
        self.opening.wait_for_end()
        self.edits.close()
        self._doubts.settle()

    def _run_in_thread(self, close: Callable[[], None]) -> None:
        """Run the call in another thread while `wait_for` waits. Raises the exceptions of the call."""
        self._closing = closing = begun(close)
        try:
            self.wait_for(closing)
        finally:
            self._closing = None
        closing.result()


def save_experiment(plan: Plan, experiment: Experiment, path: Path) -> None:
    """Write the experiment as readable YAML, with paths relative to the new file. Raises Fault."""
    experiment = replace(unpinned(experiment), rig=os.path.relpath(plan.folder / experiment.rig, path.parent))
    law = experiment.policy
    if isinstance(law, Learned):
        checkpoint = os.path.relpath(plan.folder / law.checkpoint, path.parent)
        experiment = replace(experiment, policy=replace(law, checkpoint=checkpoint))
    try:
        write_file(path, write(experiment), "an experiment file", kind=None, make_folder=False, own=True)
    except OSError as error:
        raise Fault(f"{path}: this file can't be written ({error.strerror})") from None
