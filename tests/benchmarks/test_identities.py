"""T12: identities in the closed loop, with dropped frames and blinking particles, compared with the simulated truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import identities
from benchmarks.identities import FRAMES, SCENES, LawScene, TrackScore, follow
from control.contract import State, Tracks
from tests.benchmarks.document_tables import DOCS, table

SWIMMERS = SCENES[-1]


@pytest.mark.parametrize("scene", SCENES[2:], ids=lambda scene: scene.name)
def test_no_swap_is_silent(scene: LawScene) -> None:
    row = follow(scene, 600)
    assert row["lit"] > 500
    assert row["dropped"] > 0
    assert row["silent"] == 0
    assert row["false_alarms"] == 0
    if scene is SWIMMERS:
        assert row["swaps"] > 0
        assert row["alarms"] > row["swaps"]
    else:  # no overlaps: no swaps and no lost particles
        assert (row["swaps"], row["alarms"], row["identities"]) == (0, 0, 50)


def test_a_linker_without_doubts_has_silent_swaps() -> None:
    """Sabotage: a linker that is never in doubt. The beam is dark, so that its result does not change the motion."""
    sure, unsure = (follow(SWIMMERS, 300, f"tracking.doubt={share}", armed=False) for share in (0, 0.1))
    assert sure["swaps"] == unsure["swaps"] >= 3
    assert (sure["silent"], unsure["silent"]) == (sure["swaps"], 0)


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_no_swap_is_silent_over_ten_thousand_frames(scene: LawScene) -> None:
    row = follow(scene, FRAMES)
    assert row["lit"] > 0.95 * FRAMES
    assert row["silent"] == 0


def seen(x_um: float, state: State) -> Tracks:
    return Tracks(0.0, np.zeros(1, np.int64), np.array([[x_um, 0.0]]), np.array([state], np.uint8))


@pytest.mark.parametrize(("state", "silent"), [(State.GOOD, 1), (State.UNCERTAIN, 0)])
def test_the_score_distinguishes_silent_from_uncertain_swaps(state: State, silent: int) -> None:
    """A track jumps from one body to another; its next sighting there is not a second swap."""
    truth_um, score = np.array([[0.0, 0.0], [5.0, 0.0]]), TrackScore(1.0)
    for x_um, how in ((0.1, State.GOOD), (4.9, state), (5.0, State.GOOD), (5.0, State.GOOD)):
        score.look(seen(x_um, how), truth_um)
    assert (score.swaps, score.silent, score.false_alarms) == (1, silent, 0)


def test_the_score_counts_an_alarm_without_a_cause() -> None:
    truth_um, score = np.array([[0.0, 0.0], [5.0, 0.0]]), TrackScore(1.0)
    for state in (State.GOOD, State.UNCERTAIN, State.UNCERTAIN, State.GOOD):
        score.look(seen(0.1, state), truth_um)
    assert (score.swaps, score.alarms, score.false_alarms, score.uncertain) == (0, 1, 1, 2)


def test_the_document_states_the_recorded_identities() -> None:
    recorded = json.loads((Path(identities.__file__).parent / "results" / "identities.json").read_text())["identities"]
    assert [row["scene"] for row in recorded] == [scene.name for scene in SCENES]
    assert {row["frames"] for row in recorded} == {FRAMES}
    counts = ["swaps", "silent", "alarms", "false alarms", "uncertain sightings", "identities"]
    rows = table("tracking.md", ["scene", *counts])
    assert len(rows) == len(recorded)
    for (_, *stated), row in zip(rows, recorded, strict=True):
        share = row["uncertain"] / row["sightings"]
        uncertain = f"{share:.2%}".replace("%", " %") if share else "0"
        alarms = [row["alarms"], row["false_alarms"]]
        assert stated == [str(one) for one in (row["swaps"], row["silent"], *alarms, uncertain, row["identities"])]
    overlapped = round(100 * recorded[-1]["overlapped"] / recorded[-1]["sightings"])
    assert f"in {overlapped} % of its rows two particles are nearer" in (DOCS / "tracking.md").read_text()
