"""The window's interface to the instrument: a plan and its running loop. All orders of the window pass through it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.assembly.given_keys import names_of
from app.assembly.in_flight import changed_values, opened_anew, require_same_devices
from app.assembly.machine import build_light, build_machine, latency_s, needs_network
from app.assembly.open import open_instrument, open_recorder
from app.assembly.plan import flyable, pinned, planned, unpinned
from app.assembly.rig import Plan
from app.assembly.stated_by_recording import value_at
from app.console.error_words import sentence
from app.desktop.window.applied_plans import AppliedPlans
from app.desktop.window.laser_doubts import LaserDoubts
from app.running.heartbeat import Heartbeat, Watcher
from app.running.light_wording import Light
from app.running.plan_check import Checker, at_once, networks_of
from app.running.process import Apart
from app.running.process_side import Opening
from app.running.thread import Live, begun, let_go
from config.atomic import write_file
from config.reader import Document, plain, write
from config.refused import Refused
from control.contract import Fault, OrderKind, Recorder, Turn
from control.experiment import Experiment
from control.loop import Machine
from control.policies.calibrating import Calibrating
from control.policies.learned_law import Learned
from control.theory.conditions import Conditions

PANEL = "the experiment panel"
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


def for_the_window(error: BaseException) -> Exception:
    """An error of a worker thread, to raise in the window's thread. A SystemExit of a law must not end the window."""
    return error if isinstance(error, Exception) else Fault(sentence(error))


class Here:
    """Opens an instrument in a thread of this process. Same interface as an Apart while it opens."""

    def __init__(self, wiring: Wiring, plan: Plan) -> None:
        self._wiring, self._plan = wiring, plan
        self.instrument: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._open, name="opening", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def opened(self) -> bool:
        """Whether the instrument is open; does not block. Raises Refused and Fault."""
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise for_the_window(self._error)
        return True

    def close(self) -> None:
        """Switch off and close the opened instrument."""
        self._thread.join()
        if self.instrument is not None:
            let_go(self.instrument.beam, self.instrument.camera)

    def _open(self) -> None:
        try:
            self.instrument = self._wiring.open_instrument(self._plan)
        except BaseException as error:  # noqa: BLE001  raised again in the window's thread
            self._error = error


class RecordRequest:
    """An order to begin or end a record. The loop's process executes it, or a thread of this process.

    Opening a file on a slow disk may take long.
    """

    def __init__(self, live: Live | Apart, path: Path | None, open_record: Callable[[Path], Recorder]) -> None:
        self.path = path
        self._live, self._open = live, open_record
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._record, name="record", daemon=True)

    def begin(self) -> None:
        if not isinstance(self._live, Apart):
            self._thread.start()

    def done(self) -> bool:
        """Whether the order is done; does not block. Raises Refused, Fault."""
        if isinstance(self._live, Apart):
            return self._live.answered()
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise for_the_window(self._error)
        return True

    def _record(self) -> None:
        assert isinstance(self._live, Live)
        try:
            self._live.record(None if self.path is None else self._open(self.path))
        except BaseException as error:  # noqa: BLE001  raised again in the window's thread
            self._error = error


class Session:
    """The instrument of a window: opened by `start`, closed by `close`, dark while no loop runs."""

    def __init__(self, plan: Plan, wiring: Wiring | None = None) -> None:
        self.wiring = wiring or Wiring()
        self.plan = plan  # the plan in force
        self.live: Live | Apart | None = None
        self.instrument: Any = None
        self._opening: Apart | Here | None = None
        self._opening_s = 0.0  # start time of the opening
        self._ending: threading.Thread | None = None  # ends a cancelled opening
        self.wait_for: Callable[[Future[None]], object] = Future.exception  # waits for a closing; a window paints
        self._closing: Future[None] | None = None
        self._closed_live: Live | Apart | None = None  # loop that another thread is closing
        self._cancelled = False  # the end of a cancelled opening is not shown yet
        self._doubts = LaserDoubts()
        self._asked = False  # whether this rig's laser was commanded to be off
        self._opened_plan = plan
        self._applied = AppliedPlans(plan)
        self.lost_record = ""  # error of the record at the last closing of the rig
        self._beats = 0
        self._watcher: Watcher | None = None
        self._checker: Checker | None = None
        self._recording: RecordRequest | None = None  # an order that is not done yet
        self.particles = 0  # number of particles at the last count
        self._before: dict[str, Any] = {}  # rig values that the experiment's `set` has replaced

    @property
    def running(self) -> bool:
        return self.live is not None and self.live.running

    @property
    def opened_plan(self) -> Plan:
        """The plan at the last opening of the instrument, without later APPLYs."""
        return self._opened_plan

    @property
    def opening_s(self) -> float | None:
        """Time since the opening of the instrument began; None if it is not being opened."""
        return time.monotonic() - self._opening_s if self._opening is not None else None

    @property
    def opening_note(self) -> str:
        """Present step of the opening, in words: it compiles."""
        return self._opening.note if isinstance(self._opening, Apart) else ""

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
            return "dark" if confirmed or self._opened_plan.rig.laser.simulated else "unknown"
        if isinstance(self.live, Apart):
            return self.live.light
        if self._ending is not None:
            return "unknown"
        real = self.plan.kind != "REPLAY" and not self.plan.rig.laser.simulated
        return "not asked" if real and not self._asked else "dark"

    @property
    def silence(self) -> str:
        """Message that the loop's process sends no messages, and the consequence for the light; else empty."""
        return self.live.silence if isinstance(self.live, Apart) else ""

    @property
    def asked_to_record(self) -> bool:
        """Whether an order to begin or end a record is in progress."""
        return self._recording is not None

    @property
    def newest(self) -> Turn | None:
        return self.live.newest if self.live is not None else None

    def means(self, experiment: Experiment) -> Conditions:
        """The conditions for an experiment. Raises Refused, StillChecking. Does not wait for the check of a network."""
        plan = self.planned(experiment)
        self._check(plan)
        rig = plan.rig
        seen_s = rig.camera.exposure_s / 2.0 + rig.camera.readout_s
        particles = self.particles or rig.sample.number
        return Conditions(rig.plant, build_light(plan), seen_s + latency_s(rig), 1.0 / rig.camera.fps, particles)

    def planned(self, experiment: Experiment, edits: Iterable[str] = ()) -> Plan:
        """The plan with another experiment, whose `set` is applied to the rig. Raises Refused.

        A key removed from `set` gets back the earlier value of the rig; an APPLY in the record contains that value too.

        Args:
            edits: keys of the rig that the user has just set, also to the value that `set` already has.
        """
        edits = tuple(edits)
        if not edits and experiment == self.plan.experiment:
            return self.plan
        experiment = replace(experiment, set=self._whole(experiment.set))
        if not edits and experiment.set == self.plan.experiment.set:
            return replace(self.plan, experiment=experiment)
        changed = changed_values(self.plan.experiment.set, experiment.set)
        edited = {key: experiment.set[key] for key in edits if key in experiment.set}
        new = replace(experiment, set=changed | edited)
        wanted, rig = (Document("the panel", plain(value), {}) for value in (new, self.plan.rig))
        recorded = self.plan.corrections if self.plan.kind == "REPLAY" else None  # correction images of the run
        made = planned(wanted, rig, (), self.plan.folder, at_once if self._apart else flyable, recorded)
        told = names_of(experiment.set, self.plan.unknown)
        unknown = tuple(key for key in self.plan.unknown if key not in told)
        whole = {key: made.experiment.set.get(key, value) for key, value in experiment.set.items()}
        made = replace(made, experiment=replace(made.experiment, set=whole))
        return replace(made, taken=self.plan.taken, unknown=unknown)

    def _whole(self, values: dict[str, Any]) -> dict[str, Any]:
        """These rig values, and for each key that is set now and not among them the rig's earlier value."""
        now = self.plan.experiment.set
        new, gone = values.keys() - now.keys(), now.keys() - values.keys()
        if new:
            rig = Document("the rig", plain(self.plan.rig), {})
            self._before |= {key: value_at(rig, key) for key in new}
        return {**values, **{key: self._before[key] for key in sorted(gone) if key in self._before}}

    @property
    def _apart(self) -> bool:
        return self.wiring.apart is not None

    def _check(self, plan: Plan) -> Machine | None:
        """Check a plan. Returns the machine if it is built in this process. Raises Refused, StillChecking."""
        if self._apart and needs_network(plan):
            if self._checker is None:
                self._checker = Checker(self.wiring.check)
            self._checker.check(at_once(plan, PANEL), PANEL)
            return None
        return self.wiring.build_machine(plan, PANEL)

    @property
    def checked(self) -> bool:
        """Whether the result after a StillChecking has arrived since the last call."""
        return self._checker is not None and self._checker.news()

    def start(self) -> None:
        """Begin to open the instrument and start the loop. Returns at once; `poll` gives the result."""
        if self.running or self._opening is not None or self._closing is not None:
            return
        self._wait_for_the_last()
        real = self.plan.rig.rate == "real time"
        opening: Apart | Here
        if self.wiring.apart is not None and real:
            opening = Apart(self.plan, self.wiring.apart)
        else:
            opening = Here(self.wiring, self.plan)
        self._opening, self._opening_s, self._opened_plan = opening, time.monotonic(), self.plan
        opening.begin()

    def poll(self) -> bool:
        """Whether the loop has just started. Does not block. Raises Refused and Fault if the opening failed."""
        opening = self._opening
        if opening is None:
            return False
        try:
            if not opening.opened():
                return False
        except BaseException as error:
            self._opening = None
            self._asked = self._asked or isinstance(error, Fault)
            self._keep_doubt(opening, self._opened_plan, str(error))
            raise
        self._opening, self._asked = None, True
        self._doubts.remove(self._opened_plan)  # the driver has just commanded it off
        if isinstance(opening, Apart):
            self.live = self.instrument = opening
            self._applied = AppliedPlans(self._opened_plan)
        else:
            self._begin_here(opening.instrument)
        if self.plan is not self._opened_plan:  # another plan was applied during the opening
            self._apply_what_came()
        return True

    def _apply_what_came(self) -> None:
        """Apply the plan changed during the opening. If refused, close, dark, and raise: the loop has another law."""
        try:
            self._apply(self.wiring.build_machine(self.plan, PANEL) if not self._apart else None)
        except BaseException:
            self.close()
            raise

    def _begin_here(self, opened: Any) -> None:
        self._beats, self.instrument = 0, opened
        self.live = live = Live(opened.machine, opened.camera, opened.beam, opened.clock)
        live.start()
        timeout_s = self._opened_plan.rig.loop.window_timeout_s
        heart = Heartbeat(
            timeout_s, lambda: self._beats, lambda: live.newest, lambda why: live.order(OrderKind.TRIP, why)
        )
        self._watcher = Watcher(heart.look)

    def wait(self) -> None:
        """Wait until the instrument is open, for a program without a window. Raises Refused and Fault."""
        while self._opening is not None:
            if not self.poll():
                time.sleep(0.02)

    def beat(self) -> None:
        """Heartbeat of the window, to be called by a timer of its thread (app.running.heartbeat)."""
        self._beats += 1
        if isinstance(self.live, Apart):
            self.live.beat()

    def cancel(self) -> bool:
        """Cancel an opening, dark. Returns whether there was one. Does not wait for the end of its process."""
        opening, self._opening = self._opening, None
        if opening is not None:
            plan = self._opened_plan
            self._asked = self._cancelled = True
            self._ending = threading.Thread(target=self._end, args=(opening, plan), name="end of opening", daemon=True)
            self._ending.start()
        return opening is not None

    def _end(self, opening: Apart | Here, plan: Plan) -> None:
        try:
            opening.close()
        except Fault as fault:
            self._keep_doubt(opening, plan, str(fault))

    def _keep_doubt(self, ended: Apart | Here | Live, plan: Plan, why: str) -> None:
        """Remember that a laser may be on, until it is confirmed to be off."""
        if isinstance(ended, Apart) and ended.light != "dark":
            self._doubts.add(plan, why)

    def cancelled(self) -> bool:
        """Whether a cancelled opening has released its devices since the last call."""
        if not self._cancelled or self.ending:
            return False
        self._cancelled, self._ending = False, None
        return True

    @property
    def ending(self) -> bool:
        """Whether a cancelled opening still holds its devices."""
        return self._ending is not None and self._ending.is_alive()

    def _wait_for_the_last(self) -> None:
        """Wait until a cancelled opening has released its devices."""
        if self._ending is not None:
            self._ending.join()
            self._ending = None

    @property
    def returned(self) -> tuple[Any, ...]:
        """Settings as returned by the devices: name, asked, returned."""
        return tuple(self.instrument.returned()) if self.running else ()

    def order(self, kind: OrderKind, text: str = "") -> None:
        if self.live is not None:
            self.live.order(kind, text)

    def arm(self) -> None:
        """Order ARM, or PROBE (probe power) for calibration on an unconfirmed rig. A refused order gives its reason."""
        probing = not self.plan.rig.confirmed and isinstance(self.plan.experiment.policy, Calibrating)
        self.order(OrderKind.PROBE if probing else OrderKind.ARM)

    def apply(self, experiment: Experiment) -> None:
        """Put this experiment in force from the next turn on. If it raises Refused, nothing has changed.

        An experiment that changes settings of open devices is refused: see `needs_opening`.
        """
        plan = self.planned(experiment)
        if self._is_open:
            require_same_devices(self._opened_plan.rig, plan.rig)
        self._refuse_other_corrections(plan)
        apart = self._apart and needs_network(plan)
        plan = at_once(plan, PANEL) if apart else pinned(plan)
        same = apart and networks_of(plan) == networks_of(self.plan)  # the networks in force: no check is necessary
        machine = None if same else self._check(plan)
        self.plan = plan
        self._apply(machine)

    def needs_opening(self, experiment: Experiment) -> bool:
        """Whether this experiment's `set` requires reopening the devices. Raises Refused."""
        return bool(opened_anew(self.plan.rig, self.planned(experiment).rig))

    def not_applied(self) -> str:
        """Why the last applied settings are not in force, once; `plan` is then again the plan in force.

        The loop's process stays dark until it receives settings that it can put in force.
        """
        found = self._applied.put_back(self.live) if isinstance(self.live, Apart) else None
        if found is None:
            return ""
        self.plan, why = found
        return why

    @property
    def _is_open(self) -> bool:
        """Whether the devices are open or being opened."""
        return self.running or self._opening is not None

    @property
    def recording(self) -> bool:
        """Whether a record is open or ordered."""
        return self.running and self.live is not None and (self.live.recording or self.asked_to_record)

    def _refuse_other_corrections(self, plan: Plan) -> None:
        """Raises Refused if a record is open: it contains only the correction images from its beginning."""
        if self.recording and set(plan.corrections) != set(self.plan.corrections):
            raise Refused(NOT_WHILE_RECORDING)

    def _apply(self, machine: Machine | None) -> None:
        """Send the plan in force to the loop. A loop in its own process builds the machine itself."""
        if self.live is None or not self.running:
            return
        if isinstance(self.live, Apart):
            self.live.order(OrderKind.APPLY, write(self.plan.experiment))
            self._applied.add(self.live, self.plan)
        elif machine is not None:
            self.live.apply(machine, write(self.plan.experiment))

    def record(self, path: Path | None) -> None:
        """Write every turn from the next one on to this new file; None ends the record. The loop does not change.

        Does not block: `recorded` gives the result. Raises Fault while the last order is in progress.
        """
        if self.live is None or not self.running:
            return
        if self._recording is not None:
            raise Fault("the last order to record is still being obeyed")
        if isinstance(self.live, Apart):
            self.live.ask_record(path)
        self._recording = RecordRequest(self.live, path, self._open_record)
        self._recording.begin()

    def _open_record(self, path: Path) -> Recorder:
        return self.wiring.open_recorder(replace(self.instrument, plan=self.plan), path)

    def recorded(self) -> RecordRequest | None:
        """The order to record that was just done; else None. Does not block.

        Raises Refused, Fault if it failed; an open record then continues.
        """
        asked = self._recording
        if asked is None:
            return None
        try:
            if not asked.done():
                return None
        except BaseException:
            self._recording = None
            raise
        self._recording = None
        return asked

    def open(self, plan: Plan) -> None:
        """Close the instrument, dark, and take another plan. If it raises Fault, the old plan stays."""
        self.close()
        same_laser = plan.rig.laser == self.plan.rig.laser
        self._before = {key: value for key, value in self._before.items() if key in plan.experiment.set}
        self.plan, self.particles, self._asked = plan, 0, self._asked and same_laser

    def close(self) -> None:
        """Switch the beam off and close the instrument, in every state; cancel an opening.

        Raises Fault. Slow steps run in another thread; `wait_for` waits for it.
        """
        if self._closing is not None:  # called again while the window waits
            self.wait_for(self._closing)
        self.cancel()
        self._recording = None
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.close()
        self.lost_record = ""
        if self.live is not None:
            live, self.live = self.live, None
            before = live.recorder_trouble
            self._closed_live = live
            try:
                self._behind(live.close)
            except Fault as fault:
                self._keep_doubt(live, self._opened_plan, str(fault))
                raise
            finally:
                self._closed_live = None
                self.lost_record = live.recorder_trouble if live.recorder_trouble != before else ""

    def close_helpers(self) -> None:
        """End the checker's process and a cancelled opening, when the window closes.

        Raises Fault if a laser may be on after one more command to switch off.
        """
        self._behind(self._close_helpers)

    def _close_helpers(self) -> None:
        self._wait_for_the_last()
        if self._checker is not None:
            self._checker.close()
        self._doubts.settle()

    def _behind(self, close: Callable[[], None]) -> None:
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
        there = os.path.relpath(plan.folder / law.checkpoint, path.parent)
        experiment = replace(experiment, policy=replace(law, checkpoint=there))
    try:
        write_file(path, write(experiment), "an experiment file", kind=None, make_folder=False, own=True)
    except OSError as error:
        raise Fault(f"{path}: this file can't be written ({error.strerror})") from None
