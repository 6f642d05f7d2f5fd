"""The wiring diagram: the only file that names concrete classes of several rooms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from app.calibration.record import Calibration, calibrated
from app.recording import open_recording
from config.fields import Doc, Ge, Gt, settings
from config.geometry import Affine
from config.reader import Document, build, override, parse, plain, put, read
from config.refused import Refused
from config.warp import Map
from control.allocate import Light
from control.calibrate.plane import sensor_map
from control.contract import Beam, Camera, Clock, Policy, Tracker
from control.experiment import Experiment, Learned, Programmed
from control.limits import Limits
from control.loop import Machine
from control.plant import Plant
from control.policies.calibrating import Calibrating, calibrating
from control.policies.keep_in_field import Kept
from control.policies.predictive import Predictive
from control.policies.programmed import Landscape, Steered
from control.potentials.painting import paint
from drivers.cameras import AnyCamera
from drivers.cameras.opencv_capture import OpenCVCamera
from drivers.deflectors import AnyDeflector
from drivers.emulate.settings import Emulated
from drivers.journal import Header, Journal, Kind, git_hash, versions
from drivers.journal import now as wall_clock
from drivers.lasers import AnyLaser
from drivers.returned import Returned
from drivers.sim.bench import open_bench
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.laser import SimulatedLaser
from drivers.sim.plant import PlantCamera, open_plant
from drivers.sim.playback import open_playback
from drivers.sim.sample import Sample
from drivers.video import VideoCamera
from tracking.settings import Tracking
from tracking.table import TableTracker
from tracking.tracker import Tracker as FrameTracker

RIGS = Path(__file__).parent.parent / "config" / "rigs"
EXPERIMENTS = Path(__file__).parent.parent / "config" / "experiments"


@settings
class Optics:
    """What the instrument believes of its optics; estimates until they are calibrated."""

    um_per_px: Annotated[float, Gt(0), Doc("size of a pixel in the sample")] = 0.1
    waist_um: Annotated[float, Gt(0), Doc("waist of the laser spot (estimate)")] = 0.6
    depth_kt_per_mw: Annotated[float, Gt(0), Doc("depth of a spot that has the whole beam, at 1 mW (estimate)")] = 5.0


@settings
class Loop:
    """The closed loop's times and its cap of power."""

    latency_s: Annotated[float, Ge(0), Doc("computing time of a turn that is planned for")] = 0.003
    stale_periods: Annotated[float, Gt(0), Doc("a frame older than so many frame periods puts the beam in doubt")] = 5.0
    power_cap_mw: Annotated[float, Gt(0), Doc("no spot gets more")] = 200.0
    dwell_s: Annotated[float, Gt(0), Doc("mean visit of a spot where several share the beam")] = 1e-4
    probe_power_mw: Annotated[float, Gt(0), Doc("no spot gets more while the map is not confirmed")] = 20.0


@settings
class Rig:
    """One bench: what it is made of, and what is believed of it."""

    title: Annotated[str, Doc("what it is, in a few words")]
    rate: Annotated[Literal["lockstep", "real time"], Doc("lockstep: as fast as it goes, nobody waits")] = "lockstep"
    optics: Optics = Optics()
    plant: Plant = Plant()
    camera: AnyCamera
    deflector: AnyDeflector
    laser: AnyLaser
    tracking: Tracking
    loop: Loop = Loop()
    sample: Sample = Sample()
    emulated: Emulated | None = None
    calibration: Calibration = Calibration()

    @property
    def confirmed(self) -> bool:
        """Whether the map from camera to deflector may be trusted: by a probe move, or as it is simulated."""
        simulated = isinstance(self.deflector, SimulatedDeflector) or self.emulated is not None
        return self.calibration.map == "confirmed" or (self.calibration.map == "simulated" and simulated)

    @property
    def power_mw(self) -> float:
        """The most that a spot may get."""
        most_mw = min(self.loop.power_cap_mw, self.laser.max_power_mw)
        return most_mw if self.confirmed else min(most_mw, self.loop.probe_power_mw)

    @property
    def middle_um(self) -> tuple[float, float]:
        """The middle of the image; the middle of its top left pixel is (0, 0)."""
        scale = self.optics.um_per_px / 2.0
        return (self.camera.width_px - 1) * scale, (self.camera.height_px - 1) * scale

    def um_to_v(self) -> Map | None:
        """The calibrated map, for this cut and binning of the sensor; None: as the deflector's settings say."""
        if self.calibration.plane is None:
            return None
        corner_px = (getattr(self.camera, "left_px", 0), getattr(self.camera, "top_px", 0))
        to_sensor = sensor_map(corner_px, getattr(self.camera, "binning", 1))
        return self.calibration.plane.warp().after(to_sensor @ Affine.scale("um", "px", 1.0 / self.optics.um_per_px))


@dataclass(frozen=True)
class Plan:
    """What was asked for: a rig and an experiment, read, checked and meant for each other."""

    rig: Rig
    experiment: Experiment
    folder: Path  # of the experiment: where its checkpoints are

    @property
    def kind(self) -> Kind:
        kinds = {"simulated": Kind.SIMULATED, "plant": Kind.SIMULATED, "video": Kind.REPLAY}
        return kinds.get(self.rig.camera.kind, Kind.REAL)


@dataclass(frozen=True)
class Instrument:
    """Everything that one run needs beside a recorder. The beam is dark."""

    plan: Plan
    machine: Machine
    camera: Camera
    beam: Beam
    clock: Clock
    height_px: int
    width_px: int
    pixel_type: str
    frames: int | None  # how many there will be, where that is known
    returned: Callable[[], tuple[Returned, ...]] = tuple  # settings as the devices gave them back; asks no device

    def close(self) -> None:
        """Dark first, then the camera."""
        self.beam.close()
        self.camera.close()


def plan(experiment: Path | str, rig: Path | str | None = None, sets: Sequence[str] = ()) -> Plan:
    """Read an experiment and its rig. Raises Refused.

    Args:
        experiment: its file.
        rig: a rig file instead of the one that the experiment names.
        sets: "key=value"; the first word of the key says whether it is the rig's or the experiment's.
    """
    experiment = Path(experiment)
    return planned(read(experiment), rig, sets, experiment.parent)


def planned(wanted: Document, rig: Path | str | Document | None, sets: Sequence[str], folder: Path) -> Plan:
    """`plan` of an experiment, and perhaps a rig, that were read before."""
    own = [item for item in sets if _first(item) not in RIG_KEYS]
    for item in own:
        wanted = override(wanted, *_pair(item))
    experiment: Experiment = build(wanted, Experiment)
    bench = rig if isinstance(rig, Document) else read(rig if rig is not None else folder / experiment.rig)
    for item in sets:
        if item.partition("=")[0].strip() == "calibration":
            bench = override(bench, *_pair(item))
    bench = calibrated(bench)
    for key, value in experiment.set.items():
        bench = put(bench, key, value, wanted.place(("set", key)))
    for item in sets:
        if item not in own and item.partition("=")[0].strip() != "calibration":
            bench = override(bench, *_pair(item))
    made = Plan(build(bench, Rig), experiment, folder)
    build_machine(made, wanted.source)  # what can't fly is refused here, before anything is opened
    return made


def plan_of(header: Header) -> Plan:
    """The plan of a recorded run."""
    return plan_from(header.rig, header.experiment, Path(header.extra.get("folder", ".")))


def plan_from(rig: str, experiment: str, folder: Path) -> Plan:
    """The plan that was written as two texts; the rig has the values in it that the experiment set."""
    return Plan(
        build(parse(rig, "the run's rig"), Rig), build(parse(experiment, "the run's experiment"), Experiment), folder
    )


def plan_after(before: Plan, text: str) -> Plan:
    """What an APPLY with this experiment's text makes of a plan: another `set` brings other values of the rig."""
    source = "the experiment of an APPLY"
    made: Experiment = build(parse(text, source), Experiment)
    if made.set == before.experiment.set:
        return replace(before, experiment=made)
    bench = Document(source, plain(before.rig), {})
    for key, value in made.set.items():
        bench = put(bench, key, value, source)
    return replace(before, rig=build(bench, Rig), experiment=made)


RIG_KEYS = (
    "title", "rate", "optics", "plant", "camera", "deflector", "laser", "tracking", "loop", "sample", "emulated",
    "calibration",
)  # fmt: skip


def _first(item: str) -> str:
    return item.partition("=")[0].split(".")[0].strip()


def _pair(item: str) -> tuple[str, str, str]:
    key, equals, value = item.partition("=")
    if not equals:
        raise Refused(f"--set {item}: 'key=value' is needed, as in camera.fps=50")
    return key.strip(), value, f"--set {item}"


def build_machine(made: Plan, source: str = "the experiment") -> Machine:
    """The mathematics of a plan. Raises Refused for a delay that is too short, or what light can't paint."""
    rig, experiment = made.rig, made.experiment
    low_um, high_um = field_um(rig)
    light = Light(
        waist_um=rig.optics.waist_um,
        depth_kt_per_mw=rig.optics.depth_kt_per_mw,
        kt_pn_um=rig.plant.kt_pn_um,
        power_mw=rig.power_mw,
        trap_kt=experiment.trap.depth_kt,
        dwell_s=rig.loop.dwell_s,
        shortest_dwell_s=rig.deflector.min_dwell_s,
        settle_s=rig.deflector.settle_s,
        cycle_s=1.0 / rig.camera.fps,
        efficiency=rig.calibration.evenness.efficiency() if rig.calibration.evenness is not None else None,
    )
    policy = build_policy(made, light, source)
    if experiment.keep_in_field is not None:
        policy = Kept(policy, experiment.keep_in_field, light, low_um, high_um)
    period_s = 1.0 / rig.camera.fps
    return Machine(
        tracker=build_tracker(rig),
        policy=policy,
        light=light,
        limits=Limits(low_um, high_um, light.power_mw),
        latency_s=rig.loop.latency_s + rig.deflector.delay_s,
        hold_s=period_s,
        stale_s=rig.loop.stale_periods * period_s,
        species=experiment.species,
        confirmed=rig.confirmed,
        probe_mw=rig.loop.probe_power_mw if isinstance(experiment.policy, Calibrating) else None,
    )


def build_tracker(rig: Rig) -> Tracker:
    """The tracker, with the map that gives um their meaning: the middle of the top left pixel is (0, 0)."""
    if isinstance(rig.camera, PlantCamera):
        return TableTracker()
    return FrameTracker(rig.tracking, Affine.scale("px", "um", rig.optics.um_per_px))


def build_policy(made: Plan, light: Light, source: str) -> Policy:
    """The law of an experiment. Raises Refused."""
    law, rig = made.experiment.policy, made.rig
    if isinstance(law, Learned):
        from models.learned import fly  # nobody waits for torch who does not use it

        return fly(made.folder / law.checkpoint, rig.plant)
    low_um, high_um = field_um(rig)
    if isinstance(law, Calibrating):
        return calibrating(law, low_um, high_um, rig.optics.waist_um)
    refuse_short_delays(law, rig, source)
    middle_um = ((low_um[0] + high_um[0]) / 2.0, (low_um[1] + high_um[1]) / 2.0)
    if made.experiment.mode == "steered":
        if made.experiment.trap.predict:
            return Predictive(law.forces, rig.plant, light, middle_um, rig.camera.exposure_s)
        return Steered(law.forces, rig.plant, light, middle_um, made.experiment.trap.compensate_latency)
    rings = []
    for index, force in enumerate(law.forces):
        if why := force.why_not_painted():
            raise Refused(f"{source}: policy.forces.{index}: {why}")
        try:
            rings.append(paint(force.shape, waist_um=light.waist_um, kt_pn_um=light.kt_pn_um))
        except Refused as refused:
            raise Refused(f"{source}: policy.forces.{index}.shape: {refused}") from None
    return Landscape(law.forces, tuple(rings), rig.plant, middle_um)


def shortest_delay_s(rig: Rig) -> float:
    """Mid-exposure to effect, and half of the hold: a programmed delay can't be shorter (physics brief 2.7)."""
    camera = rig.camera
    return camera.exposure_s / 2.0 + camera.readout_s + rig.loop.latency_s + rig.deflector.delay_s + 0.5 / camera.fps


def refuse_short_delays(law: Programmed, rig: Rig, source: str) -> None:
    """Raises Refused if a delay would need a position that was not yet seen."""
    bound_s = shortest_delay_s(rig)
    for index, force in enumerate(law.forces):
        if force.delay_s is not None and force.delay_s < bound_s:
            raise Refused(
                f"{source}: policy.forces.{index}.delay_s is {force.delay_s:g} s, and on this rig it can't be less "
                f"than {bound_s:.4g} s (latency and half a frame); leave it out for the newest position seen"
            )


def field_um(rig: Rig) -> tuple[tuple[float, float], tuple[float, float]]:
    """The corners of what the camera sees and the deflector, centred on it, reaches."""
    camera, scale = rig.camera, rig.optics.um_per_px
    middle_um = [(size_px - 1) * scale / 2.0 for size_px in (camera.width_px, camera.height_px)]
    um_to_v = rig.um_to_v()
    if um_to_v is not None:
        return _reached(um_to_v, middle_um, rig.deflector.range_v * (1.0 - 1e-6), rig.title)
    reach_um = rig.deflector.range_v / rig.deflector.v_per_um * (1.0 - 1e-6)
    half_um = [min(half, reach_um) for half in middle_um]
    (x, y), (w, h) = middle_um, half_um
    return (x - w, y - h), (x + w, y + h)


def _reached(
    um_to_v: Map, middle_um: list[float], range_v: float, title: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The largest rectangle about the middle of the image, as long and wide as it in proportion, within +-range_v."""
    x, y = middle_um
    sides = np.array([(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)], np.float64)
    for share in np.linspace(1.0, 0.02, 99).tolist():
        if (np.abs(um_to_v((1.0 + share * sides) * middle_um)) <= range_v).all():
            return (x - share * x, y - share * y), (x + share * x, y + share * y)
    raise Refused(f"{title}: the calibrated map leads out of the deflector's range; calibrate the map again")


def open_instrument(made: Plan) -> Instrument:
    """Open the devices of a plan, dark. Raises Refused, Fault."""
    machine = build_machine(made)
    rig = made.rig
    if not (isinstance(rig.deflector, SimulatedDeflector) and isinstance(rig.laser, SimulatedLaser)):
        from app.serial_rig import open_serial  # nobody waits for the serial devices who does not use them

        return open_serial(made, machine)
    if isinstance(rig.camera, OpenCVCamera):
        raise Refused(f"{rig.title}: a real camera can't see what a simulated laser does")
    if isinstance(rig.camera, VideoCamera):
        return open_replay(made, machine, rig.camera, rig.deflector, rig.laser)
    if isinstance(rig.camera, PlantCamera):
        return open_springs(made, machine, rig.camera, rig.laser)
    bench = open_bench(
        rig.sample,
        rig.camera,
        rig.deflector,
        rig.laser,
        um_per_px=rig.optics.um_per_px,
        latency_s=rig.loop.latency_s,
        rate=None if rig.rate == "lockstep" else 1.0,
        seed=made.experiment.seed,
        power_cap_mw=rig.power_mw,
        um_to_v=rig.um_to_v(),
        heartbeat_s=rig.loop.stale_periods / rig.camera.fps,
    )
    pixel_type = "uint8" if rig.camera.bits <= 8 else "uint16"
    return Instrument(
        made,
        machine,
        bench.camera,
        bench.beam,
        bench.clock,
        rig.camera.height_px,
        rig.camera.width_px,
        pixel_type,
        None,
    )


def open_springs(made: Plan, machine: Machine, camera: PlantCamera, laser: SimulatedLaser) -> Instrument:
    """The simulated world without optics. Raises Refused."""
    rig = made.rig
    bench = open_plant(
        rig.sample,
        camera,
        um_per_px=rig.optics.um_per_px,
        waist_um=laser.waist_um,
        depth_kt_per_mw=laser.depth_kt_per_mw,
        latency_s=rig.loop.latency_s,
        seed=made.experiment.seed,
    )
    number = len(bench.world.cell)
    return Instrument(made, machine, bench.camera, bench.beam, bench.clock, number, 4, "float64", None)


def open_replay(
    made: Plan, machine: Machine, camera: VideoCamera, deflector: SimulatedDeflector, laser: SimulatedLaser
) -> Instrument:
    """A recorded video, or one of our own runs, in place of a camera. Raises Refused."""
    recording = open_recording(camera)
    low_um, high_um = field_um(made.rig)
    eye, beam, clock = open_playback(
        recording.camera,
        recording.arrived_s,
        deflector,
        laser,
        low_um=low_um,
        high_um=high_um,
        latency_s=made.rig.loop.latency_s,
        power_cap_mw=made.rig.loop.power_cap_mw,
        heartbeat_s=made.rig.loop.stale_periods / camera.fps,
    )
    if recording.tracker is not None:
        machine = replace(machine, tracker=recording.tracker)
    size = (recording.height_px, recording.width_px, recording.pixel_type)
    return Instrument(made, machine, eye, beam, clock, *size, recording.frames)


def header_of_calibration(rig: Rig) -> dict[str, Any]:
    """What every run's header says of what was measured of its rig."""
    calibration = rig.calibration
    return {
        "px_to_um": rig.optics.um_per_px,
        "origin": calibration.file or "estimate, not calibrated",
        "map": calibration.map if rig.confirmed else "unconfirmed",
        "made": [plain(made) for made in calibration.made],
    }


def open_recorder(instrument: Instrument, path: Path, *, frames: bool, source: str = "") -> Journal:
    """A journal for this run. It waits for the disk only where nobody waits for the particles."""
    from config.reader import write

    made = instrument.plan
    low_um, high_um = field_um(made.rig)
    header = Header(
        kind=made.kind,
        rig=write(made.rig),
        experiment=write(made.experiment),
        height_px=instrument.height_px,
        width_px=instrument.width_px,
        pixel_type=instrument.pixel_type,
        fps=made.rig.camera.fps,
        um_per_px=made.rig.optics.um_per_px,
        seed=made.experiment.seed if made.kind is Kind.SIMULATED else None,
        source=source,
        field_um=(*low_um, *high_um),
        calibration=header_of_calibration(made.rig),
        versions=versions(),
        git_hash=git_hash(Path(__file__).parent),
        extra={"folder": str(made.folder)},
        started=wall_clock(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    lockstep = made.rig.rate == "lockstep"
    return Journal(path, header, frames, queue_turns=256 if lockstep else 64, wait_s=30.0 if lockstep else 0.0)
