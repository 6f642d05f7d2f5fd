"""Analysis of a camera that is slower than set, or that pauses: times are those of the frames, not frame numbers
divided by the set rate."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.analysis.export import export
from app.analysis.findings import findings, heat_of, late_diffusion
from app.analysis.frame_times import changes_in_words, counted_by_time, counting_hz, numbers_by_time
from app.analysis.recent_turns import Recent
from app.analysis.trajectories import msd
from app.assembly.plan import plan, plan_of
from app.assembly.rig import EXPERIMENTS
from app.calibration.seen import read_calibration_run
from app.commands.analyse import tables
from app.running.headless import fly
from config.reader import write
from control.contract import Turn
from drivers.frame_rate import mean_hz
from drivers.image_sources import open_pages
from drivers.journal import Journal, read_run
from tests.drivers.turns import header, plausible

ASKED_HZ, CAME_HZ = 30.0, 20.0


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files of the same turns at 20 frames/s: the camera setting is 20 frames/s in the first, 30 in the second."""
    fast, path = (tmp_path_factory.mktemp("runs") / name for name in ("fast.h5", "slow.h5"))
    fly(plan(EXPERIMENTS / "delayed_harmonic.yaml", None, (f"camera.fps={CAME_HZ:g}",)), 40.0, fast, False, "slow")
    with read_run(fast) as run:
        rig = plan_of(run.header).rig
        asked = write(replace(rig, camera=replace(rig.camera, fps=ASKED_HZ)))  # type: ignore[type-var]
        journal = Journal(path, replace(run.header, rig=asked, fps=ASKED_HZ), False, wait_s=60.0)
        blank = np.zeros((run.header.height_px, run.header.width_px), run.header.pixel_type)
        for turn in run.turns():
            journal.write(replace(turn, frame=replace(turn.frame, image=blank) if turn.frame is not None else None))
        journal.close()
    return fast, path


def walk(time_s: NDArray[np.float64], many: int = 30) -> pd.DataFrame:
    """Free particles, D = 0.1 um^2/s, at these times; the frame numbers have no gaps."""
    chance, number = np.random.default_rng(0), len(time_s)
    step_um = np.sqrt(2.0 * 0.1 * np.diff(time_s, prepend=time_s[0]))[:, None, None]
    place_um = np.cumsum(step_um * chance.normal(size=(number, many, 2)), axis=0).reshape(-1, 2)
    columns = {"frame": np.repeat(np.arange(number), many), "time_s": np.repeat(time_s, many)}
    columns |= {"particle": np.tile(np.arange(many), number), "x_um": place_um[:, 0], "y_um": place_um[:, 1]}
    return pd.DataFrame(columns).assign(carried=False)


def test_a_run_of_a_slow_camera_is_analysed_with_its_frame_times(flown: tuple[Path, Path]) -> None:
    """The results equal those of the file with the setting 20. Regression: heat and late diffusion were 1.5 times too
    large."""
    (truth, about), (found, said) = (tables(path)[:2] for path in flown)
    assert truth.fps == CAME_HZ
    assert found.conditions.hold_s == pytest.approx(truth.conditions.hold_s, rel=1e-9)
    assert [one.predicted for one in findings(found)] == pytest.approx(
        [one.predicted for one in findings(truth)], rel=1e-6, nan_ok=True
    )
    assert found.fps == pytest.approx(CAME_HZ, rel=1e-9)
    assert [one.measured for one in findings(found)] == pytest.approx(
        [one.measured for one in findings(truth)], rel=1e-6, nan_ok=True
    )
    heat, other = heat_of(found), heat_of(truth)
    assert heat is not None
    assert other is not None
    pd.testing.assert_frame_equal(heat, other)
    assert "at 20 frames/s, " in about
    assert "at 20 frames/s (asked for: 30), " in said


def test_the_window_uses_the_measured_frame_rate(flown: tuple[Path, Path]) -> None:
    recent = Recent()
    with read_run(flown[1]) as run:
        recent.add(run.turns())
        live = recent.tables(plan_of(run.header))
    assert live is not None
    assert live.fps == pytest.approx(CAME_HZ)
    kept = tables(flown[0])[0]
    assert late_diffusion(live, 0.1) == pytest.approx(late_diffusion(kept, 0.1), rel=1e-6)


def test_a_calibration_uses_the_measured_frame_rate(flown: tuple[Path, Path]) -> None:
    seen = read_calibration_run(flown[1], lambda place_um: place_um, 0.0)
    assert seen.fps == pytest.approx(CAME_HZ)
    assert np.diff(seen.time_s) == pytest.approx(1.0 / CAME_HZ)


def test_a_pause_with_consecutive_frame_numbers_is_a_gap() -> None:
    """Half of the frames, a pause of 100 s, the other half. The rate is that of the frames, and no lag spans the
    pause."""
    time_s = np.arange(2000) / CAME_HZ
    tracks = walk(np.where(np.arange(2000) < 1000, time_s, time_s + 100.0))
    counted, fps = counted_by_time(tracks, ASKED_HZ)
    assert fps == pytest.approx(CAME_HZ)
    assert int(np.diff(np.unique(counted["frame"])).max()) == 2001
    spread = msd(counted, fps, 2.0)
    assert spread.to_numpy() == pytest.approx(4.0 * 0.1 * spread.index.to_numpy(), rel=0.1)
    assert msd(tracks, ASKED_HZ, 2.0).iloc[0] > 1.5 * spread.iloc[0]  # without the correction


def changing(*parts: tuple[int, float]) -> NDArray[np.float64]:
    """Frame times; each part is (number of frames, rate in Hz)."""
    return np.cumsum(np.concatenate([[0.0], *(np.full(number, 1.0 / hz) for number, hz in parts)]))


@pytest.mark.parametrize(
    ("time_s", "counted_hz", "average_hz"),
    [
        (changing((750, 10.0), (750, 30.0)), 30.0, 15.0),
        (changing((750, 30.0), (750, 15.0)), 30.0, 20.0),
        (changing((1000, 20.0), (500, 30.0)), 30.0, 22.5),
        (changing(*((20, 30.0), (20, 10.0)) * 30), 30.0, 15.0),
        (changing((750, 26.0), (750, 30.0)), 30.0, 27.86),
        (changing((750, 26.0), (750, 30.0))[np.random.default_rng(1).random(1501) > 0.05], 30.0, 26.5),
        ((np.arange(1500) / 30.0)[np.random.default_rng(1).random(1500) > 0.15], 30.0, 25.5),
        ((np.arange(1500) / 30.0)[np.random.default_rng(1).random(1500) > 0.4], 30.0, 18.0),
        ((np.arange(1500) / 30.0)[np.arange(1500) % 5 > 0], 30.0, 24.0),
        (np.repeat(np.arange(750) / 15.0, 2) + np.tile([0.0, 1e-3], 750), 30.0, 30.0),
        (np.repeat(np.arange(500) / 10.0, 3) + np.tile([0.0, 1e-3, 2e-3], 500), 30.0, 30.0),
    ],
    ids=(
        "faster",
        "slower",
        "by half",
        "to and fro",
        "by a seventh",
        "by a seventh, a twentieth lost",
        "a seventh lost",
        "2/5 lost",
        "every fifth lost",
        "pairs",
        "threes",
    ),
)
def test_lags_are_times_when_the_frame_rate_changes(
    time_s: NDArray[np.float64], counted_hz: float, average_hz: float
) -> None:
    """The MSD of free particles is 4 D t at every lag. Regression: frames closer than the mean interval were moved
    apart to the mean interval."""
    counted, fps = counted_by_time(walk(time_s, 60), ASKED_HZ)
    assert fps == pytest.approx(counted_hz, rel=2.5e-3)
    assert mean_hz(np.arange(len(time_s)), time_s, ASKED_HZ) == pytest.approx(average_hz, rel=0.03)
    each_frame = counted.groupby("time_s")["frame"].first()
    late = each_frame.to_numpy() / fps - each_frame.index.to_numpy()
    assert np.ptp(late) < 3.1 / fps  # the frames of a burst of three have different numbers
    spread = msd(counted, fps, 1.0).iloc[11::6]
    assert spread.to_numpy() == pytest.approx(4.0 * 0.1 * spread.index.to_numpy(), rel=0.06)


def test_changes_of_the_frame_rate_are_listed() -> None:
    number = np.arange(1501)
    assert changes_in_words(number, changing((750, 10.0), (750, 30.0))) == "10 frames/s, from 75 s on 30"
    there_and_back = changing((500, 30.0), (500, 20.0), (500, 30.0))
    assert changes_in_words(number, there_and_back) == "30 frames/s, from 16.67 s on 20, from 41.67 s on 30"
    assert changes_in_words(number, changing(*((150, 30.0), (150, 10.0)) * 5)) == "10 to 30 frames/s, with 9 changes"
    jitter = np.random.default_rng(2).uniform(-0.4, 0.4, 1501)
    assert changes_in_words(number, (number + jitter) / 30.0) == ""
    assert changes_in_words(number, np.where(number < 700, number / 30.0, 100.0 + number / 30.0)) == ""


def test_late_diffusion_of_free_particles_equals_their_d() -> None:
    counted, fps = counted_by_time(walk(np.arange(4000) / CAME_HZ), ASKED_HZ)
    run = type("Run", (), {"tracks": counted, "fps": fps})()
    assert late_diffusion(run, 0.1)[0] == pytest.approx(0.1, rel=0.1)


@given(
    first=st.integers(0, 1000), gaps=st.lists(st.integers(1, 9), min_size=1, max_size=40), hz=st.floats(0.01, 1000.0)
)
def test_frames_at_the_set_rate_keep_their_numbers(first: int, gaps: list[int], hz: float) -> None:
    number = first + np.cumsum([0, *gaps])
    tracks = pd.DataFrame({"frame": number, "time_s": 3.7 + number / hz})
    counted, found_hz = counted_by_time(tracks, hz)
    assert counted is tracks
    assert found_hz == hz


@given(seed=st.integers(0, 10_000), hz=st.floats(1.0, 200.0), in_pairs=st.booleans())
def test_jitter_leaves_the_rate_unchanged_and_numbers_increase(seed: int, hz: float, in_pairs: bool) -> None:
    """Also for frames that arrive in pairs."""
    number = np.arange(201)
    late = np.tile([0.4, -0.4], 101)[:201] if in_pairs else np.random.default_rng(seed).uniform(-0.4, 0.4, 201)
    time_s = (number + late) / hz
    assert counting_hz(number, time_s, 1.5 * hz) == pytest.approx(hz, rel=0.01)
    numbers = numbers_by_time(time_s, hz)
    assert (np.diff(numbers) >= 1).all()
    assert np.abs(numbers - number).max() <= 1


def test_the_exported_video_states_the_interval_of_its_frames(tmp_path: Path) -> None:
    """Regression: the file stated the interval of the setting (100 frames/s), while its frame times gave 25
    frames/s."""
    turns: list[Turn] = [plausible(number, 1) for number in range(40)]
    journal = Journal(tmp_path / "run.h5", header(), True, wait_s=30.0)
    for turn in turns:
        frame = replace(turn.frame, time_s=4.0 * turn.frame.time_s) if turn.frame is not None else None
        tracks = replace(turn.tracks, time_s=4.0 * turn.tracks.time_s)
        journal.write(replace(turn, frame=frame, tracks=tracks, now_s=4.0 * turn.now_s + 1.0))
    journal.close()
    (made,) = export(tmp_path / "run.h5", "ome-tiff", tmp_path / "out")
    with tifffile.TiffFile(made) as file:
        about = tifffile.xml2dict(file.ome_metadata or "")["OME"]["Image"]["Pixels"]
    times_s = [plane["DeltaT"] for plane in about["Plane"]]
    assert about["TimeIncrement"] == pytest.approx(np.diff(times_s).mean())
    assert np.median(np.diff(times_s)) == pytest.approx(0.04)  # one frame has no image


def test_the_interval_of_an_exported_video_is_read_back(tmp_path: Path) -> None:
    """A seventh of the frames is lost. Regression: the mean rate (25.5) was written, and the median (30) was read."""
    time_s = (np.arange(400) / 30.0)[np.random.default_rng(0).random(400) > 0.15]
    written_hz = mean_hz(np.arange(len(time_s)), time_s, ASKED_HZ)
    about = {"axes": "TYX", "Plane": {"DeltaT": time_s.tolist(), "DeltaTUnit": ["s"] * len(time_s)}}
    for name, increment in (("both", {"TimeIncrement": 1.0 / written_hz, "TimeIncrementUnit": "s"}), ("one", {})):
        path = tmp_path / f"{name}.ome.tif"
        tifffile.imwrite(path, np.zeros((len(time_s), 8, 8), np.uint8), ome=True, metadata={**about, **increment})
        with closing(open_pages(path)) as pages:
            assert pages.stated.fps is not None
            assert pages.stated.fps.value == pytest.approx(written_hz, rel=1e-9)
            assert not any("TimeIncrement" in note for note in pages.stated.notes)


def test_an_exported_video_with_lost_frames_is_consistent(tmp_path: Path) -> None:
    """Every third frame of 100 frames/s is lost: the mean interval is 15 ms. Regression: the file stated 10 ms, in
    contradiction to its DeltaT."""
    journal = Journal(tmp_path / "run.h5", header(), True, wait_s=30.0)
    for count, number in enumerate(number for number in range(90) if number % 3):
        turn = plausible(count, 1)
        assert turn.frame is not None
        frame = replace(turn.frame, number=number, time_s=0.01 * number)
        journal.write(replace(turn, frame=frame, tracks=replace(turn.tracks, time_s=0.01 * number)))
    journal.close()
    (made,) = export(tmp_path / "run.h5", "ome-tiff", tmp_path / "out")
    with closing(open_pages(made)) as pages:
        assert pages.stated.fps is not None
        assert pages.stated.fps.value == pytest.approx(1.0 / 0.015, rel=0.02)
        assert not any("TimeIncrement" in note for note in pages.stated.notes)
