"""Settings with far too many time steps in a frame: they are refused, or the run trips, within seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from config.refused import Refused
from control.contract import Fault
from drivers.sim import world as world_module
from drivers.sim.bench import open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.sample import Sample
from drivers.sim.spot_lights import MOST_WORK
from drivers.sim.stage import Stage, Visits
from drivers.sim.world import World

ROOT = Path(__file__).parent.parent.parent
MILLI = 1_000_000  # ns
LONGEST_S = 120.0  # generous: the machine may be busy; before, these cases took hours


def lit(depth_kt: float) -> Visits:
    return Visits(np.array([[0.0, 0.0]]), np.array([depth_kt]), np.array([MILLI]))


@pytest.mark.timeout(LONGEST_S)
@pytest.mark.parametrize(
    "changes",
    [{"drag_pn_s_per_um": 1e-8}, {"drag_pn_s_per_um": 1e-6, "temperature_k": 1e5}, {"diameter_um": 1e-4}],
)
def test_a_sample_that_needs_too_many_steps_in_the_dark_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(Refused, match=r"steps of .* ns a frame for 3 particles without light.*sample.drag_pn_s_per_um"):
        World(Sample(number=3, arrangement="line", **changes), Stage()).advance(10 * MILLI)  # type: ignore[arg-type]


@pytest.mark.timeout(LONGEST_S)
@pytest.mark.parametrize("depth_kt", [1e9, 1e15])
def test_light_that_is_too_strong_is_a_fault_and_then_dark(depth_kt: float) -> None:
    world = World(Sample(), Stage())
    world.put(lit(depth_kt))
    with pytest.raises(Fault, match=r"1 particles in light 1e\+\d+ kT deep.*depth_kt_per_mw"):
        world.advance(10 * MILLI)
    assert len(world.visits.depth_kt) == 0
    world.advance(20 * MILLI)
    assert np.isfinite(world.position_um).all()


def test_a_long_time_in_bounded_pieces_gives_the_same_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals are handled between two calls of the kernel, so each call must be short."""
    sample = Sample(number=4, arrangement="square")
    whole, cut = World(sample, Stage(), seed=3), World(sample, Stage(), seed=3)
    whole.put(lit(200.0))
    cut.put(lit(200.0))
    whole.advance(100 * MILLI)
    monkeypatch.setattr(world_module, "PIECE_WORK", 1.0)
    pieces: list[int] = []
    move = World._move_at_once

    def counted(world: World, to_ns: int, at_end: bool) -> None:
        pieces.append(to_ns - world.state_ns)
        move(world, to_ns, at_end)

    monkeypatch.setattr(World, "_move_at_once", counted)
    cut.advance(100 * MILLI)
    assert len(pieces) > 10
    assert max(pieces) <= 3 * MILLI
    np.testing.assert_array_equal(cut.position_um, whole.position_um)


def test_allowed_settings_are_far_from_the_bound_on_work() -> None:
    """The strongest light of the test rigs, and a crowd."""
    world = World(Sample(number=300, arrangement="grid"), Stage())
    world.put(lit(1000.0))
    world.advance(10 * MILLI)
    assert world._lights.steps_a_frame(world._light) * 300 < MOST_WORK / 10


@pytest.mark.timeout(LONGEST_S)
def test_a_readout_of_days_is_refused() -> None:
    """Otherwise the first frame would arrive after days of simulated time, all in one call."""
    with pytest.raises(Refused, match=r"camera.readout_s: a readout of 10000 s is 1e\+06 frame periods"):
        open_bench(camera=SimulatedCamera(readout_s=1e4), um_per_px=0.1)


@pytest.mark.parametrize(
    ("sets", "code"),
    [
        (("laser.depth_kt_per_mw=1e9",), 1),
        (("sample.drag_pn_s_per_um=1e-8",), 2),
        (("sample.temperature_k=1e5", "sample.drag_pn_s_per_um=1e-6"), 2),
    ],
)
@pytest.mark.timeout(400)
def test_the_command_line_ends_with_one_sentence(tmp_path: Path, sets: tuple[str, ...], code: int) -> None:
    words = [word for one in sets for word in ("--set", one)]
    done = subprocess.run(
        [sys.executable, "main.py", "run", "config/experiments/ring_crystal.yaml", "--seconds", "0.1",
         "--out", str(tmp_path / "run.h5"), *words],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "steps of" in done.stderr
    assert "Traceback" not in done.stderr
    if code == 1:
        assert "the laser is dark" in done.stderr


@pytest.mark.timeout(LONGEST_S)
def test_time_passes_at_once_in_an_empty_world() -> None:
    """A recording may pause for years, with or without light."""
    world = World(Sample(number=0), Stage())
    world.put(lit(10.0))
    world.advance(10 * MILLI)
    world.advance(3_900_000_000 * 1000 * MILLI)
    assert world.now_ns == 3_900_000_000 * 1000 * MILLI
    assert world.exposed(world.now_ns // world.period_ns - 1).shape == (4, 0, 2)
