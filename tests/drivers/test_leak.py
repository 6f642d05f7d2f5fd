"""Laser light in the camera image: its amount and position follow the light during the exposure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from control.contract import Command
from drivers.sim.bench import Bench, open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.laser import SimulatedLaser
from drivers.sim.sample import Sample
from drivers.sim.stage import Stage, Visits, lit_until_ns
from drivers.sim.world import World

Floats = NDArray[np.float64]

MS = 1_000_000
BACKGROUND = 100.0
LEAK = 2.0  # counts per mW
STAGE = Stage(period_s=0.01, exposure_s=0.008)


def bench_of(leak: float = LEAK, *, uneven: float = 0.0, noise: float = 0.0) -> Bench:
    camera = SimulatedCamera(
        fps=100.0, exposure_s=0.01, readout_s=0.002, width_px=96, height_px=96, background_counts=BACKGROUND, bits=16,
        read_noise_counts=0.0, electrons_per_count=0.0, laser_leak_counts_per_mw=leak, uneven=uneven,
    )  # fmt: skip
    return open_bench(
        Sample(number=0), camera, SimulatedDeflector(delay_s=1e-3, efficiency_edge=1.0), SimulatedLaser(noise=noise),
        um_per_px=0.1, latency_s=0.003,
    )  # fmt: skip


def command(*spots: tuple[float, float, float]) -> Command:
    """A command of spots (x_um, y_um, power_mw), each visited for 0.1 ms."""
    at = np.array(spots)
    number = len(spots)
    return Command(at[:, :2], at[:, 2], np.full(number, 1e-4), np.full(number, -1))


def images(bench: Bench, sent: list[Command | None]) -> list[Floats]:
    """The light above the background in successive frames; a command may be sent after each frame."""
    seen = []
    for one in sent:
        frame = bench.camera.read()
        assert frame is not None
        seen.append(np.asarray(frame.image, np.float64) - BACKGROUND)
        if one is not None:
            bench.beam.send(one)
    return seen


def test_a_flash_within_an_exposure_is_recorded_in_part() -> None:
    """Frame 0 arrives at 12 ms; the light acts 4 ms (and a jump of 0.01 ms) later, 6.01 ms into the next exposure."""
    lit = command((4.8, 4.8, 40.0))
    with bench_of() as bench:
        peak = [image.max() for image in images(bench, [lit, None, lit, Command(), None, None])]
    assert peak[0] == 0.0
    assert peak[1] == pytest.approx(40.0 * LEAK * (1.0 - 0.601), abs=1.0)  # a pixel is a whole number of counts
    assert peak[2] == pytest.approx(40.0 * LEAK, abs=1.0)
    assert peak[3] == pytest.approx(40.0 * LEAK, abs=1.0)
    assert peak[4] == pytest.approx(40.0 * LEAK * 0.5, abs=1.0)  # a dark command needs no jump: 3 ms after 42 ms
    assert peak[5] == 0.0


def test_the_leaked_light_has_position_and_width_of_the_spot() -> None:
    with bench_of(200.0) as bench:
        image = images(bench, [command((3.0, 6.0, 40.0)), None, None])[2]
    y_px, x_px = np.indices(image.shape)
    total = image.sum()
    middle_px = (x_px * image).sum() / total, (y_px * image).sum() / total
    assert middle_px == pytest.approx((30.0, 60.0), abs=0.02)
    assert total == pytest.approx(200.0 * 40.0 * math.pi * 0.6**2 / 2.0 / 0.1**2, rel=2e-3)  # exp(-2 r^2 / waist^2)
    assert (image * (x_px - 30.0) ** 2).sum() / total == pytest.approx((0.6 / 2.0 / 0.1) ** 2, rel=5e-3)


def test_spots_that_share_the_beam_share_its_light() -> None:
    with bench_of(100.0) as bench:
        image = images(bench, [command((3.0, 3.0, 20.0), (7.0, 7.0, 60.0)), None, None])[2]
    lit = 100.0 * 0.1 / 0.11  # a jump of 0.01 ms before each visit
    assert image[30, 30] == pytest.approx(lit * 20.0 / 2.0, rel=0.01)
    assert image[70, 70] == pytest.approx(lit * 60.0 / 2.0, rel=0.01)


def test_the_leaked_light_has_the_noise_of_the_laser_not_of_the_lamp() -> None:
    with bench_of(uneven=0.5) as bench:
        image = images(bench, [command((1.0, 1.0, 40.0)), None, None])[2]
        lamp = images(bench, [Command(), None, None])[2]
    assert (image - lamp).max() == pytest.approx(40.0 * LEAK, abs=1.0)
    with bench_of(200.0, noise=0.2) as bench:
        peak = np.array([image.max() for image in images(bench, [command((4.8, 4.8, 40.0))] * 60)[2:]])
    assert peak.mean() == pytest.approx(200.0 * 40.0, rel=0.04)
    assert peak.std() / peak.mean() == pytest.approx(0.2 / math.sqrt(10), rel=0.35)  # ten ticks of noise an exposure


def test_no_laser_light_passes_a_perfect_filter() -> None:
    with bench_of(0.0) as bench:
        assert all(image.max() == 0.0 for image in images(bench, [command((4.8, 4.8, 200.0)), None, None]))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 400_000), min_size=1, max_size=5), st.integers(0, 50_000), st.integers(0, 3 * MS),
    st.integers(1, 9 * MS),
)  # fmt: skip
def test_the_time_that_each_spot_is_lit(dwell_ns: list[int], settle_ns: int, from_ns: int, lasting_ns: int) -> None:
    """Compared with a sum over the visits of the cycle."""
    number = len(dwell_ns)
    visits = Visits(np.zeros((number, 2)), np.ones(number), np.array(dwell_ns), settle_ns, 7)
    lit = np.diff(lit_until_ns(visits, np.array([from_ns, from_ns + lasting_ns]) + 7), axis=0)[0]
    wanted, at_ns = np.zeros(number), 0
    while number > 1 and at_ns < from_ns + lasting_ns:
        for spot, one_ns in enumerate(dwell_ns):
            begin_ns, at_ns = at_ns + settle_ns, at_ns + settle_ns + one_ns
            wanted[spot] += max(min(at_ns, from_ns + lasting_ns) - max(begin_ns, from_ns), 0)
    np.testing.assert_array_equal(lit, wanted if number > 1 else [lasting_ns])


def test_light_is_recorded_until_it_expires() -> None:
    world = World(Sample(number=0), STAGE)
    spot_um, one = np.array([[1.0, 2.0]]), np.ones(1)
    world.put(Visits(spot_um, one, np.array([MS]), 0, 12 * MS, 16 * MS, power_mw=10.0 * one))
    for at_ms in (5, 11, 13, 40):
        world.advance(at_ms * MS)
    place_um, power_mw = world.mean_light(1)
    np.testing.assert_array_equal(place_um, spot_um)
    assert power_mw == pytest.approx([10.0 * 4.0 / 8.0])
    assert len(world.mean_light(2)[1]) == 0
    world.put(Visits(spot_um, one, np.array([MS]), 0, 41 * MS))  # light without power is not recorded
    world.advance(60 * MS)
    assert len(world.mean_light(4)[1]) == 0
