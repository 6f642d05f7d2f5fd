"""Replays: the tracker expects motion by light only if that light acted on the recorded particles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import trackpy

from app.analysis.export import export
from app.analysis.run_description import info, text
from app.assembly.open import open_instrument
from app.assembly.plan import plan, plan_of
from app.assembly.replay_plan import plan_replay
from app.assembly.rig import EXPERIMENTS, RIGS
from app.commands.replay import replay_recording
from app.commands.verify import first_difference, verify_run
from app.running.headless import fly
from config.reader import parse
from config.refused import Refused
from control.policies.programmed_law import Programmed
from drivers.journal import Journal, read_run
from tests.drivers.turns import header, plausible
from tests.tracking.footage import recorded, spots

SMALL = (
    "camera.width_px=128", "camera.height_px=128", "sample.number=5", "sample.arrangement=hexagonal",
    "sample.spacing_um=2.2", "trap.depth_kt=100", "policy.forces.0.shape.stiffness_pn_per_um=4.5",
    "tracking.search_px=8",
)  # fmt: skip
CROWD = ("tracking.diameter_px=9", "tracking.minmass=200", "tracking.separation_px=7", "tracking.search_px=6")
OTHER_LAW = ("trap.depth_kt=40", "policy.forces.0.shape.radius_um=2.5")


def crowd(path: Path, seed: int = 3) -> Path:
    """A video of spots in random walks, 14 px apart on average."""
    chance = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(24, 170, 14), np.arange(24, 170, 14)), -1).reshape(-1, 2).astype(float)
    images = []
    for number in range(20):
        images.append(spots((192, 192), grid, width_px=1.8, seed=number))
        step = chance.normal(0.0, 1.0, grid.shape)
        grid = np.clip(grid + step, 14, 177)
    tifffile.imwrite(path, np.array(images), photometric="minisblack")
    return path


def links(table: pd.DataFrame) -> set[tuple[float, ...]]:
    """All links between two frames, as the positions of both ends."""
    ordered = table.sort_values(["particle", "frame"])
    rows = ordered[["frame", "x", "y"]].to_numpy().round(6)
    same = ordered["particle"].to_numpy()[1:] == ordered["particle"].to_numpy()[:-1]
    return {(*a, *b) for a, b in zip(rows[:-1][same].tolist(), rows[1:][same].tolist(), strict=True)}


def wrong_links(video: Path, sets: tuple[str, ...], search_px: float, tmp_path: Path) -> tuple[int, int]:
    """(links that differ between trackpy and the exported replay, links of trackpy)."""
    out = tmp_path / "replay.h5"
    assert replay_recording(video, None, None, sets, out=out, frames=True, json=None) == 0
    export(out, "csv", tmp_path / "tables")
    ours = pd.read_csv(tmp_path / "tables" / "tracks.csv")
    ours = ours[["frame", "particle", "x", "y"]]
    trackpy.quiet()
    theirs: Any = trackpy.link(ours.drop(columns="particle"), search_px, memory=3)
    return len(links(ours) ^ links(theirs)), len(links(theirs))


def test_a_foreign_video_is_linked_as_trackpy_links_it(tmp_path: Path) -> None:
    """No command of a replay moved the recorded particles."""
    wrong, every = wrong_links(crowd(tmp_path / "crowd.tif"), CROWD, 6, tmp_path)
    assert every > 1500
    assert wrong == 0
    with read_run(tmp_path / "replay.h5") as run:
        assert parse(run.header.rig, "rig").data["tracking"]["trapped"] == "last"
    assert verify_run(tmp_path / "replay.h5", json=None) == 0


def test_a_real_video_is_linked_as_trackpy_links_it(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "colloids.tif", recorded("colloids.tif"), photometric="minisblack")
    sets = ("tracking.diameter_px=7", "tracking.minmass=100", "tracking.search_px=6", "camera.fps=50")
    wrong, every = wrong_links(tmp_path / "colloids.tif", sets, 6, tmp_path)
    assert every > 2000
    assert wrong == 0


@pytest.fixture(scope="module")
def lit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the program with light on, with its frames."""
    path = tmp_path_factory.mktemp("runs") / "lit.h5"
    fly(plan(EXPERIMENTS / "annular_activity.yaml", None, SMALL), 0.8, path, True, "lit")
    return path


def tracks(path: Path) -> list[tuple[Any, ...]]:
    with read_run(path) as run:
        return [(t.tracks.particle.tolist(), t.tracks.position_um.tolist(), t.tracks.state.tolist())
                for t in run.turns()]  # fmt: skip


def holds_of(path: Path, trapped: str) -> None:
    with read_run(path) as run:
        assert parse(run.header.rig, "rig").data["tracking"]["trapped"] == trapped


def test_a_replay_of_a_lit_run_uses_the_recorded_commands(lit: Path, tmp_path: Path) -> None:
    before = tracks(lit)
    for name, sets in (("same", ()), ("other", OTHER_LAW)):
        out = tmp_path / f"{name}.h5"
        assert replay_recording(lit, None, None, sets, out=out, frames=True, json=None) == 0
        holds_of(out, "recorded")
        assert tracks(out) == before
        assert verify_run(out, json=None) == 0
    assert verify_run(lit, json=None) == 0


def test_a_replay_has_exactly_the_expectations_of_the_run(
    lit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay with another law has the expectations of the run itself."""
    from tracking.tracker import LinkingTracker

    told: list[Any] = []
    step = LinkingTracker.step

    def listening(self: LinkingTracker, memory: Any, frame: Any, expected: Any) -> Any:
        told.append((expected.particle.tolist(), expected.position_um.tolist()))
        return step(self, memory, frame, expected)

    monkeypatch.setattr(LinkingTracker, "step", listening)
    with read_run(lit) as run:
        assert first_difference(run) is None
    live, told = told, []
    assert sum(len(particle) for particle, _ in live) > 100
    out = tmp_path / "other.h5"
    assert replay_recording(lit, None, None, OTHER_LAW, out=out, frames=True, json=None) == 0
    assert told == live
    told = []
    assert verify_run(out, json=None) == 0
    assert told == live


def test_positions_are_scaled_in_a_replay_with_another_scale(lit: Path, tmp_path: Path) -> None:
    out = tmp_path / "scaled.h5"
    sets = (*OTHER_LAW, "optics.um_per_px=0.11")
    assert replay_recording(lit, None, None, sets, out=out, frames=True, json=None) == 0
    assert [who for who, _, _ in tracks(out)] == [who for who, _, _ in tracks(lit)]
    assert verify_run(out, json=None) == 0


def test_a_dark_run_and_a_replay_have_no_recorded_light(lit: Path, tmp_path: Path) -> None:
    dark = tmp_path / "dark.h5"
    fly(plan(EXPERIMENTS / "annular_activity.yaml", None, SMALL), 0.2, dark, True, "dark", armed=False)
    again = tmp_path / "again.h5"
    assert replay_recording(lit, None, None, OTHER_LAW, out=again, frames=True, json=None) == 0
    for recording in (dark, again):
        assert plan_replay(recording, None, None, ()).rig.tracking.trapped == "last"


def test_a_replay_without_its_recording_is_verified_from_its_tracks(
    lit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved, out = tmp_path / "moved.h5", tmp_path / "out.h5"
    moved.write_bytes(lit.read_bytes())
    assert replay_recording(moved, None, None, OTHER_LAW, out=out, frames=True, json=None) == 0
    moved.unlink()
    capsys.readouterr()
    assert verify_run(out, json=None) == 0
    assert "from the recorded tracks (the run that it replayed can't be read: " in capsys.readouterr().out


@pytest.mark.parametrize(("table", "column", "value"), [("tracks", "x_um", 1e200), ("allowed", "dwell_s", -5.0)])
def test_a_damaged_lit_run_is_refused_and_its_replay_still_verifies(
    lit: Path, tmp_path: Path, table: str, column: str, value: float, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, out = tmp_path / "bad.h5", tmp_path / "out.h5"
    bad.write_bytes(lit.read_bytes())
    assert replay_recording(bad, None, None, OTHER_LAW, out=out, frames=True, json=None) == 0
    with h5py.File(bad, "r+") as file:
        rows = file[table][...]
        rows[column][60] = value
        file[table][...] = rows
    capsys.readouterr()
    assert verify_run(out, json=None) == 0
    said = capsys.readouterr().out
    assert f"from the recorded tracks (the run that it replayed can't be read: {bad}: " in said
    assert f"its {column} is {value}" in said
    with pytest.raises(Refused, match=f"row 61 of '{table}': its {column} is "):
        replay_recording(bad, None, None, (), out=tmp_path / "again.h5", frames=False, json=None)
    assert not (tmp_path / "again.h5").exists()


def test_an_invalid_value_of_tracking_trapped_is_refused(lit: Path, tmp_path: Path) -> None:
    video = crowd(tmp_path / "crowd.tif")
    for recording, value in ((video, "commanded"), (lit, "commanded"), (video, "recorded")):
        with pytest.raises(Refused, match=r"tracking\.trapped"):
            plan_replay(recording, None, None, (f"tracking.trapped={value}",))
    for item in (
        'tracking.trapped="commanded"', "tracking.trapped=!!str commanded", "tracking.trapped='recorded'",
        "tracking={trapped: commanded}", "tracking={diameter_px: 9, trapped: recorded}", " tracking.trapped = recorded",
    ):  # fmt: skip
        with pytest.raises(Refused, match=r"felt no such light \(allowed for tracking\.trapped here: last\)"):
            plan_replay(video, None, None, (item,))
    with pytest.raises(Refused, match=r"tracking\.trapped is 'recorded', and its particles felt no recorded light"):
        open_instrument(
            plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "video.yaml",
                 (f"camera.path={video}", "tracking.trapped=recorded", "camera.width_px=192", "camera.height_px=192"))
        )  # fmt: skip
    with pytest.raises(Refused, match="no recorded light"):
        plan(EXPERIMENTS / "annular_activity.yaml", None, ("tracking.trapped=recorded",))
    assert plan_replay(lit, None, None, ("tracking.trapped=last",)).rig.tracking.trapped == "last"
    by_run = plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "video.yaml", (f"camera.path={video}",))
    assert by_run.rig.tracking.trapped == "last"


@pytest.mark.parametrize(("camera", "found"), [("5", "5"), ("", "empty"), ("[a]", "a list")])
def test_a_run_whose_rig_has_no_camera_is_refused(tmp_path: Path, camera: str, found: str) -> None:
    path = tmp_path / "run.h5"
    journal = Journal(path, header(rig=f"title: x\ncamera: {camera}\n"), True, wait_s=30.0)
    for number in range(3):
        journal.write(plausible(number))
    journal.close()
    where = rf"run\.h5: the run's rig, line 2: 'camera' is {found}, where a mapping is needed"
    with pytest.raises(Refused, match=where):
        plan_replay(path, None, EXPERIMENTS / "annular_activity.yaml", ())


def test_an_older_replay_is_verified_with_its_own_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record states `commanded`, and it has wrong links."""
    out = tmp_path / "replay.h5"
    with monkeypatch.context() as before:
        before.setattr("app.assembly.replay_plan._felt", lambda opened: "commanded")
        before.setattr("app.assembly.plan.expecting", lambda rig: rig)
        wrong, _ = wrong_links(crowd(tmp_path / "crowd.tif"), CROWD, 6, tmp_path)
    assert wrong > 0
    holds_of(out, "commanded")
    assert verify_run(out, json=None) == 0


def test_a_guessed_value_stays_marked_as_a_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Regression: the header of the run, an exported OME-TIFF and its replay stated it as a fact."""
    still = ("policy.forces=[]", "tracking.minmass=20", "tracking.diameter_px=7")
    guess = "camera.fps 30 and optics.um_per_px 0.1: a guess, since neither a person nor the recording stated it"
    video, out = crowd(tmp_path / "crowd.tif"), tmp_path / "guessed.h5"
    assert replay_recording(video, None, None, still, out=out, frames=True, json=None) == 0
    with read_run(out) as run:
        assert run.header.extra["guessed"] == ["camera.fps", "optics.um_per_px"]
        assert any("crowd.tif: camera.fps 30 (a guess" in said for said in run.header.extra["taken"])
        assert plan_of(run.header).unknown == ("camera.fps", "optics.um_per_px")
    described = info(out)
    assert described["guess"] == guess
    assert guess in text(described)
    (frames,) = export(out, "ome-tiff", tmp_path / "images")
    for recording in (out, frames):
        assert plan_replay(recording, None, None, still).unknown == ("camera.fps", "optics.um_per_px")
    given, known = (*still, "camera.fps=20", "optics.um_per_px=0.2"), tmp_path / "given.h5"
    assert replay_recording(video, None, None, given, out=known, frames=True, json=None) == 0
    assert info(known)["guess"] == ""
    (frames,) = export(known, "ome-tiff", tmp_path / "known")
    for recording in (known, frames):
        made = plan_replay(recording, None, None, still)
        assert made.unknown == ()
        assert (made.rig.camera.fps, made.rig.optics.um_per_px) == pytest.approx((20.0, 0.2), rel=1e-9)
    assert verify_run(out, json=None) == 0
    capsys.readouterr()


def test_a_slow_video_is_replayed_without_the_default_law(tmp_path: Path) -> None:
    """The delay of this law is shorter than the frame interval of two seconds, and the user did not choose the law."""
    video = crowd(tmp_path / "crowd.tif")
    made = plan_replay(video, None, None, ("camera.fps=0.5",))
    assert isinstance(made.experiment.policy, Programmed)
    assert made.experiment.policy.forces == ()
    assert any(said.startswith("note: no law is replayed") and "delay_s" in said for said in made.taken)
    assert not any("no law" in said for said in plan_replay(video, None, None, ()).taken)
    for chosen in (("policy.forces.0.delay_s=1",), ("tracking.diameter_px=1",)):  # refused, because it was chosen
        with pytest.raises(Refused):
            plan_replay(video, None, None, ("camera.fps=0.5", *chosen))
    with pytest.raises(Refused, match="delay_s"):
        plan_replay(video, None, EXPERIMENTS / "annular_activity.yaml", ("camera.fps=0.5",))
