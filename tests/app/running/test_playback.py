"""A recording in any order: as recorded, and as with an edited law."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from app.assembly.machine import build_machine
from app.assembly.open import open_instrument, open_recorder
from app.assembly.plan import plan
from app.assembly.replay_plan import plan_replay
from app.assembly.rig import EXPERIMENTS
from app.commands import analyse
from app.running.headless import fly
from app.running.playback import Reel, VideoSource
from config.reader import build, parse, write
from control.contract import Ended, Order, OrderKind
from control.experiment import Experiment
from control.loop import run
from control.policies.programmed_law import Programmed
from control.policies.self_force import Self
from control.potentials.annular import Annular
from drivers.video import VideoCamera
from tests.drivers.odd_films import number_in, numbered_film, set_mp4_intervals
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


def test_only_another_law_gives_other_commands(recorded: Path) -> None:
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


def test_a_film_of_varying_rate_is_shown_frame_by_frame_in_any_order(tmp_path: Path) -> None:
    set_mp4_intervals(numbered_film(tmp_path / "a.mp4", "mp4v"), [(20, 1), (20, 5)])
    source = VideoSource(VideoCamera(path=str(tmp_path / "a.mp4")))
    order = [*range(40), *range(39, -1, -3), 17, 35, 2]
    assert [number_in(source.image(index)) for index in order] == order
    source.close()


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


def test_a_reel_closes_during_its_work(recorded: Path) -> None:
    made = plan_replay(recorded, None, None, ())
    reel = Reel(recorded, made)
    reel.edit(made)
    reel.close()
    assert not reel.busy


DARK_TURNS, APPLIED, TURNS = 150, 350, 500


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is first dark, then armed, then under another law."""
    path = tmp_path_factory.mktemp("runs") / "switched.h5"
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, SMALL)
    other = replace(made, experiment=replace(made.experiment, title="another", policy=farther(made.experiment)))
    orders = {
        DARK_TURNS: Order(OrderKind.ARM),
        APPLIED: Order(OrderKind.APPLY, write(other.experiment), build_machine(other)),
    }
    opened = open_instrument(made)
    recorder = open_recorder(opened, path, frames=False)
    count = 0

    def told() -> tuple[Order, ...]:
        nonlocal count
        count += 1
        if count > TURNS:
            raise Ended
        order = orders.get(count - 1)
        return () if order is None else (order,)

    run(opened.machine, opened.camera, opened.beam, opened.clock, recorder, told, lambda turn: None)
    recorder.close()
    opened.close()
    return path


def farther(experiment: Experiment) -> Programmed:
    policy = experiment.policy
    assert isinstance(policy, Programmed)
    force = policy.forces[0]
    assert isinstance(force, Self)
    assert isinstance(force.shape, Annular)
    return replace(policy, forces=(replace(force, shape=replace(force.shape, radius_um=1.5)),))


def test_turns_without_light_and_under_other_laws_are_not_pooled(switched: Path) -> None:
    reel = Reel(switched, plan_replay(switched, None, None, ()))
    try:
        found = [reel.stretch(index) for index in (0, 149, 150, 349, 350, 499)]
        begins = [begin for begin, _, _ in found]
        assert begins == [0, 0, DARK_TURNS, DARK_TURNS, APPLIED, APPLIED]
        assert [end for _, end, _ in found] == [150, 150, 350, 350, 500, 500]
        assert "since its start" in found[0][2]
        assert "since ARMED at 1.5" in found[2][2]
        assert "since APPLY at 3.5" in found[4][2]
        assert reel.law(0, 150) is None
        assert reel.law(100, 250) is None  # partly dark
        assert reel.law(200, 450) is None  # two laws
        first, second = reel.law(150, 350), reel.law(350, 500)
        assert first is not None
        assert second is not None
        assert [law.policy.forces[0].shape.radius_um for law in (first, second)] == [1.0, 1.5]  # type: ignore[union-attr]
        for (begin, end), acted, law in zip(
            ((0, 150), (0, 350), (0, 500)), (False, True, True), (1, 1, 2), strict=True
        ):
            tables = reel.tables(begin, end)
            assert tables is not None
            assert tables.acted is acted
            assert len(tables.turns) == end - reel.stretch(end - 1)[0]
            assert (tables.plan.experiment.title == "another") is (law == 2)
    finally:
        reel.close()


def test_analyse_uses_the_longest_armed_stretch_under_one_law(switched: Path) -> None:
    found, about, _ = analyse.tables(switched)
    assert len(found.turns) == APPLIED - DARK_TURNS
    assert found.acted
    assert about.startswith("since ARMED at 1.5")
    assert f"{APPLIED - DARK_TURNS} turns of {TURNS}" in about
