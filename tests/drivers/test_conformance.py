"""The same tests for every camera, deflector and laser of the list pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from config.fields import variants
from control.contract import Camera, Clock, Ended, Fault, Frame
from drivers.cameras import AnyCamera
from drivers.cameras.opencv_capture import OpenCVCamera, OpenCVCapture
from drivers.deflectors import AnyDeflector
from drivers.lasers import AnyLaser
from drivers.light_protocols import Deflector, Laser
from drivers.sim.bench import Bench, open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.clock import PacedClock
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.ideal_bench import PlantCamera, open_plant
from drivers.sim.laser import SimulatedLaser
from drivers.sim.playback import EmptyField, open_playback
from drivers.sim.sample import Sample
from drivers.video import VideoCamera, open_video
from tests.drivers.emulated import Emulated, eventually

pytestmark = pytest.mark.real_time

SIZE = (48, 64)


@dataclass(frozen=True)
class Light:
    """A matching deflector and laser, and whether light reaches the sample."""

    deflector: Deflector
    laser: Laser
    clock: Clock
    lit: Callable[[], bool]
    interlock: Callable[[bool], None]

    def becomes(self, lit: bool) -> bool:
        return eventually(lambda: self.lit() is lit)


def simulated_light(emulated: Emulated, closing: ExitStack) -> Light:
    bench: Bench = closing.enter_context(open_bench(um_per_px=0.1, rate=1.0))

    def lit() -> bool:
        bench.world.advance(bench.clock.now_ns())
        return bool(len(bench.world.visits.depth_kt))

    return Light(bench.deflector, bench.laser, bench.clock, lit, bench.laser.set_interlock)


def serial_light(emulated: Emulated, closing: ExitStack) -> Light:
    galvo = emulated.open_galvo()
    closing.callback(galvo.close)
    laser = emulated.open_laser(galvo)
    closing.callback(laser.close)

    def interlock(closed: bool) -> None:
        emulated.order(emulated.laser, "interlock closed" if closed else "interlock open")

    return Light(galvo, laser, PacedClock(1.0), lambda: emulated.lit, interlock)


DEFLECTORS = {"simulated": simulated_light, "serial_galvo": serial_light}
LASERS = {"simulated": simulated_light, "cobolt": serial_light}


def test_every_kind_of_the_list_pages_has_a_fixture() -> None:
    assert set(variants(AnyDeflector)) == set(DEFLECTORS)
    assert set(variants(AnyLaser)) == set(LASERS)
    assert set(variants(AnyCamera)) == set(CAMERAS)


class TestDeflectors:
    @pytest.fixture(params=DEFLECTORS)
    def light(self, request: pytest.FixtureRequest, emulated: Emulated) -> Iterator[Light]:
        with ExitStack() as closing:
            yield DEFLECTORS[request.param](emulated, closing)

    def test_the_deflector_reports_firmware_and_status(self, light: Light) -> None:
        assert light.deflector.firmware
        assert light.deflector.status() == "ready"

    def test_the_deflector_range_contains_zero(self, light: Light) -> None:
        low_v, high_v = light.deflector.low_v, light.deflector.high_v
        assert all(np.isfinite([*low_v, *high_v]))
        assert low_v[0] < 0 < high_v[0]
        assert low_v[1] < 0 < high_v[1]

    def test_the_readback_equals_the_command(self, light: Light) -> None:
        places_v = np.array([light.deflector.low_v, (0.1, 0.2), light.deflector.high_v])
        steered = light.deflector.steer(places_v, np.array([1e-4, 2e-4, 1e-9]))
        assert steered.position_v.shape == (3, 2)
        np.testing.assert_allclose(steered.position_v, places_v, atol=1e-3)
        assert steered.dwell_s[:2] == pytest.approx([1e-4, 2e-4], rel=1e-4)
        assert steered.dwell_s[2] >= 1e-9

    def test_the_arrays_of_the_command_are_not_changed(self, light: Light) -> None:
        places_v, dwell_s = np.array([[0.123456, -0.2]]), np.array([1e-9])
        light.deflector.steer(places_v, dwell_s)
        assert places_v.tolist() == [[0.123456, -0.2]]
        assert dwell_s.tolist() == [1e-9]

    def test_the_effect_time_is_not_in_the_past(self, light: Light) -> None:
        now_s = light.clock.now_s()
        assert light.deflector.steer(np.zeros((1, 2)), np.array([1e-4])).effect_s >= now_s

    @pytest.mark.parametrize("out", [1.01, -1.01, np.nan, np.inf])
    def test_a_position_outside_of_the_range_is_a_fault(self, light: Light, out: float) -> None:
        with pytest.raises(Fault):
            light.deflector.steer(np.array([[0.0, light.deflector.high_v[1] * out]]), np.array([1e-4]))

    def test_steering_without_power_gives_no_light(self, light: Light) -> None:
        light.deflector.steer(np.zeros((1, 2)), np.array([1e-4]))
        assert not light.lit()

    def test_a_closed_deflector_raises_a_fault(self, light: Light) -> None:
        light.deflector.close()
        assert "closed" in light.deflector.status()
        with pytest.raises(Fault, match="closed"):
            light.deflector.steer(np.zeros((1, 2)), np.array([1e-4]))
        light.deflector.close()


class TestLasers:
    @pytest.fixture(params=LASERS)
    def light(self, request: pytest.FixtureRequest, emulated: Emulated) -> Iterator[Light]:
        with ExitStack() as closing:
            yield LASERS[request.param](emulated, closing)

    @staticmethod
    def shine(light: Light, *power_mw: float, at_most_s: float = 1.0) -> Any:
        number = len(power_mw)
        light.deflector.steer(np.tile([0.1, 0.2], (number, 1)), np.full(number, 1e-4))
        return light.laser.shine(np.array(power_mw), at_most_s)

    def test_the_laser_reports_firmware_status_and_power(self, light: Light) -> None:
        assert light.laser.firmware
        assert light.laser.status() == "ready"
        assert light.laser.max_power_mw > 0

    def test_a_laser_is_dark_when_opened(self, light: Light) -> None:
        assert light.becomes(False)

    def test_the_laser_reports_the_powers_that_it_gives(self, light: Light) -> None:
        most_mw = light.laser.max_power_mw
        given_mw = self.shine(light, 0.1 * most_mw, 0.5 * most_mw, 2.0 * most_mw)
        assert given_mw == pytest.approx([0.1 * most_mw, 0.5 * most_mw, most_mw], rel=1e-3)
        assert (given_mw <= most_mw * (1 + 1e-9)).all()
        assert light.becomes(True)

    def test_off_is_dark_and_may_be_called_twice(self, light: Light) -> None:
        self.shine(light, 10.0)
        light.laser.off()
        assert light.becomes(False)
        light.laser.off()
        self.shine(light, 10.0)
        assert light.becomes(True)

    def test_light_before_steering_is_a_fault(self, light: Light) -> None:
        with pytest.raises(Fault, match="steered"):
            light.laser.shine(np.array([10.0]), 1.0)
        self.shine(light, 10.0)
        light.laser.off()
        with pytest.raises(Fault, match="steered"):
            light.laser.shine(np.array([10.0]), 1.0)

    def test_the_light_ends_after_its_time_limit(self, light: Light) -> None:
        self.shine(light, 10.0, at_most_s=0.05)
        assert light.becomes(False)

    def test_an_open_interlock_is_dark_and_a_fault(self, light: Light) -> None:
        self.shine(light, 10.0)
        light.interlock(False)
        assert light.becomes(False)
        light.laser.off()
        assert light.laser.status() == "interlock open"
        with pytest.raises(Fault, match="interlock"):
            self.shine(light, 10.0)
        assert not light.lit()

    def test_a_closed_laser_stays_dark(self, light: Light) -> None:
        self.shine(light, 10.0)
        light.laser.close()
        assert light.becomes(False)
        light.deflector.steer(np.zeros((1, 2)), np.array([1e-4]))
        with pytest.raises(Fault, match="closed"):
            light.laser.shine(np.array([1.0]), 1.0)
        light.laser.close()


def film(folder: Path, frames: int = 40) -> Path:
    """A film whose frame n has the brightness 4 n."""
    path = folder / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 30.0, (SIZE[1], SIZE[0]))
    for number in range(frames):
        writer.write(np.full((*SIZE, 3), 4 * number, np.uint8))
    writer.release()
    return path


def table_of_places(folder: Path) -> tuple[Camera, Clock]:
    sample = Sample(number=SIZE[0], arrangement="line")
    bench = open_plant(sample, PlantCamera(), um_per_px=0.1, waist_um=0.6, depth_kt_per_mw=5.0, latency_s=0.001, seed=1)
    return bench.camera, bench.clock


def simulated_camera(folder: Path) -> tuple[Camera, Clock]:
    camera = SimulatedCamera(width_px=SIZE[1], height_px=SIZE[0], fps=200.0, exposure_s=0.002, readout_s=0.001)
    bench = open_bench(camera=camera, um_per_px=0.1)
    return bench.camera, bench.clock


def recorded_video(folder: Path) -> tuple[Camera, Clock]:
    video = open_video(VideoCamera(path=str(film(folder))))
    field = EmptyField(low_um=(0.0, 0.0), high_um=(6.0, 4.0), power_cap_mw=1.0, heartbeat_s=1.0)
    camera, _, clock = open_playback(
        video, lambda frame: frame.time_s + 0.003, SimulatedDeflector(), SimulatedLaser(), field, latency_s=0.001
    )
    return camera, clock


def opencv_camera(folder: Path) -> tuple[Camera, Clock]:
    clock = PacedClock(1.0)
    made = OpenCVCamera(source=str(film(folder)), fps=200.0, exposure_s=0.002, readout_s=0.001, width_px=SIZE[1],
                        height_px=SIZE[0])  # fmt: skip
    return OpenCVCapture(made, clock), clock


CAMERAS = {
    "simulated": simulated_camera, "video": recorded_video, "opencv": opencv_camera, "plant": table_of_places,
}  # fmt: skip


class TestCameras:
    @pytest.fixture(params=CAMERAS)
    def opened(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Camera, Clock]]:
        camera, clock = CAMERAS[request.param](tmp_path)
        yield camera, clock
        camera.close()

    @staticmethod
    def some(camera: Camera, number: int) -> list[Frame]:
        frames = [camera.read() for _ in range(number)]
        assert all(frame is not None for frame in frames)
        return [frame for frame in frames if frame is not None]

    def test_frames_are_read_only_and_of_one_kind(self, opened: tuple[Camera, Clock]) -> None:
        for frame in self.some(opened[0], 5):
            table = frame.image.dtype == np.float64  # a table of positions instead of pixels
            assert frame.image.shape == ((SIZE[0], 4) if table else SIZE)
            assert table or frame.image.dtype == np.uint8
            assert not frame.image.flags.writeable

    def test_numbers_and_times_rise(self, opened: tuple[Camera, Clock]) -> None:
        frames = self.some(opened[0], 8)
        assert frames[0].number >= 0
        assert (np.diff([frame.number for frame in frames]) >= 1).all()
        assert (np.diff([frame.time_s for frame in frames]) > 0).all()

    def test_a_frame_is_older_than_its_arrival(self, opened: tuple[Camera, Clock]) -> None:
        camera, clock = opened
        for _ in range(3):
            frame = camera.read()
            assert frame is not None
            assert frame.time_s <= clock.now_s()

    def test_an_image_is_not_changed_by_later_frames(self, opened: tuple[Camera, Clock]) -> None:
        first = opened[0].read()
        assert first is not None
        before = first.image.copy()
        self.some(opened[0], 3)
        assert np.array_equal(first.image, before)

    def test_a_closed_camera_raises_ended(self, opened: tuple[Camera, Clock]) -> None:
        camera, _ = opened
        self.some(camera, 1)
        camera.close()
        with pytest.raises(Ended):
            self.some(camera, 2)  # a frame received before may still be given
        camera.close()
