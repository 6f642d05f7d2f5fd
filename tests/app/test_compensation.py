"""Latency compensation: a programmed potential acts as defined, in spite of latency and hold (z = 0.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.assembly.plan import planned
from app.assembly.rig import RIGS
from app.commands.verify import verify_run
from app.running.headless import fly
from benchmarks import compensation
from benchmarks.compensation import HOLD_S, KT, LATENCY_S, RATE_HZ, VIRTUAL, WELLS, WIDTH_UM, D, harmonic_kt
from benchmarks.density import divergence, gain, independent_number, written
from config.reader import Document
from control.theory.feedback import virtual_spring_variance_um2
from drivers.journal import read_run

Floats = NDArray[np.float64]

HARMONIC = WELLS["harmonic"]
HARMONIC_EDGES = HARMONIC.edges
WAYS = ("none", "leading", "predict")


def on_plant(way: str, tmp_path: Path, seconds: float = 9.0, name: str = "harmonic", **rig: Any) -> Floats:
    """[T, N]: values whose density is compared, on the plant bench."""
    well, particles = WELLS[name], 64
    out = tmp_path / f"{name}_{way}.npy"
    place_um = compensation.flown_on_plant(well, way, out, seconds=seconds, particles=particles, **rig)
    return compensation.values(well, place_um, seconds / 3.0)


def test_a_harmonic_potential_acts_as_defined(tmp_path: Path) -> None:
    lines = {way: on_plant(way, tmp_path) for way in WAYS}
    variance = {way: float((line**2).mean()) / WIDTH_UM**2 for way, line in lines.items()}
    plain = virtual_spring_variance_um2(D, RATE_HZ, 0.4 * RATE_HZ, LATENCY_S + HOLD_S / 2.0) * VIRTUAL / KT
    assert variance["none"] == pytest.approx(plain, rel=0.06)  # P15: 0.79
    assert variance["predict"] == pytest.approx(1.0, rel=0.05)
    apart = {way: divergence(line, harmonic_kt, HARMONIC_EDGES) for way, line in lines.items()}
    assert apart["predict"].value < 2.0 * apart["predict"].bias
    assert apart["predict"].value < apart["leading"].value < apart["none"].value
    assert gain(lines["none"], lines["predict"], harmonic_kt, HARMONIC_EDGES).least >= 5.0


@pytest.mark.parametrize("stiffness", [0.8, 1.2])
def test_the_assumed_trap_stiffness_may_be_wrong_by_a_fifth(stiffness: float, tmp_path: Path) -> None:
    """Stiffness, noise and latency are learned from the run. Without this the variance is wrong by more than 15 %."""
    lines = {way: on_plant(way, tmp_path, 12.0, stiffness=stiffness) for way in ("configured", "predict")}
    variance = {way: float((line**2).mean()) / WIDTH_UM**2 for way, line in lines.items()}
    assert abs(variance["configured"] - 1.0) > 0.15
    assert variance["predict"] == pytest.approx(1.0, rel=0.05)
    assert gain(lines["configured"], lines["predict"], harmonic_kt, HARMONIC_EDGES).least > 3.0


@pytest.mark.slow
def test_a_double_well_acts_as_defined(tmp_path: Path) -> None:
    lines = {way: on_plant(way, tmp_path, name="double") for way in ("none", "predict")}
    double = WELLS["double"]
    apart = {way: divergence(line, double.energy_kt, double.edges) for way, line in lines.items()}
    assert apart["predict"].value < apart["none"].value / 4.0


def test_verification_learns_the_same_values_again(tmp_path: Path) -> None:
    """The light is 1.4 times as strong as assumed. With images and an ordinary run file: the log states the learned
    value, and the run verifies."""
    wanted = {
        "title": "learned", "rig": str(RIGS / "simulated.yaml"), "seed": 5,
        "trap": {"depth_kt": 25.0, "predict": True},
        "policy": {"kind": "programmed", "forces": [{"kind": "external", "shape": HARMONIC.rendered}]},
        "set": {"sample.number": 9, "sample.arrangement": "square", "sample.spacing_um": 5.0,
                "laser.depth_kt_per_mw": 7.0},
    }  # fmt: skip
    out = tmp_path / "learned.h5"
    fly(planned(Document("learned", wanted, {}), None, (), RIGS), 6.0, out, False, "learned")
    with read_run(out) as run:
        said = [note for turn in run.turns() for note in turn.notes]
    assert any("times the believed one" in note for note in said)
    assert verify_run(out, json=None) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["harmonic", "double"])
def test_compensation_to_many_independent_positions(name: str, tmp_path: Path) -> None:
    """24 bins, at least 20000 independent positions: the lower 95 % bound of the gain is at least 5, and the result is
    better than with the factor 1/(1 + z)."""
    well, lines = WELLS[name], {}
    for way in WAYS:
        out = tmp_path / f"{way}.npy"
        place_um = compensation.flown_on_plant(well, way, out, seconds=81.0, particles=256)
        lines[way] = compensation.values(well, place_um, 1.0)
    table = compensation.compared(well, lines, well.energy_kt)
    assert min(row["independent"] for row in table.values()) >= 20_000
    assert table["predict"]["over_none"]["least"] >= 5.0
    assert table["predict"]["over_leading"]["least"] > 1.0


@pytest.mark.slow
def test_compensation_with_rendered_frames_and_gaussian_spots(tmp_path: Path) -> None:
    """Sixteen wells of a cosine, one per particle, with images, tracking and time sharing; the traps are a fifth too
    stiff."""
    lines = {}
    for way in WAYS:
        place_um = compensation.flown_rendered(HARMONIC, way, tmp_path / f"{way}.npy", seconds=75.0, stiffness=1.2)
        lines[way] = compensation.values(HARMONIC, place_um, 15.0)
    table = compensation.compared(HARMONIC, lines, HARMONIC.rendered_kt)
    assert table["predict"]["over_none"]["least"] >= 5.0
    variance = float((lines["predict"] ** 2).mean()) / WIDTH_UM**2
    assert variance == pytest.approx(1.0, abs=0.06)


def test_the_divergence_of_a_density_from_itself_is_zero() -> None:
    chance, sigma = np.random.default_rng(5), WIDTH_UM
    value = chance.normal(0.0, sigma, (2000, 20))
    found = divergence(value, harmonic_kt, HARMONIC_EDGES)
    assert found.independent == pytest.approx(40_000, rel=0.1)
    assert abs(found.value) < 3.0 * found.bias
    narrow = divergence(0.8 * value, harmonic_kt, HARMONIC_EDGES).value
    assert narrow == pytest.approx(0.5 * (0.64 - 1.0 - np.log(0.64)), rel=0.15)  # for two normal densities
    assert gain(0.8 * value, value, harmonic_kt, HARMONIC_EDGES).least > 10.0
    assert gain(value, 0.8 * value, harmonic_kt, HARMONIC_EDGES).least < 1.0


def test_independent_positions_of_a_correlated_trace() -> None:
    chance, keep = np.random.default_rng(6), 0.9
    value = np.zeros((4000, 50))
    for row in range(1, len(value)):
        value[row] = keep * value[row - 1] + chance.normal(size=50)
    expected = value.size * (1.0 - keep) / (1.0 + keep)
    assert independent_number(value) == pytest.approx(expected, rel=0.1)


def test_the_defined_density_is_integrated_over_its_bins() -> None:
    edges = np.array([-1.0, 0.0, 0.5, 1.0])
    np.testing.assert_allclose(written(lambda x: np.zeros_like(x), edges), [0.5, 0.25, 0.25])
