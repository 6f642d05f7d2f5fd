"""The benchmark of the loop runs and records how it was measured; its recorded measurements can be repeated."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks import loop
from benchmarks.loop import CASES, KEYS, TOO_MUCH, WAYS, Case, bench, measure
from config.refused import Refused
from tests.benchmarks.document_tables import table

RECORDED = Path(loop.__file__).parent / "results" / "loop.json"


def test_one_second_of_the_loop_without_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PICTURES", 20)
    row = measure(Case("small", 128, 4, 30.0, "centroid"), 1.0, "alone", left_out_s=0.2)
    assert {"case", "way", "frames", "paint_cpu_ms", *KEYS} == set(row)
    assert 10 <= row["frames"] <= 26
    assert 0.0 < row["p50_ms"] <= row["p99_ms"] <= row["p999_ms"]
    assert 0.0 <= row["missed"] <= 1.0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, str]]:
    """The runs that were requested; none is carried out."""
    runs: list[tuple[str, float, str]] = []

    def child(case: Case, seconds: float, way: str) -> dict[str, Any]:
        runs.append((case.name, seconds, way))
        return dict.fromkeys(KEYS, float(len(runs)))

    monkeypatch.setattr(loop, "_child", child)
    return runs


@pytest.mark.parametrize(
    ("quick", "repeats", "seconds", "done"),
    [
        (False, 3, 18.0, (3, 18.0)),
        (False, None, None, (5, 30.0)),
        (True, None, None, (1, 8.0)),
        (True, 2, 4.0, (2, 4.0)),
    ],
)
def test_the_results_state_how_they_were_measured(
    tmp_path: Path,
    asked: list[tuple[str, float, str]],
    quick: bool,
    repeats: int | None,
    seconds: float | None,
    done: tuple[int, float],
) -> None:
    bench(quick, tmp_path / "loop.json", repeats, seconds)
    rows = json.loads((tmp_path / "loop.json").read_text())["loop"]
    assert [(row["repeats"], row["seconds"]) for row in rows] == [done] * len(CASES)
    assert len(asked) == done[0] * sum(len(case.ways) for case in CASES)
    assert [set(WAYS) & row.keys() for row in rows] == [set(case.ways) for case in CASES]
    assert {length for _, length, _ in asked} == {done[1]}


def test_a_recorded_measurement_can_be_repeated(tmp_path: Path, asked: list[tuple[str, float, str]]) -> None:
    recorded = json.loads(RECORDED.read_text())["loop"]
    bench(False, tmp_path / "loop.json", recorded[0]["repeats"], recorded[0]["seconds"])
    again = json.loads((tmp_path / "loop.json").read_text())["loop"]
    names = [row["case"] for row in recorded]
    assert [case.name for case in CASES if case is not TOO_MUCH or case.name in names] == names
    again = [row for row in again if row["case"] in names]
    assert [row.keys() for row in again] == [row.keys() for row in recorded]
    assert [(row["case"], row["repeats"], row["seconds"]) for row in again] == [
        (row["case"], row["repeats"], row["seconds"]) for row in recorded
    ]


def test_the_document_states_the_recorded_times() -> None:
    recorded = json.loads(RECORDED.read_text())["loop"]
    heads = ["case", "loop", "p50 ms", "p99 ms", "p99.9 ms", "p99 over alone", "missed", "window"]
    expected = [
        [row["case"], way, *(f"{row[way][key]:.2f}" for key in ("p50_ms", "p99_ms", "p999_ms")),
         f"{row['p99_ratio'][way]:.2f}" if way in row["p99_ratio"] else "", f"{row[way]['missed']:.2%}",
         f"{row[way]['painted_hz']:.0f} Hz"]
        for row in recorded for way in WAYS if way in row
    ]  # fmt: skip
    assert table("tracking.md", heads) == expected


@pytest.mark.parametrize(("repeats", "seconds"), [(0, None), (None, 2.0), (None, 41.0), (None, float("nan"))])
def test_runs_of_invalid_number_or_length_are_refused(
    asked: list[tuple[str, float, str]], repeats: int | None, seconds: float | None
) -> None:
    with pytest.raises(Refused, match="and it should be"):
        bench(False, None, repeats, seconds)
    assert not asked


@pytest.mark.slow
@pytest.mark.real_time
def test_the_window_is_updated_beside_an_overloaded_loop() -> None:
    """10 Hz on an idle computer; in any case, half of one core is enough for 10 Hz."""
    row = loop._child(TOO_MUCH, 12.0, "apart")
    assert row["missed"] > 0.3
    assert row["paint_cpu_ms"] <= 50.0
    if os.getloadavg()[0] <= (os.cpu_count() or 1):
        assert row["painted_hz"] >= 10.0
