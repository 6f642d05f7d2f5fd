"""The family files, and their measures for constructed runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from app.assembly.plan import experiment_of, plan
from app.reproduce.families import FAMILIES
from app.reproduce.family import FOLDER, Family, load_families, missed_of, values_of
from app.reproduce.many_particles import crystal, draw_crystal
from app.reproduce.pullers import OrderParameters, order_of, phase, search
from app.reproduce.rows.row import ExperimentFacts
from app.reproduce.self_propelled import hill_drive, onward
from app.reproduce.trajectory import Trajectory
from config.refused import Refused

EVERY = load_families()
CHANCE = np.random.default_rng(3)
DIAMETER_UM = 2.0


@dataclass(frozen=True)
class Flown:
    known: ExperimentFacts
    seen: Trajectory
    value: float = float("nan")
    across: float = float("nan")


def seen(place_um: NDArray[np.float64], frame_s: float) -> Trajectory:
    """Trajectory of the positions [T, P, 2]."""
    frames, number = place_um.shape[:2]
    carried = np.zeros((frames, number), np.bool_)
    return Trajectory(
        frame_s * np.arange(frames, dtype=np.float64),
        place_um,
        np.empty((frames, 0, 2)),
        carried,
        np.zeros(number, np.int64),
    )


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_family_runs_by_name_and_for_every_value(path: Path) -> None:
    """Read as by `main.py run`, at the ends of its sweeps."""
    family, _ = next(item for item in EVERY.values() if Path(item[1].source) == path)
    assert family.measure in FAMILIES
    made = plan(path)
    assert made.experiment.about == family.about
    for sweep in (family.sweep, family.across):
        if sweep is not None:
            for value in (sweep.values[0], sweep.values[-1]):
                plan(path, None, [f"{key}={value!r}" for key in sweep.keys])


def test_families_have_different_seeds() -> None:
    seeds = [document.data["experiment"]["seed"] for _, document in EVERY.values()]
    assert len(set(seeds)) == len(seeds) - 1  # square and single ring have the same start on purpose


def test_values_of_a_sweep() -> None:
    assert values_of(EVERY["b"][0].sweep)[0] == 0.1
    assert len(values_of(None)) == 1


def puller(radius_um: float) -> ExperimentFacts:
    family: Family = EVERY["e-pullers"][0]
    assert family.sweep is not None
    return ExperimentFacts(plan(FOLDER / "e_pullers.yaml", None, [f"{key}={radius_um!r}" for key in family.sweep.keys]))


def lattice(rows: int, angle_deg: float) -> NDArray[np.float64]:
    """[N, 2]: part of a lattice of unit length, square (90) or hexagonal (60)."""
    row, column = np.mgrid[:rows, :rows].reshape(2, -1)
    turn = np.radians(angle_deg)
    return np.stack([column + row * np.cos(turn), row * np.sin(turn)], axis=1)


@pytest.mark.parametrize(
    ("place_um", "radius_um", "expected"),
    [
        (2.4 * lattice(5, 60.0), 2.4, "hexagonal"),
        (2.02 * lattice(5, 60.0), 1.6, "close-packed"),
        (2.4 * lattice(5, 90.0), 2.4, "square"),
        (6.0 * lattice(5, 90.0), 1.6, "gas"),
        (2.0 * np.stack([np.arange(20.0), 0.2 * np.sin(np.arange(20.0))], axis=1), 1.6, "worms"),
        (2.1 * lattice(5, 68.0) + 0.4 * CHANCE.standard_normal((25, 2)), 1.8, "liquid"),
    ],
)
def test_the_classifier_names_the_phase(place_um: NDArray[np.float64], radius_um: float, expected: str) -> None:
    place = place_um + 0.02 * CHANCE.standard_normal((40, *place_um.shape))
    found = order_of(Flown(puller(radius_um), seen(place, 0.5)))
    assert phase(found, DIAMETER_UM) == expected
    assert found.runs < 1.0


def test_a_running_cluster_is_detected() -> None:
    moved = np.linspace(0.0, 40.0, 80)[:, None, None] * np.array([1.0, 0.0])
    found = order_of(Flown(puller(2.4), seen(2.4 * lattice(5, 60.0) + moved, 0.5)))
    assert found.runs > 3.0
    assert phase(found, DIAMETER_UM) == "hexagonal"


def test_a_gas_does_not_run() -> None:
    """The particles of a gas move independently: the motion of their mean position does not count as running."""
    moved = np.linspace(0.0, 40.0, 80)[:, None, None] * np.array([1.0, 0.0])
    place_um = seen(6.0 * lattice(5, 90.0) + moved, 0.5)
    told = search([Flown(puller(1.6), place_um)], {})
    assert told["points: gas"] == 1.0
    assert not any("running" in name for name in told)


@pytest.mark.parametrize("place_um", [20.0 * lattice(4, 90.0), np.full((16, 2), np.nan)])
def test_a_missing_crystal_is_reported(place_um: NDArray[np.float64]) -> None:
    """No particle has a neighbour, or no particle is detected: this is reported, and the figure is still drawn."""
    family, _ = EVERY["d-hexagonal"]
    flown = [Flown(puller(2.4), seen(np.tile(place_um, (40, 1, 1)), 0.5))]
    numbers = crystal(flown, family.options)
    missed = missed_of(numbers, family.want)
    assert len(missed) == len(family.want)
    assert "mean |psi6| with 6 neighbours could not be measured" in missed
    draw_crystal(Figure().subplots(), flown, family.options)


def test_an_empty_order_is_a_gas() -> None:
    assert phase(OrderParameters(float("nan"), float("nan"), 0.0, 0.0, float("nan"), 5.0, 0.0), 2.0) == "gas"


def test_free_diffusion_has_no_onward_speed() -> None:
    """None for free diffusion; with a drift, the speed of the drift."""
    made = ExperimentFacts(plan(FOLDER / "e_repulsion.yaml"))
    steps = 0.03 * CHANCE.standard_normal((4000, 40, 2))
    free = Flown(made, seen(np.cumsum(steps, axis=0), made.frame_s))
    assert onward(free) < 0.15
    run = Flown(made, seen(np.cumsum(steps + np.array([0.01, 0.0]), axis=0), made.frame_s))
    assert onward(run) == pytest.approx(1.0, rel=0.05)
    drive, speed = hill_drive(run)
    assert drive == pytest.approx(45 * made.kt_pn_um * 0.495 / made.plant.drag_pn_s_per_um, rel=1e-3)
    assert speed == pytest.approx(np.sqrt(2 * np.log(drive)) / 0.495, rel=1e-3)


def test_a_check_file_is_read_with_its_trap() -> None:
    made = plan(FOLDER.parent / "reproduce" / "P7_instrument.yaml")
    assert made.experiment.trap.depth_kt == pytest.approx(0.9 * 1.9**2 / 4 / made.rig.plant.kt_pn_um)
    broken = replace(EVERY["b"][1], data={**EVERY["b"][1].data, "experiment": 3})
    with pytest.raises(Refused, match="mapping is needed"):
        experiment_of(broken)
