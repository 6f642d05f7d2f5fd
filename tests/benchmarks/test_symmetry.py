"""Short version of the benchmark of hidden symmetry breaking: it runs, stores results, and continues from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.symmetry import CASES, WANTED, main

SMALL = ("camera.width_px=256", "camera.height_px=256", "sample.number=7")


def test_each_case_is_run_once_and_its_result_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "symmetry.json"
    asked = ["--seeds", "1", "--cases", "drift", "--seconds", "4", "--set", *SMALL, "--out", str(out)]
    main(asked)
    (row,) = json.loads(out.read_text(encoding="utf-8"))
    assert (row["case"], row["seed"], row["seconds"]) == ("drift", 1, 4.0)
    assert row["set"] == [*CASES["drift"], *SMALL]
    assert row["held_out"] == {"times": 20, "particles": 7}
    assert not row["trips"]
    names = {one["group"] for one in row["groups"]}
    assert all(broken | kept <= names for broken, kept in WANTED.values())
    assert "drift 1" in capsys.readouterr().out
    main(asked)
    assert capsys.readouterr().out == ""
