"""Tables of the last turns: live findings equal those of main.py analyse from the file of the run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from app.analysis.findings import findings
from app.analysis.recent_turns import Moment, Recent, apart, tracks_of
from app.assembly.open import open_instrument, open_recorder
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.commands.analyse import tables
from app.running.headless import Until
from control.contract import DARK, Forces, Order, OrderKind, State, Tracks, Turn
from control.loop import run


@pytest.mark.parametrize("name", ["delayed_harmonic", "ring_crystal"])
def test_live_findings_equal_those_from_the_file(name: str, tmp_path: Path) -> None:
    made = plan(EXPERIMENTS / f"{name}.yaml")
    instrument, recent, turns = open_instrument(made), Recent(), list[Turn]()
    orders = [(Order(OrderKind.ARM),)]
    recorder = open_recorder(instrument, tmp_path / "run.h5", frames=False)
    run(
        instrument.machine, Until(instrument.camera, 8.0), instrument.beam, instrument.clock, recorder,
        lambda: orders.pop() if orders else (), turns.append,
    )  # fmt: skip
    recorder.close()
    instrument.close()
    recent.add(turns[:50])
    assert recent.tables(made) is None  # half a second is too short
    recent.add(turns[50:])
    live = recent.tables(made)
    assert live is not None
    found, kept = findings(live), findings(tables(tmp_path / "run.h5")[0])
    assert [one.name for one in found] == [one.name for one in kept]
    for one, other in zip(found, kept, strict=True):
        for value, expected in ((one.predicted, other.predicted), (one.measured, other.measured)):
            assert value == pytest.approx(expected, rel=1e-9) or (math.isnan(value) and math.isnan(expected)), one.name
    names = {one.name for one in found}
    assert {"latency, mid-exposure to effect", "heat to the bath", "speed over τ"} <= names
    steered, bound = {"z of the latency", "|ψ6|", "|ψ4|"}, {"z = κτ", "D_eff", "T_eff", "achieved delay τ"}
    assert names >= (steered if name == "ring_crystal" else bound)


def test_a_new_run_discards_the_turns_of_the_previous_run() -> None:
    made = plan(EXPERIMENTS / "delayed_harmonic.yaml")
    turns = list[Turn]()
    instrument = open_instrument(made)
    run(
        instrument.machine, Until(instrument.camera, 0.2), instrument.beam, instrument.clock,
        type("Nowhere", (), {"write": lambda self, turn: None, "close": lambda self: None})(), lambda: (), turns.append,
    )  # fmt: skip
    instrument.close()
    recent = Recent()
    recent.add(turns)
    recent.add(turns[:3])
    assert len(recent.moments) == 3


def test_carried_and_uncertain_particles_count_no_displacement() -> None:
    tracks = Tracks(0.0, np.arange(4), np.zeros((4, 2)), np.array([0, 0, State.UNCERTAIN, 0], np.uint8))
    wanted = Forces(np.array([1, 3]), np.zeros((2, 2)), np.full(2, np.nan), np.array([True, False]))
    assert apart(tracks, wanted).tolist() == [False, True, True, False]
    plain = Tracks(0.0, np.arange(4), np.zeros((4, 2)))
    assert apart(plain, wanted).tolist() == [False, True, False, False]


def test_frames_are_counted_by_time_despite_jitter() -> None:
    """Exposures come up to 0.4 of a period early or late: no frame is counted twice or left out."""
    late = np.random.default_rng(4).uniform(-0.4, 0.4, 200)
    late[0] = 0.0
    moments = [
        Moment(t, Tracks(t, np.arange(1), np.zeros((1, 2))), Forces(), DARK, 0.0)
        for t in (0.0075 + 0.01 * (np.arange(200) + late)).tolist()
    ]
    assert tracks_of(moments, 100.0)["frame"].tolist() == list(range(200))
