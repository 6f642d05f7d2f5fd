"""The wiring diagram: from a plan to an open instrument and its recorder."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from app.assembly.correction_images import located_set, with_corrections
from app.assembly.in_flight import changed_values
from app.assembly.instrument import Instrument
from app.assembly.machine import build_machine
from app.assembly.pairing import Pairing, pairing_of
from app.assembly.recording import GUESSED, open_recording
from app.assembly.rig import Plan, Rig, field_um
from app.assembly.stored_memory import encoded
from app.assembly.warm_up import pixel_type, warm_up_once
from config.kinds import installed_plug_ins, require_recorded, used_plug_ins
from config.reader import Document, build, parse, plain, put_all
from config.refused import Refused
from config.words import one_line, quoted
from control.experiment import Experiment
from control.loop import Machine
from drivers.device_settings import of_class
from drivers.journal import Header, Journal, Kind, corrections, git_hash, versions
from drivers.journal import now as wall_clock
from drivers.sim.bench import open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.ideal_bench import PlantCamera, open_plant
from drivers.sim.laser import SimulatedLaser
from drivers.sim.playback import EmptyField, open_playback
from drivers.video import VideoCamera


def plan_after(before: Plan, text: str, source: str = "") -> Plan:
    """The plan after an APPLY with this text of an experiment; a new `set` changes values of the rig.

    Raises Refused. `source` is the beginning of the error message: the file of a run, and a colon.
    """
    source += "the experiment of an APPLY"
    experiment: Experiment = build(parse(text, source), Experiment)
    if before.plug_ins is not None:
        require_recorded(used_plug_ins(experiment), before.plug_ins, f"{source}: ")
    if experiment.set == before.experiment.set:
        return replace(before, experiment=experiment)
    values = located_set(changed_values(before.experiment.set, experiment.set), before.folder)
    bench = put_all(Document(source, plain(before.rig), {}), ((key, value, source) for key, value in values.items()))
    rig: Rig = build(bench, type(before.rig))
    if not rig.light_acts and rig.tracking.trapped == "commanded":  # set by an experiment for a live rig
        rig = replace(rig, tracking=replace(rig.tracking, trapped=before.rig.tracking.trapped))
    return with_corrections(replace(before, rig=rig, experiment=experiment))


def open_instrument(plan: Plan) -> Instrument:
    """Open the devices of a plan, dark, after compiling everything that its run needs. Raises Refused, Fault."""
    try:
        return _open(plan)
    except (ValueError, OverflowError, MemoryError) as error:  # inconsistent numbers
        raise Refused(f"{quoted(plan.rig.title)}: this rig can't be opened ({one_line(error)})") from None


def _open(plan: Plan) -> Instrument:
    machine = build_machine(plan)
    pairing = pairing_of(plan.rig)
    match pairing:
        case Pairing.SIMULATED:
            return open_simulated(plan, machine)
        case Pairing.IDEAL:
            return open_springs(plan, machine)
        case Pairing.REPLAY:
            return open_replay(plan, machine)
    from app.assembly.open_real import open_real  # here: most runs have no real device

    return open_real(plan, machine, pairing)


def open_simulated(plan: Plan, machine: Machine) -> Instrument:
    """Open the simulated sample, camera and light, in lockstep or in real time. Raises Refused."""
    rig = plan.rig
    warm_up_once(plan, machine)
    bench = open_bench(
        rig.sample,
        of_class(rig.camera, SimulatedCamera),
        of_class(rig.deflector, SimulatedDeflector),
        of_class(rig.laser, SimulatedLaser),
        um_per_px=rig.optics.um_per_px,
        latency_s=rig.loop.latency_s,
        rate=None if rig.rate == "lockstep" else 1.0,
        seed=plan.experiment.seed,
        power_cap_mw=rig.power_mw,
        um_to_v=rig.um_to_v(),
        heartbeat_s=rig.loop.stale_periods / rig.camera.fps,
    )
    return Instrument(
        plan,
        machine,
        bench.camera,
        bench.beam,
        bench.clock,
        rig.camera.height_px,
        rig.camera.width_px,
        pixel_type(plan),
        None,
        firmware={"deflector": bench.deflector.firmware, "laser": bench.laser.firmware},
        world=bench.world.description,
    )


def open_springs(plan: Plan, machine: Machine) -> Instrument:
    """Open the simulated world without optics. Raises Refused."""
    rig = plan.rig
    camera, laser = of_class(rig.camera, PlantCamera), of_class(rig.laser, SimulatedLaser)
    warm_up_once(plan, machine)
    bench = open_plant(
        rig.sample,
        camera,
        um_per_px=rig.optics.um_per_px,
        waist_um=laser.waist_um,
        depth_kt_per_mw=laser.depth_kt_per_mw,
        latency_s=rig.loop.latency_s,
        seed=plan.experiment.seed,
    )
    number = len(bench.world.cell)
    return Instrument(
        plan, machine, bench.camera, bench.beam, bench.clock, number, 4, "float64", None, world=bench.world.description
    )


def open_replay(plan: Plan, machine: Machine) -> Instrument:
    """Open a recorded video or run in place of a camera. The recording waits for the loop. Raises Refused."""
    rig = plan.rig
    camera = of_class(rig.camera, VideoCamera)
    recorded_light = rig.tracking.trapped == "recorded"
    recording = open_recording(camera, rig.optics.um_per_px if recorded_light else 0.0)
    if recorded_light and not recording.lit:
        recording.camera.close()
        raise Refused(f"{camera.path}: tracking.trapped is 'recorded', and its particles felt no recorded light "
                      "(allowed: last)")  # fmt: skip
    low_um, high_um = field_um(rig)
    field = EmptyField(
        low_um=low_um, high_um=high_um, power_cap_mw=rig.loop.power_cap_mw,
        heartbeat_s=rig.loop.stale_periods / camera.fps,
    )  # fmt: skip
    playback_camera, beam, clock = open_playback(
        recording.camera, recording.arrived_s, of_class(rig.deflector, SimulatedDeflector),
        of_class(rig.laser, SimulatedLaser), field, latency_s=rig.loop.latency_s,
    )  # fmt: skip
    if recording.tracker is not None:
        machine = replace(machine, tracker=recording.tracker)
    size = (recording.height_px, recording.width_px, recording.pixel_type)
    return Instrument(plan, machine, playback_camera, beam, clock, *size, recording.frames)


def header_of_calibration(rig: Rig) -> dict[str, Any]:
    """The calibration of the rig, for the header of a run."""
    calibration = rig.calibration
    return {
        "px_to_um": rig.optics.um_per_px,
        "origin": calibration.file or "estimate, not calibrated",
        "map": calibration.map if rig.confirmed else "unconfirmed",
        "made": [plain(record) for record in calibration.made],
    }


def device_facts(instrument: Instrument) -> dict[str, Any]:
    """The facts about the devices for the header of a run; unknown facts are left out.

    devices: the identities that they report; firmware: maker, model and version; returned: settings read back from the
    devices when the record began, null if a device reports none; world: the simulated world in their place.
    """
    returned = [
        {
            "name": setting.name,
            "asked": setting.asked,
            "returned": setting.returned if math.isfinite(setting.returned) else None,
        }
        for setting in instrument.returned()
    ]
    facts = {
        "devices": dict(instrument.devices), "firmware": dict(instrument.firmware), "returned": returned,
        "world": instrument.world,
    }  # fmt: skip
    return {name: value for name, value in facts.items() if value}


def corrected_by(plan: Plan) -> dict[str, Any]:
    """The correction images of the frames, for the header of a run; empty if there are none."""
    return {corrections.DATASET: corrections.listed(plan.corrections)} if plan.corrections else {}


def sources(plan: Plan) -> dict[str, Any]:
    """The sources of a recording's frame rate and scale, and which of them are guesses, for the header of a run."""
    entries = {"taken": [*plan.taken], GUESSED: [*plan.unknown]}
    return {name: entry for name, entry in entries.items() if entry}


def plug_ins() -> dict[str, Any]:
    """The installed plug-ins, for the header of a run: an APPLY may use any of them. Empty: there are none."""
    listed = [asdict(plug_in) for plug_in in installed_plug_ins()]
    return {"plug_ins": listed} if listed else {}


def open_recorder(instrument: Instrument, path: Path, *, frames: bool, source: str = "") -> Journal:
    """A journal for this run. It waits for the disk only in lockstep, where the simulated particles wait too."""
    from config.reader import write

    plan = instrument.plan
    low_um, high_um = field_um(plan.rig)
    header = Header(
        kind=plan.kind,
        rig=write(plan.rig),
        experiment=write(plan.experiment),
        height_px=instrument.height_px,
        width_px=instrument.width_px,
        pixel_type=instrument.pixel_type,
        fps=plan.rig.camera.fps,
        um_per_px=plan.rig.optics.um_per_px,
        seed=plan.experiment.seed if plan.kind is Kind.SIMULATED else None,
        source=source,
        field_um=(*low_um, *high_um),
        calibration=header_of_calibration(plan.rig),
        versions=versions(),
        git_hash=git_hash(Path(__file__).parent),
        extra={
            "folder": str(plan.folder),
            **sources(plan),
            **device_facts(instrument),
            **corrected_by(plan),
            **plug_ins(),
        },
        started=wall_clock(),
        corrections=plan.corrections,
    )
    lockstep = plan.rig.rate == "lockstep"
    queue_turns, wait_s = (256, 30.0) if lockstep else (64, 0.0)
    return Journal(path, header, frames, queue_turns, wait_s, encoded)
