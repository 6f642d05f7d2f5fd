"""Latency compensation: a programmed potential acts as it is written, in spite of latency and hold (z = 0.5)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.density import divergence, independent_number, least_gain, written
from app.headless import fly
from app.plan import planned
from app.rig_file import RIGS
from app.tidy import tidy_tracks
from config.reader import Document
from control.plant import Plant
from control.theory.feedback import virtual_spring_variance_um2
from drivers.journal import read_run

Floats = NDArray[np.float64]

PLANT = Plant()
KT, D = PLANT.kt_pn_um, PLANT.diffusion_um2_per_s
LATENCY_S, HOLD_S = 0.0106, 0.01
RATE_HZ = 0.5 / (LATENCY_S + HOLD_S / 2.0)  # z = 0.5
STIFFNESS = RATE_HZ * PLANT.drag_pn_s_per_um
VIRTUAL = 0.4 * STIFFNESS
WIDE_UM = 20_000.0  # the plant's waist
APART_UM = 4.0 * math.sqrt(KT / VIRTUAL)  # half the distance of the wells: curvature VIRTUAL at a barrier of 2 kT
HARMONIC = {"kind": "harmonic", "stiffness_pn_per_um": VIRTUAL}
DOUBLE = {
    "kind": "formula", "formula": "2*e*((x/b)**2 - 1)**2 + 0.5*k*y**2",
    "parameters": {"e": KT, "b": APART_UM, "k": VIRTUAL},
}  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {"none": {}, "leading": {"compensate_latency": True}, "predict": {"predict": True}}
HARMONIC_EDGES = np.linspace(-3.0, 3.0, 25) * math.sqrt(KT / VIRTUAL)
DOUBLE_EDGES = np.linspace(0.0, 1.6 * APART_UM, 25)  # of |x|: which well it is says nothing


def harmonic_kt(x_um: Floats) -> Floats:
    return np.asarray(0.5 * VIRTUAL * x_um**2 / KT)


def double_kt(x_um: Floats) -> Floats:
    return np.asarray(2.0 * ((x_um / APART_UM) ** 2 - 1.0) ** 2)


def flown(shape: dict[str, Any], way: str, tmp_path: Path, *, seconds: float, particles: int) -> Floats:
    """[T, particles, 2] from the middle, in equilibrium, on the plant bench."""
    start = np.random.default_rng(1).normal(0.0, math.sqrt(KT / VIRTUAL), (particles, 2))
    if shape is DOUBLE:
        start[:, 0] = np.where(np.arange(particles) % 2, APART_UM, -APART_UM) + 0.5 * start[:, 0]
    wanted = {
        "title": way, "rig": str(RIGS / "plant.yaml"), "seed": 3,
        "trap": {"depth_kt": STIFFNESS * WIDE_UM**2 / (4.0 * KT), **WAYS[way]},
        "policy": {"kind": "programmed", "forces": [{"kind": "external", "shape": shape}]},
        "set": {"camera.fps": 1.0 / HOLD_S, "loop.latency_s": LATENCY_S, "sample.number": particles,
                "sample.arrangement": "points", "sample.points_um": start.tolist()},
    }  # fmt: skip
    made = planned(Document(way, wanted, {}), None, (), RIGS)
    out = tmp_path / f"{way}.h5"
    fly(made, seconds, out, False, way)
    with read_run(out) as run:
        tracks = tidy_tracks(run)
    tracks = tracks[tracks["time_s"] > 1.0]
    place = [tracks.pivot(index="frame", columns="particle", values=name).to_numpy() for name in ("x_um", "y_um")]
    return np.asarray(np.stack(place, axis=2) - np.asarray(made.rig.middle_um), np.float64)


def test_a_harmonic_potential_acts_as_it_is_written(tmp_path: Path) -> None:
    place = {way: flown(HARMONIC, way, tmp_path, seconds=9.0, particles=64) for way in WAYS}
    variance = {way: float((found**2).mean()) * VIRTUAL / KT for way, found in place.items()}
    plain = virtual_spring_variance_um2(D, RATE_HZ, 0.4 * RATE_HZ, LATENCY_S + HOLD_S / 2.0) * VIRTUAL / KT
    assert variance["none"] == pytest.approx(plain, rel=0.06)  # P15: 0.79
    assert variance["predict"] == pytest.approx(1.0, rel=0.05)
    lines = {way: found.reshape(len(found), -1) for way, found in place.items()}  # x and y are alike
    apart = {way: divergence(line, harmonic_kt, HARMONIC_EDGES) for way, line in lines.items()}
    assert apart["predict"].value < 2.0 * apart["predict"].bias
    assert apart["predict"].value < apart["leading"].value < apart["none"].value
    assert least_gain(lines["none"], lines["predict"], harmonic_kt, HARMONIC_EDGES) >= 5.0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "particles", "seconds"), [("harmonic", 128, 40.0), ("double", 256, 80.0)])
def test_compensation_to_many_independent_positions(name: str, particles: int, seconds: float, tmp_path: Path) -> None:
    """24 bins, at least 20000 independent positions: lower 95 % bound of the gain at least 5; better than 1/(1 + z)."""
    shape, energy, edges = (
        (HARMONIC, harmonic_kt, HARMONIC_EDGES) if name == "harmonic" else (DOUBLE, double_kt, DOUBLE_EDGES)
    )
    lines = {}
    for way in WAYS:
        place = flown(shape, way, tmp_path, seconds=seconds, particles=particles)
        lines[way] = place.reshape(len(place), -1) if name == "harmonic" else np.abs(place[..., 0])
    apart = {way: divergence(line, energy, edges) for way, line in lines.items()}
    assert min(one.independent for one in apart.values()) >= 20_000
    assert least_gain(lines["none"], lines["predict"], energy, edges) >= 5.0
    assert apart["predict"].value < apart["leading"].value
    assert least_gain(lines["leading"], lines["predict"], energy, edges) > 1.0


@pytest.mark.slow
def test_compensation_with_rendered_frames_and_gaussian_spots(tmp_path: Path) -> None:
    """Sixteen wells of a cosine, one a particle: images, tracking, time sharing. The spots' softness is still there."""
    waist_um, q = 0.6, 2.0 * math.pi / 5.0
    cosine = {"kind": "formula", "formula": "A*(2 + cos(q*x) + cos(q*y))", "parameters": {"A": VIRTUAL / q**2, "q": q}}
    lines = {}
    for way, trap in WAYS.items():
        wanted = {
            "title": way, "rig": str(RIGS / "simulated.yaml"), "seed": 4,
            "trap": {"depth_kt": STIFFNESS * waist_um**2 / (4.0 * KT), **trap},
            "policy": {"kind": "programmed", "forces": [{"kind": "external", "shape": cosine}]},
            "set": {"sample.number": 16, "sample.arrangement": "square", "sample.spacing_um": 5.0,
                    "deflector.efficiency_edge": 1.0},
        }  # fmt: skip
        out = tmp_path / f"rendered_{way}.h5"
        fly(planned(Document(way, wanted, {}), None, (), RIGS), 60.0, out, False, way)
        with read_run(out) as run:
            tracks = tidy_tracks(run)
        tracks = tracks[tracks["time_s"] > 1.0]
        place = [tracks.pivot(index="frame", columns="particle", values=name) for name in ("x_um", "y_um")]
        lines[way] = np.concatenate([(one - one.mean()).interpolate().to_numpy() for one in place], axis=1)
    assert least_gain(lines["none"], lines["predict"], harmonic_kt, HARMONIC_EDGES) >= 5.0
    variance = float((lines["predict"] ** 2).mean()) * VIRTUAL / KT
    assert variance == pytest.approx(1.0, abs=0.06)


def test_the_divergence_of_a_density_from_itself_is_none() -> None:
    chance, sigma = np.random.default_rng(5), math.sqrt(KT / VIRTUAL)
    value = chance.normal(0.0, sigma, (2000, 20))
    found = divergence(value, harmonic_kt, HARMONIC_EDGES)
    assert found.independent == pytest.approx(40_000, rel=0.1)
    assert abs(found.value) < 3.0 * found.bias
    narrow = divergence(0.8 * value, harmonic_kt, HARMONIC_EDGES).value
    assert narrow == pytest.approx(0.5 * (0.64 - 1.0 - math.log(0.64)), rel=0.15)  # of two normal densities
    assert least_gain(0.8 * value, value, harmonic_kt, HARMONIC_EDGES) > 20.0
    assert least_gain(value, 0.8 * value, harmonic_kt, HARMONIC_EDGES) < 1.0


def test_independent_positions_of_a_correlated_trace() -> None:
    chance, keep = np.random.default_rng(6), 0.9
    value = np.zeros((4000, 50))
    for row in range(1, len(value)):
        value[row] = keep * value[row - 1] + chance.normal(size=50)
    expected = value.size * (1.0 - keep) / (1.0 + keep)
    assert independent_number(value) == pytest.approx(expected, rel=0.1)


def test_the_written_density_is_integrated_over_its_bins() -> None:
    edges = np.array([-1.0, 0.0, 0.5, 1.0])
    np.testing.assert_allclose(written(lambda x: np.zeros_like(x), edges), [0.5, 0.25, 0.25])
