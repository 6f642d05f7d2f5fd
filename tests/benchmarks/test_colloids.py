"""Short version of the colloid benchmark: every network is trained on it, and finished work is not repeated."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import colloids
from benchmarks.colloids import NETWORKS, VARIANTS, table
from models.training import ColloidTask


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.set_default_dtype(torch.float32)
    monkeypatch.setattr(colloids, "OUT", tmp_path / "colloids.json")
    monkeypatch.setattr(colloids, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr(colloids, "NETWORKS", {name: (network, 1) for name, (network, _) in NETWORKS.items()})
    monkeypatch.setattr(
        colloids, "task_of",
        lambda variant: ColloidTask(variant=VARIANTS[variant][0], target="displacement", points=6, train=30, test=10),
    )  # fmt: skip
    return tmp_path / "colloids.json"


def test_each_network_is_trained_once_and_its_symmetry_is_measured(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["colloids", "--variants", "chiral"])
    colloids.main()
    rows = json.loads(short.read_text())
    assert [one["network"] for one in rows] == list(NETWORKS)
    for one in rows:
        assert 0 < one["error"] < 10
        exact = one["network"] in ("egnn", "fa_principal", "fa_gated")
        assert (one["rotation"] < 1e-3) == exact
    kept = short.read_text()
    colloids.main()
    assert short.read_text() == kept


def test_the_table_has_a_line_for_each_variant() -> None:
    rows = [{"variant": "drift", "network": "egnn", "error": value} for value in (0.1, 0.3)]
    lines = table(rows).splitlines()
    assert len(lines) == 2 + len(VARIANTS)
    (drift,) = (line for line in lines if line.startswith("| drift"))
    assert "0.2000" in drift
