"""The benchmark runs, and its tables have the keys that a program reads. No times are asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.scenes import Scene
from benchmarks.tracking import crystal_right, main


def test_quick_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--json", str(tmp_path / "t.json"), "--docs", str(tmp_path / "t.md")]) == 0
    tables = json.loads((tmp_path / "t.json").read_text())
    assert list(tables) == ["locate", "windows", "link", "accuracy"]
    for row in tables["locate"]:
        assert {"case", "ratio", "ratio_bare", "low", "high", "peak_mib"} <= set(row)
        assert row["found"] == row["found_trackpy"]
    assert all({"case", "ratio"} <= set(row) for row in tables["windows"])
    assert all(row["over_bound"] > 0.9 for row in tables["accuracy"])
    assert "| case |" in (tmp_path / "t.md").read_text()
    assert "512^2, 50 spots" in capsys.readouterr().out


def test_a_disturbed_crystal_keeps_its_identities() -> None:
    assert crystal_right() >= 0.999


def test_scenes_hold_as_many_as_they_say() -> None:
    for side, count in ((512, 500), (1024, 2000), (2048, 5000)):
        assert len(Scene(side, count, "spots").places()) == count
