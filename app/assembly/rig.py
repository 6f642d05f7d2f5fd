"""A rig as described by its file, and a plan: a rig and an experiment that belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from app.assembly.calibration_file import Calibration
from app.assembly.probe_move import AGAIN, devices_of, reason_unconfirmed
from config.fields import Doc, Ge, Gt, Interval, settings
from config.geometry import Affine
from config.kinds import PlugIn
from config.refused import Refused
from config.warp import Map
from control.calibrate.plane import sensor_map
from control.contract import OrderKind
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
    """Optical parameters that the instrument uses; estimates until they are calibrated."""

    um_per_px: Annotated[float, Interval(ge=1e-4, le=1e3), Doc("size of a pixel in the sample")] = 0.1
    waist_um: Annotated[float, Interval(ge=0.01, le=1e6), Doc("waist of the laser spot (estimate)")] = 0.6
    depth_kt_per_mw: Annotated[float, Gt(0), Doc("depth of a spot that has the whole beam, at 1 mW (estimate)")] = 5.0


@settings
class Loop:
    """Times and power limits of the closed loop."""

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
    """A rig: its devices, and the parameters assumed or calibrated for them."""

    title: Annotated[str, Doc("what it is, in a few words")]
    rate: Annotated[Literal["lockstep", "real time"], Doc("lockstep: as fast as possible, without a clock")] = (
        "lockstep"
    )
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
        """Whether its light acts in a simulation, so that its map is known: simulated or emulated devices."""
        return self.deflector.simulated or self.emulated is not None

    @property
    def light_acts(self) -> bool:
        """Whether its light acts on the sample in its images: not for a recording, nor if only the camera is real."""
        images = self.camera.images
        return images in ("simulated", "ideal") or (images == "real" and not self.laser.simulated)

    @property
    def confirmed(self) -> bool:
        """Whether the map from camera to deflector is confirmed: by a probe move, or by the simulation."""
        return not self.why_unconfirmed

    @property
    def why_unconfirmed(self) -> str:
        """Why the map is not confirmed, in words; "" if it is.

        The map of a real rig needs the sealed record of its probe move; a simulated rig may also declare it confirmed.
        """
        calibration = self.calibration
        if calibration.map == "unconfirmed" or (calibration.map == "simulated" and not self.simulated):
            return f"no probe move has confirmed its map; {AGAIN}"
        if calibration.map == "simulated" or (self.simulated and calibration.probe is None):
            return ""
        size_px = calibration.probe_size_px
        return reason_unconfirmed(calibration.plane, calibration.probe, devices_of(self), size_px)

    @property
    def power_mw(self) -> float:
        """The largest power of one spot."""
        most_mw = min(self.loop.power_cap_mw, self.laser.max_power_mw)
        return most_mw if self.confirmed else min(most_mw, self.loop.probe_power_mw)

    @property
    def middle_um(self) -> tuple[float, float]:
        """The centre of the image; the centre of its top left pixel is (0, 0)."""
        return self.camera.middle_um(self.optics.um_per_px)

    def um_to_v(self) -> Map | None:
        """The calibrated map for this region and binning of the sensor; None: as the deflector's settings define it."""
        if self.calibration.plane is None:
            return None
        to_sensor = sensor_map((self.camera.left_px, self.camera.top_px), self.camera.binning)
        return self.calibration.plane.warp().after(to_sensor @ Affine.scale("um", "px", 1.0 / self.optics.um_per_px))


@settings
class RecordedRig(Rig):
    """The rig of a recorded run: `calibration.map` states whether its map was confirmed. It can't be opened again."""

    @property
    def why_unconfirmed(self) -> str:
        is_confirmed = self.calibration.map == "confirmed" or (self.calibration.map == "simulated" and self.simulated)
        return "" if is_confirmed else "its map was not confirmed"


@dataclass(frozen=True)
class Plan:
    """A rig and an experiment that belong together, read and checked."""

    rig: Rig
    experiment: Experiment
    folder: Path  # of the experiment; its checkpoints are relative to it
    kernels: int = NEWEST_KERNELS  # of a recorded run: version of its kernels
    plug_ins: tuple[PlugIn, ...] | None = None  # of a recorded run: plug-ins installed at that time
    corrections: Images = field(default_factory=dict, compare=False)  # of camera images, by the files that name them
    taken: tuple[str, ...] = ()  # of a recording: sentences that name the sources of its frame rate and scale
    unknown: tuple[
        str, ...
    ] = ()  # keys of the rig that are guesses, since neither a person nor the recording stated them
    given_law: type[Law] | None = field(default=None, compare=False)  # the class that a program passed

    @property
    def kind(self) -> Kind:
        if self.rig.camera.images == "recorded":
            return Kind.REPLAY
        if self.rig.camera.images != "real":
            return Kind.SIMULATED
        return Kind.REAL if self.rig.light_acts else Kind.WATCH_ONLY

    @property
    def arming(self) -> OrderKind:
        """The order that gives light: ARM, or PROBE for the calibration of an unconfirmed map."""
        probes = self.experiment.policy.moves_probe and not self.rig.confirmed
        return OrderKind.PROBE if probes else OrderKind.ARM


RIG_KEYS = (
    "title", "rate", "optics", "plant", "camera", "deflector", "laser", "tracking", "loop", "sample", "emulated",
    "calibration",
)  # fmt: skip


def shortest_delay_s(rig: Rig) -> float:
    """Mid-exposure to effect, plus half the hold time: the shortest programmed delay (docs/predictions.md 2.7)."""
    camera = rig.camera
    return camera.image_age_s + rig.loop.latency_s + rig.deflector.delay_s + 0.5 / camera.fps


def field_um(rig: Rig) -> tuple[tuple[float, float], tuple[float, float]]:
    """The corners (low, high) of the field: the part of the image, about its centre, that the deflector reaches."""
    camera, scale = rig.camera, rig.optics.um_per_px
    middle_um = [(size_px - 1) * scale / 2.0 for size_px in (camera.width_px, camera.height_px)]
    um_to_v = rig.um_to_v()
    if um_to_v is not None:
        return _largest_rectangle(um_to_v, middle_um, rig.deflector.range_v * (1.0 - 1e-6), rig.title)
    reach_um = rig.deflector.range_v / rig.deflector.v_per_um * (1.0 - 1e-6)
    half_um = [min(half, reach_um) for half in middle_um]
    (x, y), (w, h) = middle_um, half_um
    return (x - w, y - h), (x + w, y + h)


def _largest_rectangle(
    um_to_v: Map, middle_um: list[float], range_v: float, title: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The largest rectangle about the centre of the image, with the same aspect ratio, within +-range_v."""
    x, y = middle_um
    sides = np.array([(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)], np.float64)
    for share in np.linspace(1.0, 0.02, 99).tolist():
        if (np.abs(um_to_v((1.0 + share * sides) * middle_um)) <= range_v).all():
            return (x - share * x, y - share * y), (x + share * x, y + share * y)
    raise Refused(f"{title}: the calibrated map leads out of the deflector's range; calibrate the map again")
