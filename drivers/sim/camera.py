"""A simulated camera: exposes the simulated world, with motion blur, noise, uneven light and dropped frames."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import SMALLEST, Doc, Ge, Gt, Interval, settings
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

BLINK = 0x80000000  # first index of random numbers for blinking; those below are for pixels
UNLIKE = 2**40  # step of the random numbers for differences between particles; no frame has this number
NO_LIGHT = np.empty((0, 2)), np.empty(0)  # positions [K, 2] um, powers [K] mW
SILENT_S = 0.5  # timeout for a frame; 5 periods if they are longer


@settings
class SimulatedCamera(CameraSettings):
    """A simulated camera. The instrument does not use its `true_` optics."""

    images: ClassVar[Images] = "simulated"

    kind: Literal["simulated"] = "simulated"
    fps: Annotated[float, Interval(ge=0.1, le=1e5), Doc("frame rate")] = 100.0
    exposure_s: Annotated[float, Gt(0), Doc("exposure time")] = 0.005
    readout_s: Annotated[float, Ge(0), Doc("from the end of the exposure until the computer has the frame")] = 0.005
    width_px: Annotated[int, Interval(ge=16, le=8192), Doc("width of the image")] = 256
    height_px: Annotated[int, Interval(ge=16, le=8192), Doc("height of the image")] = 256
    image: Annotated[Literal["fluorescent", "brightfield"], Doc("what a particle looks like")] = "fluorescent"
    spot_um: Annotated[
        float, Interval(gt=0, le=100), Doc("fluorescent: standard deviation of the spot of a particle")
    ] = 0.25
    bits: Annotated[int, Interval(ge=4, le=16), Doc("bits of a pixel; up to 8 the image is uint8, else uint16")] = 8
    background_counts: Annotated[float, Ge(0), Doc("brightness where no particle is")] = 20.0
    peak_counts: Annotated[float, Doc("brightness that a particle's middle adds")] = 150.0
    read_noise_counts: Annotated[float, Ge(0), Doc("rms read noise")] = 1.0
    electrons_per_count: Annotated[float, Ge(0), Doc("sets the shot noise; 0: there is none")] = 40.0
    uneven: Annotated[float, Interval(ge=0, le=1), Doc("by what part the corners are darker than the middle")] = 0.0
    drop: Annotated[float, Interval(ge=0, le=1), Doc("part of the frames that never arrive")] = 0.0
    blink: Annotated[float, Interval(ge=0, le=1), Doc("part of the particles that an image does not show")] = 0.0
    laser_leak_counts_per_mw: Annotated[
        float, Ge(0), Doc("what the filter lets through: the laser's spot, at its peak, for 1 mW over an exposure")
    ] = 0.0
    sub_exposures: Annotated[int, Interval(ge=1, le=64), Doc("instants that an exposure is made of")] = 4
    true_um_per_px: Annotated[float, Interval(ge=0, le=1e3), Doc("the real size of a pixel; 0: as the optics say")] = (
        0.0
    )
    true_rotation_deg: Annotated[float, Doc("by how much the image is turned about its middle")] = 0.0
    true_mirror: Annotated[bool, Doc("whether left and right are exchanged")] = False
    true_shear: Annotated[float, Interval(ge=-1, le=1), Doc("the image leans: x grows by so much of y")] = 0.0
    true_stretch: Annotated[float, Interval(ge=0.25, le=4), Doc("length along one direction over length across")] = 1.0
    true_stretch_deg: Annotated[float, Doc("that direction, in the sample")] = 0.0
    true_tilt_deg: Annotated[float, Interval(ge=-60, le=60), Doc("the sample is tilted: it leaves focus along x")] = 0.0
    true_defocus_um: Annotated[float, Doc("how far the sample's middle is out of focus")] = 0.0
    blur: Annotated[float, Ge(0), Doc("rms blur that each um out of focus makes, in um")] = 0.2
    size_spread: Annotated[float, Interval(ge=0, le=0.5), Doc("rms difference of particles' images in size")] = 0.0
    light_spread: Annotated[float, Interval(ge=0, le=1), Doc("rms difference of their images in brightness")] = 0.0

    def __post_init__(self) -> None:
        assert_image_size(self.width_px, self.height_px)
        if self.exposure_s > 1.0 / self.fps:
            raise ValueError(f"an exposure of {self.exposure_s:g} s does not fit in a frame of {1 / self.fps:g} s")
        if 0.0 < self.true_um_per_px < SMALLEST["µm"]:
            raise ValueError(
                f"true_um_per_px is {self.true_um_per_px:g} (allowed: 0, for that of the optics, or at least "
                f"{SMALLEST['µm']:g})"
            )

    @property
    def pixels_follow_optics(self) -> bool:
        return not self.true_um_per_px


class SimulatedCameraDriver:
    """The Camera plug over a simulated world."""

    identity = ""
    returned: tuple[Returned, ...] = ()

    def __init__(
        self,
        config: SimulatedCamera,
        um_per_px: float,
        world: World,
        clock: SimulatedClock,
        seed: int,
        replica: int = 0,
    ) -> None:
        self._config, self._world, self._clock = config, world, clock
        self._seed, self._replica = seed, replica
        to_px = true_map(config, um_per_px)
        self._to_px = np.column_stack([np.array(to_px.matrix), np.array(to_px.shift)])  # [2, 3]
        scale = math.sqrt(abs(to_px.determinant))
        ratio = world.diameter_um / world.sample.diameter_um  # [N]
        self._sigma_px = config.spot_um * ratio * scale
        self._radius_px = world.diameter_um / 2.0 * scale
        self._peak_counts = config.peak_counts * world.brightness
        self._leak_px = world.stage.waist_um / 2.0 * scale  # exp(-2 r^2 / waist^2)
        self._shapes = self._distorted_shapes(um_per_px) if is_distorted(config, world) else None
        self._light = illumination(config)  # [H, W] relative
        self._background = (config.background_counts * self._light).astype(np.float32)
        self._even = config.uneven == 0.0
        self._table, self._profile = render.normal_table(), render.ring_profile()
        self._next = 0
        self._open = True

    def read(self) -> Frame | None:
        """Wait for (paced) or step to (lockstep) the next frame's arrival; if late, the newest one. Raises Ended."""
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
        return number * self._world.period_ns + self._world.exposure_ns + round(self._config.readout_s * 1e9)

    def _newest(self, now_ns: int) -> int:
        """The last frame that has arrived by now, or -1."""
        return (now_ns - self._arrival_ns(0)) // self._world.period_ns

    def shown(self, number: int) -> NDArray[np.bool_]:
        """[N] whether the image of a frame shows each particle."""
        draws = [
            uniform(self._seed, self._replica, CAMERA, BLINK + particle, number)
            for particle in range(len(self._radius_px))
        ]
        return np.array(draws, np.float64) >= self._config.blink

    def _dropped(self, number: int) -> bool:
        probability = self._config.drop
        return probability > 0 and uniform(self._seed, self._replica, CAMERA, 0xFFFFFFFF, number) < probability

    def _frame(self, number: int) -> Frame:
        time_s = (number * self._world.period_ns + self._world.exposure_ns / 2.0) * 1e-9
        laser_light = self._world.mean_light(number) if self._config.laser_leak_counts_per_mw > 0 else NO_LIGHT
        image = self.render(number, self._world.exposed(number), laser_light)
        return Frame(number, time_s, image)

    def _distorted_shapes(self, um_per_px: float) -> Shapes:
        """The particles' images with these optics, with random differences in size and brightness."""
        config, world = self._config, self._world
        count = len(world.look)
        unlike = np.zeros((count, 2))
        fill_normals(unlike, self._seed, self._replica, CAMERA, UNLIKE)
        spread = np.array([config.size_spread, config.light_spread])
        size, shine = np.exp(spread * np.clip(unlike, -2.5, 2.5)).T
        self._peak_counts = self._peak_counts * shine
        default, length_um = ("spot", config.spot_um) if config.image == "fluorescent" else ("ring", 0.0)
        radius_um = world.diameter_um / 2.0
        default_um = length_um * world.diameter_um / world.sample.diameter_um if length_um else radius_um
        names = [default if look == "own" else look for look in world.look]
        lengths_um = np.where([look == "own" for look in world.look], default_um, radius_um) * size
        middle_um = config.middle_um(um_per_px)
        slope = math.tan(math.radians(config.true_tilt_deg))
        blur_um = config.blur * np.array([slope, 0.0, config.true_defocus_um - slope * middle_um[0]])
        largest_um = config.blur * (abs(config.true_defocus_um) + abs(slope) * config.width_px * um_per_px)
        return shapes(names, lengths_um, blur_um, largest_um)

    def render(
        self, number: int, place_um: Floats, laser_light: tuple[Floats, Floats] = NO_LIGHT
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """The image [H, W], read-only, of particles at place_um [S, N, 2], and of leaking `laser_light`: spot
        positions [K, 2] um, and mean powers over the exposure [K] mW. `number` determines the noise.
        """
        config = self._config
        light = self._background.copy() if self._even else np.zeros_like(self._background)
        peak_counts = np.where(self.shown(number), self._peak_counts, 0.0) if config.blink > 0 else self._peak_counts
        if self._shapes is not None:
            drawn = self._shapes
            stamp_shapes(light, place_um, peak_counts, self._to_px, drawn.table, drawn.reach, drawn.kind,
                         drawn.length_um, drawn.blur_um, drawn.step)  # fmt: skip
        elif config.image == "fluorescent":
            render.stamp_spots(light, place_um, self._sigma_px, peak_counts, self._to_px)
        else:
            render.stamp_rings(light, place_um, self._radius_px, peak_counts, self._to_px, self._profile)
        if not self._even:
            light = light * self._light + self._background
        if len(laser_light[1]):
            leak_counts = config.laser_leak_counts_per_mw * laser_light[1]
            render.stamp_spots(
                light, laser_light[0][None], np.full(len(leak_counts), self._leak_px), leak_counts, self._to_px
            )
        image = np.empty(light.shape, np.uint8 if config.bits <= 8 else np.uint16)
        shot = 1.0 / config.electrons_per_count if config.electrons_per_count > 0 else 0.0
        render.expose(
            light,
            shot,
            config.read_noise_counts,
            2**config.bits - 1,
            self._seed,
            self._replica,
            number,
            self._table,
            image,
        )
        image.flags.writeable = False
        return image


def illumination(config: SimulatedCamera) -> NDArray[np.float32]:
    """[H, W] relative brightness of the lamp: 1 in the middle, decreasing with the square of the distance from it."""
    y, x = np.mgrid[0 : config.height_px, 0 : config.width_px].astype(np.float64)
    x0, y0 = (config.width_px - 1) / 2.0, (config.height_px - 1) / 2.0
    square = ((x - x0) ** 2 + (y - y0) ** 2) / (x0**2 + y0**2)
    return np.asarray(1.0 - config.uneven * square, np.float32)


def is_distorted(config: SimulatedCamera, world: World) -> bool:
    """Whether the images are not just equal round spots or rings."""
    optics = (config.true_shear, config.true_tilt_deg, config.true_defocus_um, config.true_stretch - 1.0)
    return any((*optics, config.size_spread, config.light_spread)) or any(look != "own" for look in world.look)


def true_map(config: SimulatedCamera, um_per_px: float) -> Affine:
    """True map of the optics, from um of the instrument's coordinates to px; a tilt shortens x."""
    scale = 1.0 / (config.true_um_per_px or um_per_px)
    turn = math.radians(config.true_rotation_deg)
    mirror = np.diag([-1.0 if config.true_mirror else 1.0, 1.0])
    matrix = scale * mirror @ np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = matrix @ distortion(config)
    middle_px = np.array([(config.width_px - 1) / 2.0, (config.height_px - 1) / 2.0])
    shift = middle_px - matrix @ np.array(config.middle_um(um_per_px))
    (a, b), (c, d) = matrix.tolist()
    return Affine("um", "px", ((a, b), (c, d)), (float(shift[0]), float(shift[1])))


def distortion(config: SimulatedCamera) -> Floats:
    """[2, 2] distortion of the sample's plane by shear, stretch and tilt; the stretch conserves areas."""
    angle_rad = math.radians(config.true_stretch_deg)
    turn = np.array([[math.cos(angle_rad), -math.sin(angle_rad)], [math.sin(angle_rad), math.cos(angle_rad)]])
    stretch = turn @ np.diag([math.sqrt(config.true_stretch), 1.0 / math.sqrt(config.true_stretch)]) @ turn.T
    lean = np.array([[1.0, config.true_shear], [0.0, 1.0]])
    return np.asarray(lean @ stretch @ np.diag([math.cos(math.radians(config.true_tilt_deg)), 1.0]))
