"""What is measured is of one law, and what is foreseen is of the law that acts: nothing else is drawn beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.desktop.open import application
from app.desktop.plots import Plots
from app.export import export
from app.headless import fly
from app.means import Means
from app.motion import foreseen_msd_um2
from app.plan import plan
from app.reel import Reel
from app.replay import plan_replay
from app.rig_file import EXPERIMENTS, RIGS, Plan
from config.reader import build, parse
from control.allocate import Light
from control.contract import Level, Order, OrderKind, Turn
from control.experiment import Experiment
from control.plant import Plant
from tests.drivers.turns import plausible

MEANS = Means(Plant(), Light(0.6, 5.0, Plant().kt_pn_um, 200.0), latency_s=0.015, hold_s=0.01)
SMALL = ("camera.width_px=64", "camera.height_px=64", "sample.number=1", "sample.arrangement=one")


def walk(first: int, number: int, step_um: float, level: Level, orders: tuple[Order, ...] = ()) -> list[Turn]:
    """Turns of three particles that move by `step_um` a turn along x; the orders come in the first of them."""
    found = []
    for index in range(first, first + number):
        turn = plausible(index)
        place_um = np.column_stack([np.full(3, step_um * index), np.arange(3.0)])
        tracks = dataclasses.replace(turn.tracks, time_s=0.01 * index, position_um=place_um)
        told = orders if index == first else ()
        found.append(dataclasses.replace(turn, tracks=tracks, now_s=0.01 * index, level=level, orders=told))
    return found


def experiment(radius_um: float = 1.0) -> Experiment:
    law = f"{{kind: self, delay_s: 0.5, shape: {{kind: annular, radius_um: {radius_um}, stiffness_pn_per_um: 0.9}}}}"
    made: Experiment = build(parse(f"{{title: t, policy: {{kind: programmed, forces: [{law}]}}}}", "test"), Experiment)
    return made


@pytest.fixture
def plots(qtbot: QtBot) -> Iterator[Plots]:
    application()
    made = Plots(lambda: np.empty(0))
    made.experiment, made.means = experiment(), MEANS
    qtbot.addWidget(made)
    made.show()
    made.setCurrentWidget(made.msd)
    yield made
    made.close_workers()


def shown(plots: Plots, turns: Sequence[Turn]) -> tuple[float, float]:
    """(measured MSD over one frame, foreseen over the same) after these turns; nan where there is none."""
    plots.add(turns)
    plots.draw()
    plots.finish()
    found = []
    for name in ("measured", "foreseen"):
        lag_s, msd_um2 = plots.msd.curves[name].getOriginalDataset() if name in plots.msd.curves else (None, None)
        found.append(float(msd_um2[0]) if lag_s is not None and msd_um2 is not None and len(lag_s) else float("nan"))
    return found[0], found[1]


def test_turns_before_arm_and_under_another_law_are_not_pooled(plots: Plots) -> None:
    assert shown(plots, walk(0, 100, 0.5, Level.SAFE))[0] == pytest.approx(0.25)
    measured, foreseen = shown(plots, walk(100, 60, 0.1, Level.ARMED, (Order(OrderKind.ARM),)))
    assert measured == pytest.approx(0.01)
    right = foreseen_msd_um2(experiment(), MEANS, np.array([0.01]))
    assert right is not None
    assert foreseen == pytest.approx(right[0])
    assert shown(plots, walk(160, 60, 0.2, Level.ARMED, (Order(OrderKind.APPLY, "title: t\n"),)))[0] == pytest.approx(
        0.04
    )
    assert len(plots.recent.moments) == 60  # the table of numbers is made of the same turns
    assert shown(plots, walk(220, 60, 0.3, Level.TRIPPED))[0] == pytest.approx(0.09)


def test_nothing_is_foreseen_where_no_light_acts(plots: Plots) -> None:
    assert np.isnan(shown(plots, walk(0, 60, 0.5, Level.SAFE))[1])
    assert np.isfinite(shown(plots, walk(60, 60, 0.5, Level.ARMED))[1])
    assert np.isnan(shown(plots, walk(120, 60, 0.5, Level.SAFE))[1])


def test_a_recording_that_felt_no_light_foresees_nothing(plots: Plots) -> None:
    class Video:
        """The plan of a replay, as the window has it."""

        kind = "REPLAY"

    plots._plan = lambda: Video()  # type: ignore[assignment]
    assert np.isnan(shown(plots, walk(0, 60, 0.5, Level.ARMED))[1])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, SMALL)
    fly(made, 0.5, path, True, "a run")
    return path, made


def test_what_has_acted_in_a_recording(recorded: tuple[Path, Plan], tmp_path: Path) -> None:
    path, made = recorded
    reel = Reel(path, plan_replay(path, None, None, ()))
    try:
        law = reel.law(0, len(reel))
        assert law is not None
        assert law.policy == made.experiment.policy
        assert reel.law(0, 0) is None
    finally:
        reel.close()
    (film,) = export(path, "ome-tiff", tmp_path)
    video = Reel(film, plan_replay(film, RIGS / "video.yaml", None, ()))
    try:
        assert video.law(0, len(video)) is None
    finally:
        video.close()
