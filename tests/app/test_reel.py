"""A recording in any order: as it was, and as an edited law would have had it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from app.headless import fly
from app.plan import plan
from app.reel import Reel
from app.replay import plan_replay
from app.rig_file import EXPERIMENTS
from config.reader import build, parse
from control.experiment import Experiment
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_time

SMALL = ("camera.width_px=128", "camera.height_px=128", "sample.number=1", "sample.arrangement=one")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    fly(plan(EXPERIMENTS / "annular_activity.yaml", None, SMALL), 1.2, path, True, "a run")
    return path


def wait(reel: Reel) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while reel.busy:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    assert reel.trouble == ""


def test_a_run_is_read_and_not_computed_again(recorded: Path) -> None:
    reel = Reel(recorded, plan_replay(recorded, None, None, ()))
    try:
        assert reel.ready == len(reel) > 100
        assert reel.first is None
        turn = reel.turn(90)
        assert turn.frame is not None
        assert turn.frame.image.shape == (128, 128)
        assert np.array_equal(reel.tracks(90, 91)[0].position_um, turn.tracks.position_um)
        assert [seen.time_s for seen in reel.tracks(-5, 10_000)] == [
            reel.turn(k).tracks.time_s for k in range(len(reel))
        ]
        assert reel.again(90) is None
    finally:
        reel.close()


def test_the_same_law_would_have_sent_the_same_and_another_another(recorded: Path) -> None:
    made = plan_replay(recorded, None, None, ())
    reel = Reel(recorded, made)
    try:
        reel.edit(made)
        wait(reel)
        assert reel.compared == len(reel)
        then, now = reel.turn(100), reel.again(100)
        assert now is not None
        assert len(then.sent) == 1
        assert now.sent.position_um == pytest.approx(then.sent.position_um)
        law = "{kind: programmed, forces: [{kind: external, shape: {kind: constant, magnitude_pn: 0.05}}]}"
        text = f"{{title: t, policy: {law}}}"
        reel.edit(replace(made, experiment=build(parse(text, "test"), Experiment)))
        wait(reel)
        now = reel.again(100)
        assert now is not None
        assert np.abs(now.sent.position_um - then.sent.position_um).max() > 0.01
    finally:
        reel.close()


def test_a_video_is_tracked_in_the_background_and_shown_where_done(tmp_path: Path) -> None:
    path = tmp_path / "video.tif"
    y, x = np.mgrid[:64, :64]
    frames = [40 + 150 * np.exp(-((x - 20 - 0.2 * k) ** 2 + (y - 30) ** 2) / 8.0) for k in range(30)]
    tifffile.imwrite(path, np.array(frames, np.uint8), photometric="minisblack")
    reel = Reel(path, plan_replay(path, None, None, ("tracking.diameter_px=9", "tracking.minmass=100")))
    try:
        wait(reel)
        assert reel.ready == len(reel) == 30
        turn = reel.turn(17)
        assert turn.frame is not None
        assert np.array_equal(turn.frame.image, np.array(frames, np.uint8)[17])
        assert turn.tracks.position_px[0] == pytest.approx([23.4, 30.0], abs=0.2)
    finally:
        reel.close()


def test_a_reel_closes_in_the_middle_of_its_work(recorded: Path) -> None:
    made = plan_replay(recorded, None, None, ())
    reel = Reel(recorded, made)
    reel.edit(made)
    reel.close()
    assert not reel.busy
