"""Calibration from the command line: an unconfirmed rig is refused, probed, confirmed, flown, undone and refused
again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import main
from app.assembly.calibration_file import load
from app.assembly.rig import RIGS
from drivers.journal import read_run

UNCONFIRMED = RIGS / "simulated.yaml"
SMALL = (
    "camera.width_px=160", "camera.height_px=160", "sample.number=9", "sample.arrangement=square",
    "sample.spacing_um=4.2", "sample.disturbance_um=0.3", "camera.true_mirror=true",
)  # fmt: skip
RING = """
title: One particle held
rig: wrong.yaml
seconds: 1
policy: {kind: programmed, forces: [{kind: self, delay_s: 0.05, shape: {kind: harmonic, stiffness_pn_per_um: 0.3}}]}
"""


def told(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Exit code of the command line."""
    monkeypatch.setattr("sys.argv", ["main.py", *words])
    try:
        return int(main.main() or 0)
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.mark.parametrize("camera", ["5", "", "[a]"])
def test_a_rig_without_a_camera_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], camera: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rig.yaml").write_text(f"title: x\ncamera: {camera}\n")
    for what in ("um-per-px", "map"):
        assert told(monkeypatch, "calibrate", what, "rig.yaml", "--out", "c.yaml") == 2
        assert "rig.yaml, line 2: 'camera' is " in capsys.readouterr().err
    assert not Path("c.yaml").exists()


@pytest.mark.slow
def test_from_unconfirmed_to_confirmed_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bench = UNCONFIRMED.read_text().replace("sample: {number: 1, arrangement: one}\n", "")
    Path("wrong.yaml").write_text(bench + "calibration: {map: unconfirmed}\n")
    Path("held.yaml").write_text(RING)
    small = [word for value in SMALL for word in ("--set", value)]

    assert told(monkeypatch, "run", "held.yaml", "--out", "no.h5", *small) == 2
    assert "not confirmed" in capsys.readouterr().err
    assert not Path("no.h5").exists()

    assert told(monkeypatch, "calibrate", "map", "wrong.yaml", "--out", "c.yaml", *small) == 0
    record = load(Path("c.yaml")).records[0]
    assert record.found["mirror"] is True
    assert record.residual is not None
    assert record.residual < 0.1
    assert record.date.startswith("20")
    assert record.runs
    assert len(record.data["point_px"]) == record.found["points"]
    with read_run(next(Path("c").glob("probe-*.h5"))) as run:
        assert {turn.level for turn in run.turns()} == {"PROBING"}

    calibrated = ("--set", "calibration=c.yaml")
    assert told(monkeypatch, "run", "held.yaml", "--out", "held.h5", *calibrated, *small) == 0
    capsys.readouterr()
    assert told(monkeypatch, "info", "held.h5") == 0
    said = capsys.readouterr().out
    assert f"map {record.date[:10]}" in said
    assert "map confirmed" in said
    with read_run("held.h5") as run:
        kept: dict[str, Any] = dict(run.header.calibration)
    assert [(one["what"], one["residual"]) for one in kept["made"]] == [("map", record.residual)]
    assert told(monkeypatch, "info", "held.h5", "--json", "held.json") == 0
    assert json.loads(Path("held.json").read_text())["calibration"]["map"] == "confirmed"

    assert told(monkeypatch, "calibrate", "map", "wrong.yaml", "--out", "c.yaml", "--undo") == 0
    assert "undone: map" in capsys.readouterr().out
    assert told(monkeypatch, "run", "held.yaml", "--out", "again.h5", *calibrated, *small) == 2
    assert "not confirmed" in capsys.readouterr().err
