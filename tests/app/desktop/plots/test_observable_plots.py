"""Each plot shows measurements under one law only, and predictions for the law that acts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyqtgraph as pg
import pytest
from pytestqt.qtbot import QtBot

from app.analysis.export import export
from app.analysis.predicted_motion import predicted_msd_um2
from app.assembly.plan import plan
from app.assembly.replay_plan import plan_replay
from app.assembly.rig import EXPERIMENTS, RIGS, Plan
from app.desktop.plots.named_axes import Plot
from app.desktop.plots.observable_plots import Plots
from app.desktop.window.open import FIRST, application
from app.running.headless import fly
from app.running.playback import Reel
from config.reader import build, parse
from control.allocate import LightModel
from control.contract import Forces, Level, Order, OrderKind, Turn
from control.experiment import Experiment
from control.plant import Plant
from control.theory.conditions import Conditions
from drivers.journal import Kind
from tests.app.desktop.window.test_main_window import Bench
from tests.drivers.turns import plausible

MEANS = Conditions(Plant(), LightModel(0.6, 5.0, Plant().kt_pn_um, 200.0), latency_s=0.015, hold_s=0.01)
SMALL = ("camera.width_px=64", "camera.height_px=64", "sample.number=1", "sample.arrangement=one")


def walk(first: int, number: int, step_um: float, level: Level, orders: tuple[Order, ...] = ()) -> list[Turn]:
    """Turns of three particles that move by `step_um` per turn along x; the first turn has the orders."""
    found = []
    for index in range(first, first + number):
        turn = plausible(index)
        place_um = np.column_stack([np.full(3, step_um * index), 5.0 * np.arange(3.0)])
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
    made.experiment, made.conditions = experiment(), MEANS
    qtbot.addWidget(made)
    made.show()
    made.setCurrentWidget(made.msd)
    yield made
    made.close_workers()


def shown(plots: Plots, turns: Sequence[Turn]) -> tuple[float, float]:
    """(measured, predicted) MSD over one frame (um^2) after these turns; nan if there is none."""
    plots.add(turns)
    plots.draw()
    plots.finish()
    found = []
    for name in ("measured", "predicted"):
        lag_s, msd_um2 = plots.msd.curves[name].getOriginalDataset() if name in plots.msd.curves else (None, None)
        found.append(float(msd_um2[0]) if lag_s is not None and msd_um2 is not None and len(lag_s) else float("nan"))
    return found[0], found[1]


def test_turns_before_arm_and_under_another_law_are_not_pooled(plots: Plots) -> None:
    assert shown(plots, walk(0, 100, 0.5, Level.SAFE))[0] == pytest.approx(0.25)
    measured, predicted = shown(plots, walk(100, 60, 0.1, Level.ARMED, (Order(OrderKind.ARM),)))
    assert measured == pytest.approx(0.01)
    right = predicted_msd_um2(experiment(), MEANS, np.array([0.01]))
    assert right is not None
    assert predicted == pytest.approx(right[0])
    assert shown(plots, walk(160, 60, 0.2, Level.ARMED, (Order(OrderKind.APPLY, "title: t\n"),)))[0] == pytest.approx(
        0.04
    )
    assert len(plots.recent.moments) == 60  # the table of numbers uses the same turns
    assert shown(plots, walk(220, 60, 0.3, Level.TRIPPED))[0] == pytest.approx(0.09)


def test_nothing_is_predicted_while_no_light_acts(plots: Plots) -> None:
    assert np.isnan(shown(plots, walk(0, 60, 0.5, Level.SAFE))[1])
    assert np.isfinite(shown(plots, walk(60, 60, 0.5, Level.ARMED))[1])
    assert np.isnan(shown(plots, walk(120, 60, 0.5, Level.SAFE))[1])


def test_nothing_is_predicted_for_a_video(plots: Plots) -> None:
    class Video:
        """Stands in for the plan of a replay."""

        kind, unknown = Kind.REPLAY, ()

    plots._plan = lambda: Video()  # type: ignore[assignment]
    assert np.isnan(shown(plots, walk(0, 60, 0.5, Level.ARMED))[1])


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path)
    yield made
    made.window.close()


def opened(bench: Bench, path: Path) -> None:
    bench.window.panel.list.chosen.emit(path)
    bench.qtbot.waitUntil(lambda: bench.window.files.reading is None)


def drawn(bench: Bench, plot: Plot, turns: Sequence[Turn]) -> Plot:
    """Add these turns, draw this plot of the window, and return it."""
    plots = bench.window.plots
    plots.setCurrentWidget(plot)
    plots.finish()
    plots.add(turns)
    plots.draw()
    plots.finish()
    return plot


def apart(turns: Sequence[Turn], by_um: float, particles: int = 3) -> list[Turn]:
    """The turns with this number of particles on a line along y, `by_um` apart."""
    found = []
    for turn in turns:
        place_um = np.column_stack([np.full(particles, turn.tracks.position_um[0, 0]), by_um * np.arange(particles)])
        tracks = dataclasses.replace(
            turn.tracks, particle=np.arange(particles), position_um=place_um, state=np.zeros(particles, np.uint8),
            species=np.zeros(particles, int), cell=np.zeros(particles, int), position_px=place_um,
        )  # fmt: skip
        found.append(dataclasses.replace(turn, tracks=tracks, wanted=Forces()))
    return found


def test_a_plot_without_curves_states_the_reason(bench: Bench) -> None:
    plots = bench.window.plots
    assert drawn(bench, plots.order, ()).why.text() == "no particle is tracked yet"
    order = drawn(bench, plots.order, apart(walk(0, 20, 0.1, Level.SAFE), 5.0))
    assert order.why.isVisible()
    assert order.children().index(order.why) > order.children().index(order.axes)  # it is drawn over the axes
    assert "3 particles" in order.legend.text()
    assert order.why.text().splitlines() == [
        "|ψ6| needs 7 particles at least; there are 3", "|ψ4| needs 5 particles at least; there are 3"
    ]  # fmt: skip
    assert drawn(bench, plots.order, apart(walk(20, 20, 0.1, Level.SAFE), 5.0, 9)).why.text() == ""
    assert "|ψ6|" in order.legend.text()
    assert drawn(bench, plots.speed, ()).why.text() == "no particle was followed for τ = 0.5 s yet"
    assert drawn(bench, plots.latency, ()).why.text() == "too few turns so far"


def test_an_order_plot_on_a_ring_states_that_neighbours_are_missing(bench: Bench) -> None:
    opened(bench, EXPERIMENTS / "ring_crystal.yaml")
    order = drawn(bench, bench.window.plots.order, apart(walk(0, 20, 0.1, Level.SAFE), 5.0, 9))
    assert order.why.text().splitlines()[0] == "|ψ6|: no particle has just 6 others within 3.13 µm, on the ring"


def test_a_plot_has_room_and_its_legend_covers_no_curve(bench: Bench) -> None:
    window = bench.window
    window.resize(1366, 768)
    drawn(bench, window.plots.msd, apart(walk(0, 60, 0.1, Level.SAFE), 5.0))
    bench.qtbot.waitUntil(lambda: window.plots.msd.axes.height() >= 160)
    for plot in (window.plots.msd, window.plots.order, window.plots.latency, window.tuning.mass, window.tuning.phase):
        assert plot.minimumHeight() >= 160
        assert not any(isinstance(item, pg.LegendItem) for item in plot.axes.scene().items())
    legend, axes = window.plots.msd.legend.geometry(), window.plots.msd.axes.geometry()
    assert "measured" in window.plots.msd.legend.text()
    assert not legend.intersects(axes)


def test_theory_is_drawn_where_it_applies(bench: Bench) -> None:
    """Free diffusion in the dark; under the law the predictions with and without light; nothing in a crowd."""
    opened(bench, FIRST)
    msd = drawn(bench, bench.window.plots.msd, apart(walk(0, 60, 0.1, Level.SAFE), 5.0))
    assert list(msd.names) == ["measured", "free"]
    drawn(bench, msd, apart(walk(60, 60, 0.1, Level.ARMED), 5.0))
    assert set(msd.names) == {"measured", "without light", "predicted"}
    assert "3 particles, 1 s since ARMED at 0.6 s" in msd.note
    drawn(bench, msd, apart(walk(120, 600, 0.1, Level.ARMED), 2.0))
    assert set(msd.names) == {"measured"}
    assert "no theory of free particles: 100% are within 1.5 diameters of another" in msd.legend.text()


def test_an_applied_law_is_predicted_from_its_first_turn_on(bench: Bench) -> None:
    opened(bench, FIRST)
    plots = bench.window.plots
    msd = drawn(bench, plots.msd, apart(walk(0, 60, 0.1, Level.ARMED), 5.0))
    assert "predicted" in msd.names
    plots.experiment = experiment(2.0)
    drawn(bench, msd, apart(walk(60, 60, 0.1, Level.ARMED), 5.0))
    assert "predicted" not in msd.names
    drawn(bench, msd, apart(walk(120, 60, 0.1, Level.ARMED, (Order(OrderKind.APPLY, "title: t\n"),)), 5.0))
    assert "predicted" in msd.names
    assert "since APPLY at 1.2 s" in msd.note


def test_the_table_of_numbers_is_empty_from_an_apply_to_its_first_turn(bench: Bench) -> None:
    """Predictions of the new law are not shown beside measurements under the old one."""
    opened(bench, FIRST)
    plots = bench.window.plots

    def rows() -> int:
        plots.numbers.draw()
        return plots.numbers.rowCount()

    plots.add(apart(walk(0, 120, 0.02, Level.ARMED), 5.0))
    bench.qtbot.waitUntil(lambda: rows() > 0)
    plots.experiment = experiment(2.0)
    bench.qtbot.waitUntil(lambda: rows() == 0)
    plots.add(apart(walk(120, 120, 0.02, Level.ARMED, (Order(OrderKind.APPLY, "title: t\n"),)), 5.0))
    bench.qtbot.waitUntil(lambda: rows() > 0)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, SMALL)
    fly(made, 0.5, path, True, "a run")
    return path, made


def test_the_law_of_a_run_file_is_known_and_that_of_a_video_is_not(recorded: tuple[Path, Plan], tmp_path: Path) -> None:
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


@pytest.mark.parametrize("values", [[-1.0, -2.0], [0.0, 0.0], [np.nan, -1.0], [np.inf, np.inf]])
@pytest.mark.parametrize("dots", [False, True])
def test_a_logarithmic_axis_shows_no_values_at_or_below_0(
    qtbot: QtBot, capfd: pytest.CaptureFixture[str], values: list[float], dots: bool
) -> None:
    """Regression: pyqtgraph warned of a slice of nan in the first second of an MSD on a busy computer."""
    plot = Plot("x", "y", "xy")
    qtbot.addWidget(plot)
    plot.show()
    for x, y in ((values, [1.0, 2.0]), ([1.0, 2.0], values)):
        plot.line("msd", np.array(x), np.array(y), "#ffffff", dots)
        plot.grab()
        assert not plot.names
    plot.line("msd", np.array([1.0, 2.0]), np.array([-1.0, 2.0]), "#ffffff", dots)
    plot.grab()
    assert plot.names
    assert "Traceback" not in capfd.readouterr().err
