"""Comparison in a verification: all bits must agree, except for rounding that older kernels did not fix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from app.assembly.open import open_instrument, open_recorder
from app.assembly.replay_plan import plan_replay
from app.commands.verify import first_difference
from app.running.headless import fly
from control.contract import ALARM, Order, OrderKind, Recorder, State, Turn
from control.loop import run
from drivers.journal import read_run
from drivers.journal.header import KERNELS, NEWEST_KERNELS, versions
from tests.app.flights import Eye, planned
from tests.tracking.footage import scattered, spots
from tests.tracking.locate.test_guarded import dimers


@dataclass
class Nudged:
    """A recorder that writes eccentricities increased by a relative `share`."""

    recorder: Recorder
    share: float

    def write(self, turn: Turn) -> None:
        tracks = replace(turn.tracks, ecc=turn.tracks.ecc * (1.0 + self.share))
        self.recorder.write(replace(turn, tracks=tracks))

    def close(self) -> None:
        self.recorder.close()


@pytest.mark.parametrize(
    ("marked", "share", "equal"),
    [(False, 0.0, True), (False, 2.0**-52, True), (False, 1e-12, False), (True, 0.0, True), (True, 2.0**-52, False)],
)
def test_eccentricities_are_compared_exactly_only_for_newer_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: bool, share: float, equal: bool
) -> None:
    said = {name: value for name, value in versions().items() if marked or name != KERNELS}
    monkeypatch.setattr("app.assembly.open.versions", lambda: said)
    instrument = open_instrument(replace(planned(), kernels=NEWEST_KERNELS if marked else 1))
    recorder = Nudged(open_recorder(instrument, tmp_path / "run.h5", frames=True), share)
    orders = iter([(Order(OrderKind.ARM),)])
    try:
        run(
            instrument.machine, Eye(instrument.camera, 12), instrument.beam, instrument.clock, recorder,
            lambda: next(orders, ()), lambda turn: None,
        )  # fmt: skip
    finally:
        recorder.close()
        instrument.close()
    with read_run(tmp_path / "run.h5") as record:
        difference = first_difference(record)
    assert (difference is None) is equal
    assert equal or (difference is not None and "tracks.ecc, row 0" in difference)


@pytest.mark.parametrize("locator", ["gaussian", "radial", "auto"])
def test_a_run_with_unbounded_fits_is_verified_without_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locator: str
) -> None:
    """A video of pairs; a free fit puts both particles of some pairs on one body. Marked as made with kernels 2, and
    wrongly with 3."""
    images = [dimers(6, 2.2, 60, 0)[1]] * 3 if locator == "gaussian" else [dimers(5, 1.5, 60, 0)[1]] * 3
    tifffile.imwrite(tmp_path / "pairs.tif", np.array(images), photometric="minisblack")
    sets = ("tracking.diameter_px=7", "tracking.minmass=100", "tracking.separation_px=4", f"tracking.locator={locator}")
    made = replace(plan_replay(tmp_path / "pairs.tif", None, None, sets), kernels=2)
    differences = []
    for kernels in ("2", "3"):
        monkeypatch.setattr("app.assembly.open.versions", lambda said=kernels: {**versions(), KERNELS: said})
        out = tmp_path / f"{kernels}.h5"
        fly(made, None, out, True, "pairs")
        with read_run(out) as record:
            differences.append(first_difference(record))
    assert differences[0] is None
    assert differences[1] is not None
    assert "tracks." in differences[1]


def test_a_run_with_float32_grey_levels_is_verified_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video of low contrast, marked as made with kernels 3, and wrongly with 4."""
    images = np.random.default_rng(3).integers(100, 108, (3, 200, 300)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "noise.tif", images, photometric="minisblack")
    made = replace(plan_replay(tmp_path / "noise.tif", None, None, ("tracking.minmass=0",)), kernels=3)
    differences = []
    for kernels in ("3", "4"):
        monkeypatch.setattr("app.assembly.open.versions", lambda said=kernels: {**versions(), KERNELS: said})
        out = tmp_path / f"{kernels}.h5"
        fly(made, None, out, True, "noise")
        with read_run(out) as record:
            differences.append(first_difference(record))
    assert differences[0] is None
    assert differences[1] is not None
    assert "tracks." in differences[1]


@pytest.mark.parametrize("predict", ["last", "drift"])
def test_a_run_older_than_alarms_is_verified_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predict: str
) -> None:
    """Spots drift 9 px per frame at a search range of 8 px. Marked as made with kernels 3, and wrongly with 4."""
    there = scattered((120, 150), 24, 13)
    images = [spots((120, 220), there + np.array([9.0 * number, 0.0])) for number in range(6)]
    tifffile.imwrite(tmp_path / "drift.tif", np.array(images), photometric="minisblack")
    sets = ("tracking.minmass=400", "tracking.search_px=8", f"tracking.predict={predict}")
    made = plan_replay(tmp_path / "drift.tif", None, None, sets)
    turns, differences = dict[str, list[Turn]](), dict[str, str | None]()
    for kernels, flown in (("3", 3), ("wrong", 3), ("4", 4)):
        said = "4" if kernels == "wrong" else kernels
        monkeypatch.setattr("app.assembly.open.versions", lambda said=said: {**versions(), KERNELS: said})
        out = tmp_path / f"{kernels}.h5"
        fly(replace(made, kernels=flown), None, out, True, "drift")
        with read_run(out) as record:
            turns[kernels], differences[kernels] = list(record.turns()), first_difference(record)
    assert (differences["3"], differences["4"]) == (None, None)
    assert differences["wrong"] is not None
    assert [turn.alarm[:27] for turn in turns["3"]] == [""] * 6
    alarm = "the particles move together" if predict == "last" else ""
    assert [turn.alarm[:27] for turn in turns["4"]] == ["", *[alarm] * 5]
    if predict == "last":
        assert all(turn.notes[0].startswith(f"{ALARM}{alarm}") for turn in turns["4"][1:])
    else:
        assert [turn.tracks.particle.tolist() for turn in turns["4"]] == [list(range(24))] * 6


def test_a_run_with_the_older_doubt_rule_is_verified_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crowded spots whose steps are a fifth of the search range. Marked as made with kernels 4, and wrongly with 5."""
    chance = np.random.default_rng(0)
    there, images = scattered((150, 150), 120, 6.0), []
    for _ in range(8):
        images.append(spots((150, 150), there, width_px=1.2))
        there = np.clip(there + 1.3 * chance.standard_normal(there.shape), 10, 140)
    tifffile.imwrite(tmp_path / "walk.tif", np.array(images), photometric="minisblack")
    sets = ("minmass=100", "search_px=6", "diameter_px=5", "separation_px=4")
    made = plan_replay(tmp_path / "walk.tif", None, None, [f"tracking.{one}" for one in sets])
    differences, uncertain = [], []
    for said, flown in (("4", 4), ("5", 4), ("5", 5)):
        monkeypatch.setattr("app.assembly.open.versions", lambda said=said: {**versions(), KERNELS: said})
        out = tmp_path / f"{said}{flown}.h5"
        fly(replace(made, kernels=flown), None, out, True, "walk")
        with read_run(out) as record:
            differences.append(first_difference(record))
            uncertain.append(sum(int((turn.tracks.state == State.UNCERTAIN).sum()) for turn in record.turns()))
    assert (differences[0], differences[2]) == (None, None)
    assert differences[1] is not None
    assert uncertain[2] > uncertain[0] == uncertain[1]


def test_a_run_without_the_rule_of_own_steps_is_verified_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of three spots is 4 px away in frame 8. Marked as made with kernels 5, and wrongly with 6."""
    there, images = np.array([[30.0, 30.0], [30.0, 90.0], [90.0, 60.0]]), []
    for number in range(10):
        there[0, 0] += 4.0 * (number == 8)
        images.append(spots((120, 120), there, width_px=1.2))
    tifffile.imwrite(tmp_path / "jump.tif", np.array(images), photometric="minisblack")
    sets = ("minmass=100", "search_px=6", "diameter_px=5")
    plan = plan_replay(tmp_path / "jump.tif", None, None, [f"tracking.{one}" for one in sets])
    differences, uncertain = [], []
    for marked, kernels in (("5", 5), ("6", 5), ("6", 6)):
        monkeypatch.setattr("app.assembly.open.versions", lambda marked=marked: {**versions(), KERNELS: marked})
        out = tmp_path / f"{marked}{kernels}.h5"
        fly(replace(plan, kernels=kernels), None, out, True, "jump")
        with read_run(out) as record:
            differences.append(first_difference(record))
            uncertain.append(sum(int((turn.tracks.state == State.UNCERTAIN).sum()) for turn in record.turns()))
    assert (differences[0], differences[2]) == (None, None)
    assert differences[1] is not None
    assert uncertain[0] == uncertain[1] == 0
    assert uncertain[2] > 0


def test_new_runs_state_their_kernels() -> None:
    assert versions()[KERNELS] == str(NEWEST_KERNELS) == "7"
