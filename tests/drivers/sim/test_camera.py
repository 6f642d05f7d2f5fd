"""The simulated camera: noise, positions and dropped frames."""

from typing import Any

import numpy as np
import pytest
import trackpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from control.contract import Floats
from drivers.sim.bench import Bench, open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.sample import MixtureSpecies, Sample

QUIET: dict[str, Any] = {"read_noise_counts": 0.0, "electrons_per_count": 0.0, "bits": 16, "background_counts": 100.0}


def bench_of(sample: Sample | None = None, um_per_px: float = 0.1, **camera: Any) -> Bench:
    return open_bench(sample or Sample(), SimulatedCamera(**camera), um_per_px=um_per_px)


def centroid(image: NDArray[np.generic], background: float = 100.0) -> Floats:
    light = np.asarray(image, np.float64) - background
    y, x = np.indices(light.shape)
    return np.asarray([(x * light).sum(), (y * light).sum()]) / float(light.sum())


place = st.floats(5.0, 20.0)


@settings(deadline=None, max_examples=20)
@given(place, place)
def test_a_fluorescent_spot_is_at_the_position_of_its_particle(x_um: float, y_um: float) -> None:
    with bench_of(**QUIET, peak_counts=30000.0) as bench:
        image = bench.camera.render(0, np.array([[[x_um, y_um]]]))
    assert centroid(image) == pytest.approx([x_um / 0.1, y_um / 0.1], abs=2e-3)


@settings(deadline=None, max_examples=10)
@given(place, place)
def test_a_brightfield_ring_is_at_the_position_of_its_particle(x_um: float, y_um: float) -> None:
    quiet = {**QUIET, "background_counts": 30000.0}
    with bench_of(**quiet, peak_counts=30000.0, image="brightfield") as bench:
        image = bench.camera.render(0, np.array([[[x_um, y_um]]]))
    contrast = np.abs(np.asarray(image, np.float64) - 30000.0)
    assert centroid(contrast, 0.0) == pytest.approx([x_um / 0.1, y_um / 0.1], abs=0.02)
    assert image.min() < 25000  # the dark rim
    assert image.max() > 50000  # the bright core


def test_noise_has_the_mean_and_variance_of_its_settings() -> None:
    with bench_of(
        Sample(number=0), background_counts=400.0, read_noise_counts=3.0, electrons_per_count=5.0, bits=12
    ) as bench:
        frames = [bench.camera.read() for _ in range(6)]
    images = np.array([frame.image for frame in frames if frame is not None], np.float64)
    assert images.dtype == np.float64
    assert images.mean() == pytest.approx(400.0, abs=0.1)
    assert images.var() == pytest.approx(400.0 / 5.0 + 9.0 + 1 / 12, rel=0.02)
    noise = images - 400.0
    for first, second in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]), (noise[..., 1:], noise[..., :-1])):
        assert abs((first * second).mean()) / noise.var() < 0.01


@pytest.mark.parametrize(
    ("bits", "kind", "largest"), [(8, np.uint8, 255), (12, np.uint16, 4095), (16, np.uint16, 65535)]
)
def test_a_pixel_saturates_at_the_largest_value_of_its_bits(bits: int, kind: type, largest: int) -> None:
    with bench_of(bits=bits, peak_counts=1e6) as bench:
        frame = bench.camera.read()
    assert frame is not None
    assert frame.image.dtype == kind
    assert frame.image.max() == largest


def test_the_image_of_a_moving_particle_is_the_mean_over_the_exposure() -> None:
    """Two positions in one exposure: the centroid is their mean, and the image is the mean of their images."""
    with bench_of(**QUIET, peak_counts=30000.0) as bench:
        here, there = np.array([[[10.0, 12.0]]]), np.array([[[10.6, 12.0]]])
        both = bench.camera.render(0, np.concatenate([here, there])).astype(float)
        mean = (bench.camera.render(0, here).astype(float) + bench.camera.render(0, there)) / 2.0
    assert np.abs(both - mean).max() <= 1.0


def test_the_corners_are_darker_by_the_setting_uneven() -> None:
    with bench_of(Sample(number=0), **{**QUIET, "background_counts": 20000.0}, uneven=0.4) as bench:
        image = bench.camera.render(0, np.empty((1, 0, 2))).astype(float)
    assert image[0, 0] / image[127:129, 127:129].mean() == pytest.approx(0.6, rel=1e-3)


def test_true_optics_may_differ_from_the_configured_ones() -> None:
    where = np.array([[[12.75 + 4.0, 12.75 + 1.0]]])  # from the middle of the image: 4, 1 um
    cases: list[tuple[dict[str, Any], list[float]]] = [
        ({}, [40.0, 10.0]),
        ({"true_um_per_px": 0.2}, [20.0, 5.0]),
        ({"true_mirror": True}, [-40.0, 10.0]),
        ({"true_rotation_deg": 90.0}, [-10.0, 40.0]),
    ]
    for optics, expected_px in cases:
        with bench_of(**QUIET, peak_counts=30000.0, **optics) as bench:
            image = bench.camera.render(0, where)
        assert centroid(image) - 127.5 == pytest.approx(expected_px, abs=0.01)


def test_species_differ_in_brightness() -> None:
    sample = Sample(
        number=2,
        arrangement="line",
        spacing_um=8.0,
        species=(MixtureSpecies(), MixtureSpecies(brightness=0.5)),
        order=(0, 1),
    )
    with bench_of(sample, **QUIET, peak_counts=30000.0) as bench:
        image = bench.camera.render(0, bench.world.position_um[None]).astype(float) - 100.0
    assert image[:, 128:].sum() / image[:, :128].sum() == pytest.approx(0.5, rel=1e-3)


def test_dropped_frames_leave_gaps_in_the_numbers() -> None:
    with bench_of(Sample(number=0), drop=0.3, width_px=16, height_px=16) as bench:
        frames = [bench.camera.read() for _ in range(400)]
    numbers = [frame.number for frame in frames if frame is not None]
    assert numbers == sorted(set(numbers))
    assert 400 / (numbers[-1] + 1) == pytest.approx(0.7, abs=0.08)
    assert all(frame.time_s == pytest.approx(frame.number * 0.01 + 0.0025) for frame in frames if frame is not None)


def test_blinking_particles_are_absent_and_repeat_with_the_seed() -> None:
    sample = Sample(number=9, arrangement="square", spacing_um=5.0)
    with bench_of(sample, **QUIET, peak_counts=30000.0, blink=0.3) as bench, bench_of(sample, blink=0.3) as again:
        place_um = bench.world.position_um
        shown = np.array([bench.camera.shown(number) for number in range(300)])
        np.testing.assert_array_equal(shown, [again.camera.shown(number) for number in range(300)])
        for number in range(5):
            image = bench.camera.render(number, place_um[None])
            there = np.rint(place_um / 0.1).astype(int)
            np.testing.assert_array_equal(image[there[:, 1], there[:, 0]] > 5000, shown[number])
    assert shown.mean(axis=0) == pytest.approx(np.full(9, 0.7), abs=0.1)


def test_a_camera_that_drops_all_frames_gives_none_while_time_passes() -> None:
    with bench_of(drop=1.0) as bench:
        for turn in range(1, 4):
            assert bench.camera.read() is None
            assert bench.clock.now_s() == pytest.approx(0.5 * turn)


def test_readout_may_take_longer_than_a_frame() -> None:
    with bench_of(readout_s=0.035) as bench:
        frames = [bench.camera.read() for _ in range(10)]
        assert [frame.number for frame in frames if frame] == list(range(10))
        assert bench.clock.now_s() == pytest.approx(0.09 + 0.04)


def test_an_exposure_longer_than_the_frame_period_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        SimulatedCamera(fps=100.0, exposure_s=0.02)


@pytest.mark.parametrize("um", [5e-324, 1e-300, 9e-7])
def test_a_far_too_small_pixel_is_refused(um: float) -> None:
    with pytest.raises(ValueError, match=r"^true_um_per_px is .* \(allowed: 0, .*at least 1e-06\)$"):
        SimulatedCamera(true_um_per_px=um)
    with bench_of(true_um_per_px=1e-6) as bench:
        assert bench.camera.read() is not None


@pytest.mark.parametrize(
    ("image", "background", "diameter_px"), [("fluorescent", 20.0, 11), ("brightfield", 100.0, 17)]
)
def test_trackpy_finds_the_particles_at_their_positions(image: str, background: float, diameter_px: int) -> None:
    sample = Sample(number=9, arrangement="square", spacing_um=5.0, disturbance_um=0.3)
    with bench_of(sample, image=image, background_counts=background, peak_counts=120.0) as bench:
        frame = bench.camera.read()
        assert frame is not None
        truth_px = bench.world.exposed(frame.number).mean(axis=0) / 0.1
        found = trackpy.locate(frame.image, diameter_px, minmass=500)
    found_px = found[["x", "y"]].to_numpy()
    apart_px = np.hypot(*(truth_px[:, None] - found_px[None]).transpose(2, 0, 1))
    assert len(found) == 9
    assert apart_px.min(axis=1).max() < 0.1
