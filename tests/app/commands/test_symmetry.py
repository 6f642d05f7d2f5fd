"""The command `symmetry` on short simulated runs: it finds a hidden drift, and the symmetries that the drift keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app.analysis.export import export
from app.assembly.plan import plan
from app.commands.symmetry import motion_of, show_symmetry
from app.running.headless import fly
from config.refused import Refused
from control.contract import State

EXPERIMENT = """
title: Symmetries of a motion
rig: {rig}
mode: steered
trap: {{depth_kt: 1.0e+10}}
policy:
  kind: programmed
  forces:
    - kind: pair
      shape: {{kind: gaussian_ring, radius_um: 2.5, width_um: 0.3, depth_kt: 6}}
set: {{camera.fps: 50, sample.number: 19, sample.arrangement: hexagonal, sample.disturbance_um: 0.3}}
"""


def flown(folder: Path, seconds: float, *sets: str) -> Path:
    path, run = folder / "sym.yaml", folder / "run.h5"
    path.write_text(EXPERIMENT.format(rig=Path("config/rigs/plant.yaml").resolve()), encoding="utf-8")
    fly(plan(path, None, list(sets)), seconds, run, False, "symmetry")
    return run


def test_a_hidden_drift_breaks_rotations_and_keeps_its_own_axis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = flown(tmp_path, 30, "sample.drift_um_per_s=[0.5, 0.0]")
    out, picture = tmp_path / "out.json", tmp_path / "out.png"
    assert show_symmetry(run, lag_s=None, json=out, figure=picture) == 0
    kept = {one["group"]: one["kept"] for one in json.loads(out.read_text())["groups"]}
    assert not kept["rotation"]
    assert not kept["reflection of x"]
    assert kept["reflection of y"]
    assert kept["translation along x"]
    assert "BROKEN" in capsys.readouterr().out
    assert picture.stat().st_size > 1000


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flown(tmp_path_factory.mktemp("brief"), 4)


def told(path: Path, folder: Path, lag_s: float | None = None) -> list[dict[str, float]]:
    out = folder / "told.json"
    show_symmetry(path, lag_s=lag_s, json=out, figure=None)
    groups: list[dict[str, float]] = json.loads(out.read_text())["groups"]
    return groups


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_an_exported_run_gives_the_results_of_the_run(tmp_path: Path, brief: Path, to: str) -> None:
    export(brief, to, tmp_path / "tables")
    wanted = told(brief, tmp_path)
    assert {"equivariance_error", "least_um_per_s", "penalty"} <= wanted[0].keys()
    for given in (tmp_path / "tables", tmp_path / "tables" / f"tracks.{to}"):
        for found, one in zip(told(given, tmp_path), wanted, strict=True):
            assert {name: found[name] for name in ("group", "kept")} == {name: one[name] for name in ("group", "kept")}
            for name in ("sigmas", "broken_um_per_s", "least_um_per_s", "equivariance_error", "penalty"):
                assert found[name] == pytest.approx(one[name], rel=1e-6)


def beads(count: int = 20, times: int = 400, flow_um_per_s: float = 0.0) -> pd.DataFrame:
    """Free particles in a flow along y, as from any tracking program: no forces, no column `carried`."""
    draw = np.random.default_rng(2)
    lag_s = 0.1
    steps = draw.normal(0, 0.05, (times, count, 2)) + np.array([0.0, flow_um_per_s]) * lag_s
    place = draw.uniform(0, 20, (count, 2)) + np.cumsum(steps, axis=0)
    who, when = np.tile(np.arange(count), times), np.repeat(np.arange(times) * lag_s, count)
    return pd.DataFrame({"time_s": when, "particle": who, "x_um": place[..., 0].ravel(), "y_um": place[..., 1].ravel()})


def test_a_tracks_table_of_another_program_is_accepted(tmp_path: Path) -> None:
    beads(flow_um_per_s=0.5).to_csv(tmp_path / "beads.csv", index=False)
    motion, lag_s = motion_of(tmp_path / "beads.csv", None)
    assert lag_s == pytest.approx(0.1)
    assert motion.velocity_um_per_s.mean(axis=0) == pytest.approx([0.0, 0.5], abs=0.05)
    broken = {str(one["group"]) for one in told(tmp_path / "beads.csv", tmp_path) if not one["kept"]}
    assert broken == {"rotation", "reflection of y"}


def test_text_and_json_state_held_out_blocks_and_missing_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beads(8, 200).to_csv(tmp_path / "beads.csv", index=False)
    groups = told(tmp_path / "beads.csv", tmp_path)
    assert json.loads((tmp_path / "told.json").read_text())["held_out"] == {"times": 20, "particles": 8}
    assert all(one["equivariance_error"] is None for one in groups)
    said = capsys.readouterr().out
    assert "20 blocks of times and 8 blocks of particles" in said
    assert "no mean motion beyond chance" in said


def test_irregular_time_stamps_are_accepted(tmp_path: Path) -> None:
    """Time offsets between particles, one row very much later, particle numbers that are not integers, duplicate
    rows."""
    table = beads()
    kept = len(motion_of(saved(table, tmp_path), None)[0].position_um)
    offset = table.assign(time_s=table["time_s"] + 1e-7 * table["particle"])
    late = table.copy()
    late.loc[len(late) - 1, "time_s"] = 1e9
    for other, lost in (
        (offset, 0), (late, 1), (table.assign(particle=table["particle"] + 0.5), 0),
        (pd.concat([table, table[:500]]), 0),
    ):  # fmt: skip
        motion, lag_s = motion_of(saved(other, tmp_path), None)
        assert lag_s == pytest.approx(0.1)
        assert len(motion.position_um) == kept - lost


def saved(table: pd.DataFrame, folder: Path) -> Path:
    table.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


@pytest.mark.parametrize(("change", "said"), [
    ({"fx_pn": np.nan, "fy_pn": 0.0}, "'fx_pn' holds something that is not a finite number"),
    ({"fx_pn": 0.0, "fy_pn": "weak"}, "'fy_pn' holds something that is not a finite number"),
    ({"fx_pn": 0.0}, "'fx_pn' alone; a force needs both"),
    ({"carried": np.nan}, "'carried' must say true or false"),
    ({"carried": "no"}, "'carried' must say true or false"),
    ({"particle": lambda table: table["particle"] * 1e20}, "'particle' holds numbers beyond 9.0072e\\+15"),
    ({"x_um": lambda table: table["x_um"] * 1e200}, "'x_um' holds numbers beyond 1e\\+10"),
    ({"x_um": 1.0, "y_um": 1.0}, "no particle moves"),
    ({"time_s": 0.0}, "is at two places at 0 s"),
    ({"particle": lambda table: table["particle"] % 2, "time_s": lambda table: np.arange(len(table)) * 0.1},
     "fewer than 7 particles"),
])  # fmt: skip
def test_invalid_columns_are_refused_in_one_sentence(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        show_symmetry(saved(beads().assign(**change), tmp_path), lag_s=None, json=None, figure=None)


def test_empty_tables_and_lags_shorter_than_a_frame_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="has no rows"):
        motion_of(saved(beads()[:0], tmp_path), None)
    with pytest.raises(Refused, match="too few to judge by"):
        motion_of(saved(beads(), tmp_path), 1e-9)


def test_unusable_input_is_refused_in_one_sentence(tmp_path: Path, brief: Path) -> None:
    for lag_s, said in ((100.0, "too few to judge by"), (0.0, "positive number"), (float("nan"), "positive number")):
        with pytest.raises(Refused, match=said):
            show_symmetry(brief, lag_s=lag_s, json=None, figure=None)
    for name, body, said in (
        ("a.csv", "time_s,particle,x_um\n0,0,1\n", "no column 'y_um'"),
        ("b.csv", "time_s,particle,x_um,y_um\n0,0,1,here\n", "not a finite number"),
        ("c.csv", "", "can't be read"), ("d.parquet", "no table", "can't be read"),
    ):  # fmt: skip
        (tmp_path / name).write_text(body, encoding="utf-8")
        with pytest.raises(Refused, match=said):
            show_symmetry(tmp_path / name, lag_s=None, json=None, figure=None)
    with pytest.raises(Refused, match="no such file"):
        show_symmetry(tmp_path / "none.csv", lag_s=None, json=None, figure=None)
    with pytest.raises(Refused, match="no table tracks"):
        show_symmetry(tmp_path, lag_s=None, json=None, figure=None)
    for name in ("bars.xyz", "no/bars.png"):
        with pytest.raises(Refused, match="the figure can't be written"):
            show_symmetry(brief, lag_s=None, json=None, figure=tmp_path / name)


def test_a_step_between_two_particles_is_not_a_velocity(tmp_path: Path) -> None:
    """A row of an uncertain particle counts in no displacement; a `state` of another program has no meaning here."""
    table = beads()
    whole, lag_s = motion_of(saved(table, tmp_path), None)
    table = table.assign(state=0, carried=False, frame=0)
    table.loc[(table["particle"] == 3) & np.isclose(table["time_s"], 20.0), "state"] = State.UNCERTAIN.value
    assert len(motion_of(saved(table, tmp_path), lag_s)[0].position_um) == len(whole.position_um) - 2
    foreign = table.drop(columns=["carried"])
    for other in (foreign, table.assign(state="moving"), table.assign(state=7.5)):
        motion, _ = motion_of(saved(other, tmp_path), lag_s)
        assert len(motion.position_um) == len(whole.position_um)


def test_an_invalid_frame_beside_a_table_of_forces_is_refused(tmp_path: Path, brief: Path) -> None:
    """Regression: every force was 0 then."""
    folder = tmp_path / "tables"
    export(brief, "csv", folder)
    tracks = pd.read_csv(folder / "tracks.csv")
    tracks.loc[0, "frame"] = np.nan
    tracks.to_csv(folder / "tracks.csv", index=False)
    with pytest.raises(Refused, match="the column 'frame' holds something that is not a finite number"):
        motion_of(folder, None)
