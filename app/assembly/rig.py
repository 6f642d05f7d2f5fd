"""One bench as its file says, and a plan: a bench and an experiment that were meant for each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from app.assembly.calibration_file import Calibration
from app.assembly.probe_move import AGAIN, devices_of, why_it_does_not_count
from config.fields import Doc, Ge, Gt, Interval, settings
from config.geometry import Affine
from config.kinds import PlugIn
from config.refused import Refused
from config.warp import Map
from control.calibrate.plane import sensor_map
from control.experiment import Experiment
from control.plant import Plant
from control.policies.python_law import Law
from drivers.cameras import AnyCamera
from drivers.deflectors import AnyDeflector
from drivers.emulate.settings import Emulated
from drivers.journal import Kind
from drivers.journal.corrections import Images
from drivers.journal.header import NEWEST_KERNELS
from drivers.lasers import AnyLaser
from drivers.sim.sample import Sample
from tracking.settings import Tracking

RIGS = Path(__file__).parents[2] / "config" / "rigs"


EXPERIMENTS = Path(__file__).parents[2] / "config" / "experiments"


@settings
class Optics:
    """What the instrument believes of its optics; estimates until they are calibrated."""

    um_per_px: Annotated[float, Interval(ge=1e-4, le=1e3), Doc("size of a pixel in the sample")] = 0.1
    waist_um: Annotated[float, Interval(ge=0.01, le=1e6), Doc("waist of the laser spot (estimate)")] = 0.6
    depth_kt_per_mw: Annotated[float, Gt(0), Doc("depth of a spot that has the whole beam, at 1 mW (estimate)")] = 5.0


@settings
class Loop:
    """The closed loop's times and its cap of power."""

    latency_s: Annotated[float, Ge(0), Doc("computing time of a turn that is planned for")] = 0.003
    stale_periods: Annotated[float, Gt(0), Doc("a frame older than so many frame periods puts the beam in doubt")] = 5.0
    power_cap_mw: Annotated[float, Gt(0), Doc("no spot gets more")] = 200.0
    dwell_s: Annotated[float, Gt(0), Doc("mean visit of a spot where several share the beam")] = 1e-4
    probe_power_mw: Annotated[float, Gt(0), Doc("no spot gets more while the map is not confirmed")] = 20.0
    window_timeout_s: Annotated[
        float | None, Gt(0), Doc("the beam trips if the window does not answer for so long; null: it is not watched")
    ] = 2.0


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
    def simulated(self) -> bool:
        """Whether its light is simulated, so that its map is known."""
        return self.deflector.simulated or self.emulated is not None

    @property
    def light_acts(self) -> bool:
        """Whether its light acts on what its camera shows: not on a recording, nor where only the camera is real."""
        images = self.camera.images
        return images in ("simulated", "ideal") or (images == "real" and not self.laser.simulated)

    @property
    def confirmed(self) -> bool:
        """Whether the map from camera to deflector may be trusted: by a probe move, or as it is simulated."""
        return not self.why_unconfirmed

    @property
    def why_unconfirmed(self) -> str:
        """Why the map may not be trusted, in words; "" where it may.

        Of a real rig it counts with the sealed record of its probe move; of a simulated one also if it is said to.
        """
        calibration = self.calibration
        if calibration.map == "unconfirmed" or (calibration.map == "simulated" and not self.simulated):
            return f"no probe move has confirmed its map; {AGAIN}"
        if calibration.map == "simulated" or (self.simulated and calibration.probe is None):
            return ""
        size_px = calibration.probe_size_px
        return why_it_does_not_count(calibration.plane, calibration.probe, devices_of(self), size_px)

    @property
    def power_mw(self) -> float:
        """The most that a spot may get."""
        most_mw = min(self.loop.power_cap_mw, self.laser.max_power_mw)
        return most_mw if self.confirmed else min(most_mw, self.loop.probe_power_mw)

    @property
    def middle_um(self) -> tuple[float, float]:
        """The middle of the image; the middle of its top left pixel is (0, 0)."""
        return self.camera.middle_um(self.optics.um_per_px)

    def um_to_v(self) -> Map | None:
        """The calibrated map, for this cut and binning of the sensor; None: as the deflector's settings say."""
        if self.calibration.plane is None:
            return None
        to_sensor = sensor_map((self.camera.left_px, self.camera.top_px), self.camera.binning)
        return self.calibration.plane.warp().after(to_sensor @ Affine.scale("um", "px", 1.0 / self.optics.um_per_px))


@settings
class RecordedRig(Rig):
    """The rig of a run that was recorded: whether its map counted is what stands there. It is not opened again."""

    @property
    def why_unconfirmed(self) -> str:
        known = self.calibration.map == "confirmed" or (self.calibration.map == "simulated" and self.simulated)
        return "" if known else "its map was not confirmed"


@dataclass(frozen=True)
class Plan:
    """What was asked for: a rig and an experiment, read, checked and meant for each other."""

    rig: Rig
    experiment: Experiment
    folder: Path  # of the experiment: where its checkpoints are
    kernels: int = NEWEST_KERNELS  # of a recorded run: those that it was made with
    plug_ins: tuple[PlugIn, ...] | None = None  # of a recorded run: those that were installed then
    corrections: Images = field(default_factory=dict, compare=False)  # of camera images, by the files that name them
    taken: tuple[str, ...] = ()  # of a recording: what of its frame rate and scale was taken from where, in sentences
    unknown: tuple[
        str, ...
    ] = ()  # keys of the rig that are guesses, since neither a person nor the recording said them
    given_law: type[Law] | None = field(default=None, compare=False)  # the class that a program handed over

    @property
    def kind(self) -> Kind:
        if self.rig.camera.images == "recorded":
            return Kind.REPLAY
        if self.rig.camera.images != "real":
            return Kind.SIMULATED
        return Kind.REAL if self.rig.light_acts else Kind.WATCH_ONLY


RIG_KEYS = (
    "title", "rate", "optics", "plant", "camera", "deflector", "laser", "tracking", "loop", "sample", "emulated",
    "calibration",
)  # fmt: skip


def shortest_delay_s(rig: Rig) -> float:
    """Mid-exposure to effect, and half of the hold: a programmed delay can't be shorter (docs/predictions.md 2.7)."""
    camera = rig.camera
    return camera.exposure_s / 2.0 + camera.readout_s + rig.loop.latency_s + rig.deflector.delay_s + 0.5 / camera.fps


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
