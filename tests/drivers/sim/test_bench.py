"""The simulated rig, seen from the loop: camera, beam and clock in lockstep."""

import numpy as np
import pytest

from control.contract import Command, Ended, Floats, Frame
from drivers.sim.bench import Bench, open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.sample import Sample


def spot(x_um: float, y_um: float, power_mw: float = 4.0) -> Command:
    return Command(np.array([[x_um, y_um]]), np.array([power_mw]), np.array([1e-4]), np.array([0]))


def frame_of(bench: Bench) -> Frame:
    frame = bench.camera.read()
    assert frame is not None
    return frame


def centre_px(frame: Frame) -> Floats:
    """Centre of mass of the pixels clearly brighter than the background."""
    light = np.where(frame.image > 30, frame.image.astype(float) - 20.0, 0.0)
    y, x = np.indices(light.shape)
    return np.asarray([(x * light).sum(), (y * light).sum()]) / float(light.sum())


def test_a_frame_arrives_after_its_exposure_and_readout() -> None:
    camera = SimulatedCamera(fps=100.0, exposure_s=0.004, readout_s=0.003)
    with open_bench(camera=camera, um_per_px=0.1) as bench:
        for number in range(3):
            frame = frame_of(bench)
            assert frame.number == number
            assert frame.time_s == pytest.approx(number * 0.01 + 0.002, abs=1e-12)
            assert bench.clock.now_s() == pytest.approx(number * 0.01 + 0.007, abs=1e-12)
            assert frame.image.shape == (256, 256)
            assert frame.image.dtype == np.uint8
            assert not frame.image.flags.writeable


def test_a_command_acts_after_latency_and_delay() -> None:
    deflector = SimulatedDeflector(delay_s=0.001)
    with open_bench(deflector=deflector, um_per_px=0.1, latency_s=0.0035) as bench:
        frame_of(bench)
        sent = bench.beam.send(spot(12.0, 12.0))
        assert sent.effect_s == pytest.approx(bench.clock.now_s() + 0.0045, abs=1e-9)
        assert np.abs(sent.position_um - 12.0).max() < 0.5 * 80.0 / 2**16 * 1.001
        assert sent.power_mw.tolist() == [4.0]


def test_a_spot_carries_a_particle_to_it() -> None:
    with open_bench(um_per_px=0.1, seed=3) as bench:
        frame = frame_of(bench)
        x_um, y_um = bench.world.stage.middle_um
        for step in range(150):
            bench.beam.send(spot(x_um + 0.02 * min(step, 100), y_um))
            frame = frame_of(bench)
        assert np.linalg.norm(centre_px(frame) * 0.1 - [x_um + 2.0, y_um]) < 0.3


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    def run(seed: int) -> tuple[bytes, bytes]:
        sample = Sample(number=7, arrangement="hexagonal", disturbance_um=0.25)
        with open_bench(sample, um_per_px=0.1, seed=seed) as bench:
            for _ in range(20):
                frame = frame_of(bench)
                x_um, y_um = centre_px(frame) * 0.1
                bench.beam.send(spot(x_um, y_um))
            return frame.image.tobytes(), bench.world.position_um.tobytes()

    assert run(5) == run(5)
    assert run(5)[0] != run(6)[0]


def test_a_closed_bench_has_no_more_frames() -> None:
    bench = open_bench(um_per_px=0.1)
    frame_of(bench)
    bench.close()
    with pytest.raises(Ended):
        bench.camera.read()
