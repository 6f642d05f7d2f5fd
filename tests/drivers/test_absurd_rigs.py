"""Rigs with absurd but allowed numbers: too large for the memory, or too crowded to arrange in seconds."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

from app.assembly.rig import RIGS, Rig
from config.reader import build, put, read
from config.refused import Refused
from drivers.sim.sample import MixtureSpecies, Sample, arrange

LONGEST_S = 120  # generous: the machine may be busy
FIELD_UM = np.array([1000.0, 1000.0])


def started(sample: Sample) -> Any:
    return arrange(sample, np.zeros(2), FIELD_UM, np.full(sample.number, sample.diameter_um), 1, 0)


@pytest.mark.parametrize(
    "camera",
    [
        {"kind": "simulated"},
        {"kind": "opencv"},
        {"kind": "video", "path": "a.avi"},
    ],
)
def test_the_pixels_of_every_camera_are_bounded(camera: dict[str, Any]) -> None:
    """Before, 8192 x 8192 took 2.7 GB and 45 s."""
    rig = read(RIGS / "simulated.yaml")
    with pytest.raises(Refused, match=r"camera.*8192 x 8192 = 6.71e\+07 pixels .allowed: 1.68e\+07, as 4096 x 4096"):
        build(put(rig, "camera", camera | {"width_px": 8192, "height_px": 8192}, "test"), Rig)
    made = build(put(rig, "camera", camera | {"width_px": 4096, "height_px": 4096}, "test"), Rig)
    assert made.camera.width_px == 4096


@pytest.mark.timeout(LONGEST_S)
def test_5000_disturbed_particles_are_arranged_in_little_memory() -> None:
    """Before, all 12.5 million pairs, up to a thousand times, took minutes and gigabytes."""
    tracemalloc.start()
    began_s = time.process_time()
    place_um = started(Sample(number=5000, arrangement="hexagonal", spacing_um=2.5, disturbance_um=1.0))
    spent_s, took = time.process_time() - began_s, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(place_um).all()
    assert took < 100_000_000
    assert spent_s < 60  # 2 s on a free processor, without tracing


@pytest.mark.timeout(LONGEST_S)
def test_particles_that_all_overlap_are_refused() -> None:
    with pytest.raises(Refused, match=r"sample.spacing_um: 5000 particles begin with 12497500 pairs closer than 3 um"):
        started(Sample(number=5000, arrangement="hexagonal", spacing_um=1e-6, disturbance_um=1e-6))


@pytest.mark.parametrize("number", [0, 1, 2, 40, 200])
def test_pushing_only_neighbours_gives_the_same_bits_as_pushing_all_pairs(number: int) -> None:
    """Bit for bit, so that a seed still gives the same sample."""
    sample = Sample(number=number, arrangement="square", spacing_um=2.1, disturbance_um=0.3)
    found_um = started(sample)
    undisturbed_um = started(Sample(**{**vars(sample), "wca_kt": 0.0}))
    np.testing.assert_array_equal(found_um, pushed_all(undisturbed_um, sample.diameter_um))


def pushed_all(start_um: Any, diameter_um: float) -> Any:
    """All pairs in each pass."""
    first, second = np.triu_indices(len(start_um), 1)
    place_um = start_um.copy()
    for _ in range(1000):
        between = place_um[second] - place_um[first]
        length_um = np.maximum(np.hypot(*between.T), 1e-9)
        overlap_um = np.maximum(diameter_um - length_um, 0.0)
        if not (overlap_um > 1e-3 * diameter_um).any():
            break
        push = (0.5 * overlap_um / length_um)[:, None] * between
        np.subtract.at(place_um, first, push)
        np.add.at(place_um, second, push)
    return place_um


def test_the_particles_of_all_cells_are_bounded() -> None:
    with pytest.raises(ValueError, match=r"5000 cells of 5000 particles are 25000000 particles .allowed: 50000"):
        Sample(number=5000, cells=5000, arrangement="grid")


def test_a_sample_has_at_most_a_hundred_species() -> None:
    assert len(Sample(species=(MixtureSpecies(),) * 100).species) == 100
    with pytest.raises(ValueError, match=r"there are 20000 species .allowed: 100"):
        Sample(species=(MixtureSpecies(),) * 20_000)


def test_more_particles_than_fit_the_field_are_refused_before_placement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[int] = []

    def uniform(*counter: int) -> float:
        drawn.append(counter[-1])
        return 0.5

    monkeypatch.setattr("drivers.sim.sample.uniform", uniform)
    with pytest.raises(Refused, match=r"sample.number: 5000 particles found no room in "):
        started(Sample(number=5000, arrangement="random", diameter_um=20.0))
    assert drawn == []
    started(Sample(number=1, arrangement="random"))
    assert drawn
