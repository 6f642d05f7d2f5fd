"""Comparison with the authors' programs: the recorded results still hold for these inputs and our outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.models.oracles import OURS, digest, input_digest

TABLE: list[dict[str, Any]] = json.loads((Path(__file__).parent / "oracles.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", TABLE, ids=[row["name"] for row in TABLE])
def test_the_recorded_comparisons_hold(row: dict[str, Any]) -> None:
    assert row["largest_difference"] <= 1e-10
    assert row["largest_output"] > 0.1
    assert row["input_sha256"] == input_digest()
    assert row["output_sha256"] == digest(OURS[row["name"]]())


def test_all_comparisons_are_recorded() -> None:
    assert {row["name"] for row in TABLE} == set(OURS)
    assert all(len(row["commit"]) == 40 for row in TABLE)
