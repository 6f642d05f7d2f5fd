"""The verb `symmetry` on short simulated runs: a hidden drift is found, and what it keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.headless import fly
from app.plan import plan
from app.symmetry import show_symmetry
from config.refused import Refused

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


def test_too_little_motion_is_refused(tmp_path: Path) -> None:
    run = flown(tmp_path, 0.2)
    with pytest.raises(Refused, match="too few to judge by"):
        show_symmetry(run, lag_s=None, json=None, figure=None)
