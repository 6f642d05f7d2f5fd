"""Images of particles through imperfect optics: blur by quadrature, shape by moments, position by the true map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.contract import Floats
from drivers.sim.bench import open_bench
from drivers.sim.camera import SimulatedCamera, distortion, true_map
from drivers.sim.render import PROFILE
from drivers.sim.sample import MixtureSpecies, Sample
from drivers.sim.shapes import PROFILES, blurred

QUIET: dict[str, Any] = {"read_noise_counts": 0.0, "electrons_per_count": 0.0, "bits": 16, "background_counts": 0.0,
                         "peak_counts": 30000.0}  # fmt: skip


def picture(place_um: Floats, sample: Sample | None = None, **camera: Any) -> Floats:
    with open_bench(sample or Sample(), SimulatedCamera(**{**QUIET, **camera}), um_per_px=0.1) as bench:
        return np.asarray(bench.camera.render(0, place_um), np.float64)


def moments(light: Floats) -> tuple[Floats, Floats]:
    """The centre (x, y) and the covariance of the light."""
    y, x = np.indices(light.shape)
    at = np.stack([x, y], -1).reshape(-1, 2).astype(float)
    weight = light.reshape(-1) / light.sum()
    middle = weight @ at
    return middle, (weight[:, None] * (at - middle)).T @ (at - middle)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_blur_conserves_the_light_and_adds_its_variance(name: str) -> None:
    def sums(blur: float) -> tuple[float, float]:
        table, reach = blurred(name, blur)
        square = (np.arange(PROFILE) + 0.5) / PROFILE * reach**2  # dA = pi d(r^2)
        middle = 0.5 * (table[:PROFILE] + table[1 : PROFILE + 1]).astype(np.float64)
        return float(middle.mean() * reach**2), float((middle * square).mean() * reach**2)

    light, spread = sums(0.0)
    soft_light, soft_spread = sums(0.6)
    assert soft_light == pytest.approx(light, rel=0.01, abs=2e-3)
    assert soft_spread - spread == pytest.approx(2 * 0.6**2 * light, rel=0.05, abs=2e-3)


@settings(deadline=None, max_examples=8)
@given(st.floats(-0.3, 0.3), st.floats(1.0, 1.5), st.floats(0, 180))
def test_a_spot_is_deformed_by_the_true_map(shear: float, stretch: float, along_deg: float) -> None:
    camera: dict[str, Any] = {
        "true_shear": shear,
        "true_stretch": stretch,
        "true_stretch_deg": along_deg,
        "true_defocus_um": 1e-6,
    }
    place_um = np.array([[[12.0, 13.5]]])
    middle, covariance = moments(picture(place_um, **camera))
    made = SimulatedCamera(**camera)
    assert middle == pytest.approx(true_map(made, 0.1)(place_um[0])[0], abs=0.02)
    matrix = distortion(made) * 10
    assert covariance == pytest.approx(0.25**2 * matrix @ matrix.T, abs=0.05)


def test_perfect_optics_give_the_image_of_the_plain_kernels() -> None:
    place_um = np.array([[[12.04, 13.51]]])
    for image in ("fluorescent", "brightfield"):
        plain = picture(place_um, image=image, background_counts=20000.0)
        shaped = picture(place_um, image=image, background_counts=20000.0, true_defocus_um=1e-9)
        assert np.abs(shaped - plain).max() < 30000 * 2e-3


def test_a_tilted_sample_is_in_focus_in_the_middle_only() -> None:
    peaks = [picture(np.array([[[x_um, 12.75]]]), true_tilt_deg=30.0).max() for x_um in (3.0, 12.75, 22.5)]
    assert peaks[1] > 1.5 * max(peaks[0], peaks[2])
    assert peaks[0] == pytest.approx(peaks[2], rel=0.05)


def test_species_differ_in_shape_and_particles_in_size() -> None:
    species = tuple(MixtureSpecies(look=look) for look in ("bead", "shell", "halo"))
    sample = Sample(number=3, arrangement="line", spacing_um=4.0, order=(0, 1, 2), species=species)
    place_um = np.array([[[5.0, 12.8], [12.8, 12.8], [20.5, 12.8]]])
    light = picture(place_um, sample)
    rings = [light[128, x : x + 12] / light[128, x] for x in (50, 128, 205)]  # along +x from each middle
    assert rings[0].argmax() == 0  # the brightness of a bead decreases outwards
    assert rings[1].argmax() in (5, 6, 7)  # a shell is brightest at 0.65 radii of 10 px
    assert rings[2][11] > 1.5 * rings[2][7]  # the ring of a halo is separate
    apart = picture(place_um, sample, size_spread=0.1, light_spread=0.1)
    ratio = [apart[115:142, x - 13 : x + 14].sum() / light[115:142, x - 13 : x + 14].sum() for x in (50, 128, 205)]
    assert len({round(value, 3) for value in ratio}) == 3
    assert 0.7 < min(ratio) < max(ratio) < 1.4
    assert np.array_equal(apart, picture(place_um, sample, size_spread=0.1, light_spread=0.1))  # determined by the seed
