"""A simulated camera that images the simulated world, with motion blur, noise, uneven light and dropped frames."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Ge, Gt, Interval, settings
from config.geometry import Affine
from control.contract import Ended, Frame
from drivers.device_settings import CameraSettings, Images
from drivers.image_size import assert_image_size
from drivers.readback import Returned
from drivers.sim import render
from drivers.sim.clock import SimulatedClock
from drivers.sim.philox import CAMERA, fill_normals, uniform
from drivers.sim.shapes import Shapes, shapes, stamp_shapes
from drivers.sim.world import World

Floats = NDArray[np.float64]

BLINK = 0x80000000  # offset of the random counter for blinking; smaller counters belong to pixels
UNLIKE = 2**40  # step of the random numbers for differences between particles; larger than any frame number
NO_LIGHT = np.empty((0, 2)), np.empty(0)  # positions [K, 2] um, powers [K] mW
SILENT_S = 0.5  # timeout of `read`, at least 5 frame periods


@settings
class SimulatedCamera(CameraSettings):
    """A camera that exists in the simulated world only. Its `true_` optics are not known to the instrument."""

    images: ClassVar[Images] = "simulated"

    kind: Literal["simulated"] = "simulated"
    fps: Annotated[float, Interval(ge=0.1, le=1e5), Doc("frame rate")] = 100.0
    exposure_s: Annotated[float, Gt(0), Doc("exposure time")] = 0.005
    readout_s: Annotated[float, Ge(0), Doc("from the end of the exposure until the frame has arrived")] = 0.005
    width_px: Annotated[int, Interval(ge=16, le=8192), Doc("width of the image")] = 256
    height_px: Annotated[int, Interval(ge=16, le=8192), Doc("height of the image")] = 256
    image: Annotated[Literal["fluorescent", "brightfield"], Doc("appearance of particles")] = "fluorescent"
    spot_um: Annotated[
        float, Interval(gt=0, le=100), Doc("fluorescent: standard deviation of the spot of a particle")
    ] = 0.25
    bits: Annotated[int, Interval(ge=4, le=16), Doc("bits of a pixel; up to 8 the image is uint8, else uint16")] = 8
    background_counts: Annotated[float, Ge(0), Doc("brightness without particles")] = 20.0
    peak_counts: Annotated[float, Doc("brightness added at the centre of a particle")] = 150.0
    read_noise_counts: Annotated[float, Ge(0), Doc("rms read noise")] = 1.0
    electrons_per_count: Annotated[float, Ge(0), Doc("gain, for the shot noise; 0: no shot noise")] = 40.0
    uneven: Annotated[float, Interval(ge=0, le=1), Doc("relative loss of light in the corners")] = 0.0
    drop: Annotated[float, Interval(ge=0, le=1), Doc("share of the frames that are lost")] = 0.0
    blink: Annotated[float, Interval(ge=0, le=1), Doc("share of the particles missing in an image")] = 0.0
    laser_leak_counts_per_mw: Annotated[
        float, Ge(0), Doc("laser light through the filter: peak brightness of a spot of 1 mW during the exposure")
    ] = 0.0
    sub_exposures: Annotated[int, Interval(ge=1, le=64), Doc("positions per exposure that are averaged")] = 4
    true_um_per_px: Annotated[float, Interval(ge=0, le=1e3), Doc("true size of a pixel; 0: as in optics")] = 0.0
    true_rotation_deg: Annotated[float, Doc("rotation of the image about its centre")] = 0.0
    true_mirror: Annotated[bool, Doc("left and right are exchanged")] = False
    true_shear: Annotated[float, Interval(ge=-1, le=1), Doc("shear: this part of y is added to x")] = 0.0
    true_stretch: Annotated[float, Interval(ge=0.25, le=4), Doc("length along true_stretch_deg over that across")] = 1.0
    true_stretch_deg: Annotated[float, Doc("direction of the stretch in the sample")] = 0.0
    true_tilt_deg: Annotated[float, Interval(ge=-60, le=60), Doc("tilt of the sample out of focus along x")] = 0.0
    true_defocus_um: Annotated[float, Doc("defocus of the centre of the sample")] = 0.0
    blur: Annotated[float, Ge(0), Doc("rms blur in um per um of defocus")] = 0.2
    size_spread: Annotated[float, Interval(ge=0, le=0.5), Doc("relative rms variation of the size of images")] = 0.0
    light_spread: Annotated[float, Interval(ge=0, le=1), Doc("relative rms variation of their brightness")] = 0.0

    def __post_init__(self) -> None:
        assert_image_size(self.width_px, self.height_px)
        if self.exposure_s > 1.0 / self.fps:
            raise ValueError(f"an exposure of {self.exposure_s:g} s does not fit in a frame of {1 / self.fps:g} s")

    @property
    def pixels_follow_optics(self) -> bool:
        return not self.true_um_per_px


class SimulatedCameraDriver:
    """The Camera plug of the simulated world."""

    identity = ""
    returned: tuple[Returned, ...] = ()

    def __init__(
        self, camera: SimulatedCamera, um_per_px: float, world: World, clock: SimulatedClock, seed: int,
        replica: int = 0,
    ) -> None:  # fmt: skip
        self._camera, self._world, self._clock = camera, world, clock
        self._seed, self._replica = seed, replica
        to_px = true_map(camera, um_per_px)
        self._to_px = np.column_stack([np.array(to_px.matrix), np.array(to_px.shift)])  # [2, 3]
        scale = math.sqrt(abs(to_px.determinant))
        ratio = world.diameter_um / world.sample.diameter_um  # [N]
        self._sigma_px = camera.spot_um * ratio * scale
        self._radius_px = world.diameter_um / 2.0 * scale
        self._peak_counts = camera.peak_counts * world.brightness
        self._leak_px = world.stage.waist_um / 2.0 * scale  # exp(-2 r^2 / waist^2)
        self._shapes = self._drawn_shapes(um_per_px) if needs_shapes(camera, world) else None
        self._light = illumination(camera)  # [H, W] relative
        self._background = (camera.background_counts * self._light).astype(np.float32)
        self._even = camera.uneven == 0.0
        self._table, self._profile = render.normal_table(), render.ring_profile()
        self._next = 0
        self._open = True

    def read(self) -> Frame | None:
        """The next frame, or the newest one if the loop is late; None after the timeout. Raises Ended.

        Waits for it in a paced world, and advances a lockstep world to its arrival.
        """
        silent_ns = self._clock.now_ns() + max(round(SILENT_S * 1e9), 5 * self._world.period_ns)
        while self._open:
            number = max(self._next, self._newest(self._clock.now_ns()))
            arrival_ns = self._arrival_ns(number)
            if arrival_ns > silent_ns:
                self._clock.wait_until(silent_ns)
                self._world.advance(silent_ns)
                return None
            self._clock.wait_until(arrival_ns)
            self._world.advance(arrival_ns)
            self._next = number + 1
            if not self._dropped(number):
                return self._frame(number)
        raise Ended("the simulated camera is closed")

    def close(self) -> None:
        self._open = False

    def _arrival_ns(self, number: int) -> int:
        return number * self._world.period_ns + self._world.exposure_ns + round(self._camera.readout_s * 1e9)

    def _newest(self, now_ns: int) -> int:
        """Number of the last frame that has arrived at now_ns; -1 before the first."""
        return (now_ns - self._arrival_ns(0)) // self._world.period_ns

    def shown(self, number: int) -> NDArray[np.bool_]:
        """[N] whether a particle is visible in a frame."""
        chance = [
            uniform(self._seed, self._replica, CAMERA, BLINK + index, number) for index in range(len(self._radius_px))
        ]
        return np.array(chance, np.float64) >= self._camera.blink

    def _dropped(self, number: int) -> bool:
        drop = self._camera.drop
        return drop > 0 and uniform(self._seed, self._replica, CAMERA, 0xFFFFFFFF, number) < drop

    def _frame(self, number: int) -> Frame:
        time_s = (number * self._world.period_ns + self._world.exposure_ns / 2.0) * 1e-9
        leak = self._world.shone(number) if self._camera.laser_leak_counts_per_mw > 0 else NO_LIGHT
        image = self.render(number, self._world.exposed(number), leak)
        return Frame(number, time_s, image)

    def _drawn_shapes(self, um_per_px: float) -> Shapes:
        """Shapes of the particles' images with these optics, with their random differences."""
        camera, world = self._camera, self._world
        count = len(world.look)
        differences = np.zeros((count, 2))
        fill_normals(differences, self._seed, self._replica, CAMERA, UNLIKE)
        spread = np.array([camera.size_spread, camera.light_spread])
        size, shine = np.exp(spread * np.clip(differences, -2.5, 2.5)).T
        self._peak_counts = self._peak_counts * shine
        default, length_um = ("spot", camera.spot_um) if camera.image == "fluorescent" else ("ring", 0.0)
        radius_um = world.diameter_um / 2.0
        default_um = length_um * world.diameter_um / world.sample.diameter_um if length_um else radius_um
        names = [default if look == "own" else look for look in world.look]
        lengths_um = np.where([look == "own" for look in world.look], default_um, radius_um) * size
        middle_um = camera.middle_um(um_per_px)
        slope = math.tan(math.radians(camera.true_tilt_deg))
        blur_um = camera.blur * np.array([slope, 0.0, camera.true_defocus_um - slope * middle_um[0]])
        most_um = camera.blur * (abs(camera.true_defocus_um) + abs(slope) * camera.width_px * um_per_px)
        return shapes(names, lengths_um, blur_um, most_um)

    def render(
        self, number: int, place_um: Floats, leak: tuple[Floats, Floats] = NO_LIGHT
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """The image [H, W], read-only, of particles at place_um [S, N, 2].

        `leak` is the laser light through the filter: (positions [K, 2] um, mean powers [K] mW). `number` selects the
        random numbers.
        """
        camera = self._camera
        light = self._background.copy() if self._even else np.zeros_like(self._background)
        peak_counts = np.where(self.shown(number), self._peak_counts, 0.0) if camera.blink > 0 else self._peak_counts
        if self._shapes is not None:
            stamps = self._shapes
            stamp_shapes(light, place_um, peak_counts, self._to_px, stamps.table, stamps.reach, stamps.kind,
                         stamps.length_um, stamps.blur_um, stamps.step)  # fmt: skip
        elif camera.image == "fluorescent":
            render.stamp_spots(light, place_um, self._sigma_px, peak_counts, self._to_px)
        else:
            render.stamp_rings(light, place_um, self._radius_px, peak_counts, self._to_px, self._profile)
        if not self._even:
            light = light * self._light + self._background
        if len(leak[1]):
            leak_counts = camera.laser_leak_counts_per_mw * leak[1]
            render.stamp_spots(light, leak[0][None], np.full(len(leak_counts), self._leak_px), leak_counts, self._to_px)
        image = np.empty(light.shape, np.uint8 if camera.bits <= 8 else np.uint16)
        shot = 1.0 / camera.electrons_per_count if camera.electrons_per_count > 0 else 0.0
        render.expose(
            light, shot, camera.read_noise_counts, 2**camera.bits - 1, self._seed, self._replica, number, self._table,
            image,
        )  # fmt: skip
        image.flags.writeable = False
        return image


def illumination(camera: SimulatedCamera) -> NDArray[np.float32]:
    """[H, W] relative illumination: 1 at the centre, decreasing with the square of the distance from it."""
    y, x = np.mgrid[0 : camera.height_px, 0 : camera.width_px].astype(np.float64)
    x0, y0 = (camera.width_px - 1) / 2.0, (camera.height_px - 1) / 2.0
    square = ((x - x0) ** 2 + (y - y0) ** 2) / (x0**2 + y0**2)
    return np.asarray(1.0 - camera.uneven * square, np.float32)


def needs_shapes(camera: SimulatedCamera, world: World) -> bool:
    """Whether images need more than equal round spots or rings."""
    optics = (camera.true_shear, camera.true_tilt_deg, camera.true_defocus_um, camera.true_stretch - 1.0)
    return any((*optics, camera.size_spread, camera.light_spread)) or any(look != "own" for look in world.look)


def true_map(camera: SimulatedCamera, um_per_px: float) -> Affine:
    """True map from um (of the instrument's coordinates) to px. A tilt makes x shorter."""
    scale = 1.0 / (camera.true_um_per_px or um_per_px)
    turn = math.radians(camera.true_rotation_deg)
    mirror = np.diag([-1.0 if camera.true_mirror else 1.0, 1.0])
    matrix = scale * mirror @ np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = matrix @ distortion(camera)
    middle_px = np.array([(camera.width_px - 1) / 2.0, (camera.height_px - 1) / 2.0])
    shift = middle_px - matrix @ np.array(camera.middle_um(um_per_px))
    (a, b), (c, d) = matrix.tolist()
    return Affine("um", "px", ((a, b), (c, d)), (float(shift[0]), float(shift[1])))


def distortion(camera: SimulatedCamera) -> Floats:
    """[2, 2] matrix of shear, stretch and tilt of the sample's plane. The stretch keeps areas."""
    along = math.radians(camera.true_stretch_deg)
    turn = np.array([[math.cos(along), -math.sin(along)], [math.sin(along), math.cos(along)]])
    stretch = turn @ np.diag([math.sqrt(camera.true_stretch), 1.0 / math.sqrt(camera.true_stretch)]) @ turn.T
    lean = np.array([[1.0, camera.true_shear], [0.0, 1.0]])
    return np.asarray(lean @ stretch @ np.diag([math.cos(math.radians(camera.true_tilt_deg)), 1.0]))
