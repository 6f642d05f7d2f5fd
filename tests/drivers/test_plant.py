"""The plant bench: ideal springs, a table of positions instead of images, and cells as replicas."""

import numpy as np
import pytest

from config.refused import Refused
from control.contract import Command, Ended, Fault, Frame
from control.plant import BOLTZMANN_PN_UM_PER_K
from drivers.sim.bench import open_bench
from drivers.sim.ideal_bench import PlantBench, PlantCamera, open_plant
from drivers.sim.sample import Sample
from drivers.sim.stage import Stage, Visits
from drivers.sim.world import World
from tracking.table import TableTracker

KT = BOLTZMANN_PN_UM_PER_K * 295.0
WAIST_UM = 1e4
COLD_K = 1e-6  # no thermal motion
RIGHT = np.array([1.0, 0.0])


def plant(sample: Sample, camera: PlantCamera = PlantCamera(fps=200.0), latency_s: float = 0.0) -> PlantBench:  # noqa: B008
    return open_plant(
        sample, camera, um_per_px=1.0, waist_um=WAIST_UM, depth_kt_per_mw=1e15, latency_s=latency_s, seed=3
    )


def springs(position_um: np.typing.NDArray[np.float64], stiffness_pn_per_um: float, warm_k: float = 295.0) -> Command:
    """Springs to these positions, for particles 0, 1, 2, ..., all the time."""
    number = len(position_um)
    power_mw = np.full(
        number, stiffness_pn_per_um * WAIST_UM**2 / 4.0 / (BOLTZMANN_PN_UM_PER_K * warm_k) / 1e15 * number
    )
    return Command(position_um, power_mw, np.full(number, 1e-4), np.arange(number))


def read(bench: PlantBench) -> Frame:
    frame = bench.camera.read()
    assert frame is not None
    return frame


@pytest.mark.parametrize("touching", [0.0, 10.0])
def test_a_cell_is_a_replica(touching: float) -> None:
    """Three cells in one world move exactly (bit for bit) like three worlds."""
    sample = Sample(number=3, arrangement="hexagonal", spacing_um=2.05, disturbance_um=0.1, wca_kt=touching)
    many = World(Sample(**{**vars(sample), "cells": 3}), Stage(), seed=7)
    many.advance(200_000_000)
    for replica in range(3):
        one = World(sample, Stage(), seed=7, replica=replica)
        one.advance(200_000_000)
        assert np.array_equal(many.position_um[many.cell == replica], one.position_um)


def test_a_spring_acts_on_its_own_particle_at_any_distance() -> None:
    """Variance kT / k, for one particle in each cell; a particle 100 um away relaxes with e^(-kappa t)."""
    bench = plant(Sample(cells=400, wca_kt=0.0))
    middle_um = np.array(bench.world.stage.middle_um)
    assert len(read(bench).image) == 400
    bench.beam.send(springs(np.tile(middle_um, (400, 1)), 0.9))
    squares = [((read(bench).image[:, :2] - middle_um) ** 2).mean() for _ in range(400)][40:]
    assert np.mean(squares) == pytest.approx(KT / 0.9, rel=0.02)

    before = read(bench)
    bench.beam.send(springs(np.tile(middle_um + 100.0 * RIGHT, (400, 1)), 0.9))
    left_um = 100.0 - (read(bench).image[:, :2] - middle_um).mean(axis=0)
    assert left_um[0] == pytest.approx(100.0 * np.exp(-0.9 / 0.036 * 0.005), rel=1e-3)
    assert before.image.shape == (400, 4)


def test_a_command_acts_after_the_latency() -> None:
    bench = plant(Sample(wca_kt=0.0, temperature_k=COLD_K), latency_s=0.010)
    start_um = read(bench).image[0, :2].copy()
    sent = bench.beam.send(springs(start_um[None] + RIGHT, 9.0, COLD_K))
    assert sent.effect_s == pytest.approx(bench.clock.now_s() + 0.010)
    moved = [float(read(bench).image[0, 0] - start_um[0]) for _ in range(3)]
    assert moved[0] == pytest.approx(0.0, abs=1e-4)
    assert moved[1] == pytest.approx(0.0, abs=1e-4)
    assert moved[2] > 0.5


def test_a_time_shared_beam_acts_on_one_particle_at_a_time() -> None:
    """Two particles share a beam: the mean pull is half."""
    camera = PlantCamera(fps=100.0, beam="in turn")
    bench = plant(Sample(number=2, arrangement="line", wca_kt=0.0, temperature_k=COLD_K), camera)
    start_um = read(bench).image[:, :2].copy()
    command = springs(start_um + RIGHT, 0.036, COLD_K)  # 1 per second while lit: the command has power for two
    bench.beam.send(Command(command.position_um, command.power_mw / 2, command.dwell_s * 10, command.particle))
    moved_um = (read(bench).image[:, :2] - start_um)[:, 0]
    assert moved_um == pytest.approx([0.005, 0.005], abs=1e-4)


def test_positions_have_the_stated_error() -> None:
    bench = plant(Sample(cells=2000, wca_kt=0.0), PlantCamera(error_um=0.05))
    error_um = read(bench).image[:, :2] - bench.world.exposed(0)[0]
    assert error_um.std() == pytest.approx(0.05, rel=0.03)


def test_the_table_is_tracked_without_changes() -> None:
    sample = Sample(number=2, cells=3, arrangement="line", wca_kt=0.0)
    frame = read(plant(sample))
    _, tracks = TableTracker().step(None, frame)
    assert tracks.cell.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.array_equal(tracks.position_um, frame.image[:, :2])
    assert tracks.particle.tolist() == list(range(6))


def test_unsupported_uses_of_a_plant_are_refused() -> None:
    bench = plant(Sample(wca_kt=0.0))
    read(bench)
    spot = springs(np.zeros((1, 2)), 1.0)
    with pytest.raises(Fault, match="paints no light"):
        bench.beam.send(Command(spot.position_um, spot.power_mw, spot.dwell_s, np.array([-1])))
    bench.beam.close()
    with pytest.raises(Fault, match="closed"):
        bench.beam.send(spot)
    bench.camera.close()
    with pytest.raises(Ended):
        bench.camera.read()
    with pytest.raises(Refused, match="only a plant camera"):
        open_bench(Sample(cells=2), um_per_px=0.1)


def test_gaussian_spots_without_particle_act_on_all_particles() -> None:
    """Springs do not change Gaussian spots: without `particle`, a spot acts on all particles."""
    world = World(Sample(number=2, arrangement="line", spacing_um=0.2, wca_kt=0.0, temperature_k=COLD_K), Stage())
    start_um = world.position_um
    at_um = start_um.mean(axis=0)
    world.put(Visits(at_um[None], np.array([2e11]), np.array([1_000_000])))
    world.advance(50_000_000)
    assert np.abs(world.position_um - at_um).max() < 0.1 * np.abs(start_um - at_um).max()
