"""Live plots of the observables. Only the visible plot is computed, once a second, in a worker thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QSize
from PyQt6.QtWidgets import QTabWidget, QWidget

from app.analysis.findings import RunTables
from app.analysis.recent_turns import Recent, apart
from app.assembly.rig import Plan
from app.desktop.panels.findings_panel import Numbers
from app.desktop.plots import plot_curves as curves
from app.desktop.plots.named_axes import Plot
from app.desktop.plots.plot_curves import Drawing, Measurement, PlotCurve
from app.desktop.window import theme
from control.contract import Level, OrderKind, State, Tracks, Turn
from control.experiment import Experiment
from control.theory.conditions import Conditions

Floats = NDArray[np.float64]
REMEMBERED = 3000  # largest number of tracks kept
LEAST_LATENCIES = 10


class Past(Protocol):
    """Data of a recording for the plots."""

    def tracks(self) -> list[Tracks]: ...

    def tables(self) -> RunTables | None: ...

    def latencies_s(self) -> Floats: ...

    def since(self) -> str:
        """The part of the recording that the tracks belong to, in words."""
        ...

    def law(self) -> Experiment | None:
        """The law that acted on these tracks; None without light, or with more than one law."""
        ...


class Plots(QTabWidget):
    """Tabs for MSD, steps, speed, pairs, order and latency, and a table of predicted and measured numbers."""

    def __init__(
        self, latencies_s: Callable[[], Floats], plan: Callable[[], Plan] | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setDocumentMode(True)
        self._tracks: deque[Tracks] = deque(maxlen=REMEMBERED)
        self._latencies_s = latencies_s
        self.source: Past | None = None  # a recording; None: the added turns
        self._experiment: Experiment | None = None  # last one applied
        self.conditions: Conditions | None = None
        self.msd = Plot("lag  s", "MSD  µm²", log="xy")
        self.steps = Plot("step over one frame  nm", "number")
        self.speed = Plot("time  s", "speed  µm/s")
        self.pairs = Plot("r  µm", "g(r)")
        self.order = Plot("time  s", "|ψ|")
        self.latency = Plot("exposure to command  ms", "turns")
        self.recent = Recent()
        self._armed = False  # whether light can act on the measured particles
        self._awaits_first_turn = False  # another experiment was applied, and its first turn has not arrived
        self._period = "since the start"  # period of the measurement, in words
        self._plan = plan
        self.numbers = Numbers(self._tables)
        self._worker = ThreadPoolExecutor(1, "plots")
        self._pending: tuple[Plot, Future[Drawing]] | None = None
        self.measured: dict[QWidget, Callable[[Measurement], Drawing]] = {
            self.msd: curves.msd,
            self.steps: curves.steps,
            self.speed: curves.speed,
            self.pairs: curves.pairs,
            self.order: curves.order,
        }
        self.drawn: dict[QWidget, Callable[[], None]] = {
            self.latency: self.draw_latency,
            self.numbers: self.numbers.draw,
        }
        self._add_tabs()
        self.currentChanged.connect(self.draw)

    def _add_tabs(self) -> None:
        for plot, name, tooltip in (
            (self.msd, "MSD", "mean square displacement: measured, free, predicted"),
            (self.steps, "Steps", "displacements over one frame, with those of free diffusion"),
            (self.speed, "Speed", "|r(t) - r(t - τ)| / τ, mean over the particles"),
            (self.pairs, "g(r)", "pairs found over those of an ideal gas"),
            (
                self.order,
                "ψ",
                "order of the bonds of those with six or four neighbours on the ring, else to the six or four nearest; "
                "dashed: of bonds that point anywhere",
            ),
            (self.latency, "Latency", "from the middle of the exposure to the command's sending"),
            (self.numbers, "Numbers", "z, T_eff, D_eff, delay, heat, speed, order: predicted, measured"),
        ):
            self.setTabToolTip(self.addTab(plot, name), tooltip)

    def sizeHint(self) -> QSize:
        return QSize(400, 230)

    @property
    def experiment(self) -> Experiment | None:
        """The experiment with the law in force, or with the law that will be in force from its first turn on."""
        return self._experiment

    @experiment.setter
    def experiment(self, experiment: Experiment | None) -> None:
        previous, self._experiment = self._experiment, experiment
        if previous is not None and experiment is not None and previous != experiment:
            self._awaits_first_turn = self._armed

    def add(self, turns: Sequence[Turn]) -> None:
        for turn in turns:
            self._discard_outdated(turn)
            self.recent.add((turn,))
            if len(turn.tracks):
                if self._tracks and turn.tracks.time_s <= self._tracks[-1].time_s:
                    self._tracks.clear()  # another run, or an earlier place in a recording
                self._tracks.append(self._mark_carried(turn))

    def _discard_outdated(self, turn: Turn) -> None:
        """Discard earlier tracks after an APPLY or a change of ARMED: they are not pooled with the new ones."""
        applied = any(order.kind is OrderKind.APPLY for order in turn.orders)
        armed = turn.level is Level.ARMED
        if applied or armed is not self._armed:
            self.clear_tracks()
            self._period = f"since {'APPLY' if applied else turn.level} at {turn.now_s:.1f} s"
            self._awaits_first_turn = False
        self._armed = armed

    def _law(self) -> Experiment | None:
        """The law that acts on the measured tracks; None if no light acts on them."""
        if self.source is not None:
            return self.source.law()
        light_acts = self._plan is None or self._plan().kind.light_acts
        return self.experiment if self._armed and light_acts and not self._awaits_first_turn else None

    def _why_no_theory(self) -> str:
        """Reason why no theory can be drawn; empty if it can."""
        unknown = self._plan().unknown if self._plan is not None else ()
        return f"no theory: {' and '.join(unknown)} not known" if unknown else ""

    def clear_tracks(self) -> None:
        self._tracks.clear()
        self.recent.clear()

    def forget(self) -> None:
        """Discard all measurements: another rig or recording, or the recording is tracked with other settings."""
        self.clear_tracks()
        self._pending, self._armed, self._awaits_first_turn, self._period = None, False, False, "since the start"
        for plot in (*self.measured, self.latency):
            assert isinstance(plot, Plot)
            plot.empty()
        self.numbers.forget()

    def draw(self) -> None:
        """Draw the current tab if it is visible. A worker thread computes its curves."""
        current = self.currentWidget()
        if not self.isVisible() or current is None:
            return
        if current in self.drawn:
            self.drawn[current]()
        elif self._pending is None and isinstance(current, Plot):
            if self.source is not None:
                self._tracks.clear()
                self._tracks.extend(tracks for tracks in self.source.tracks() if len(tracks))
            since = self._period if self.source is None else self.source.since()
            measurement = Measurement(
                tuple(self._tracks), self.experiment, self.conditions, self._law(), since, self._why_no_theory()
            )
            self._pending = current, self._worker.submit(self.measured[current], measurement)

    def poll(self) -> None:
        """Show newly computed curves. Raises the errors of the computation."""
        if self._pending is not None and self._pending[1].done():
            (plot, future), self._pending = self._pending, None
            plot.show_drawing(future.result())
            if plot is not self.currentWidget():
                self.draw()  # the user has chosen another tab since

    def finish(self) -> None:
        """Wait until the curves are computed, for a program that takes a screenshot."""
        while self._pending is not None:
            wait([self._pending[1]])
            self.poll()

    def close_workers(self) -> None:
        """Stop the worker threads."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        self.numbers.close_worker()

    @staticmethod
    def _mark_carried(turn: Turn) -> Tracks:
        """Tracks with carried particles marked as uncertain: their displacements are not caused by the law."""
        tracks = turn.tracks
        if not turn.wanted.carried.any():
            return tracks
        state = np.where(apart(tracks, turn.wanted), np.uint8(State.UNCERTAIN), tracks.state)
        return replace(tracks, state=state)

    def _tables(self) -> RunTables | Callable[[], RunTables | None] | None:
        """Of a recording: its tables. Of live turns: a function that makes them, for a worker thread.

        None between an APPLY and its first turn: the plan has the new law, and the turns had the old one.
        """
        if self.source is not None:
            return self.source.tables()
        if self._plan is None or not self.recent.moments or self._awaits_first_turn:
            return None
        return partial(self.recent.copy().tables, self._plan())

    def draw_latency(self) -> None:
        latency_ms = 1e3 * (self._latencies_s() if self.source is None else self.source.latencies_s())
        if len(latency_ms) <= LEAST_LATENCIES:
            is_video = self.source is not None and len(latency_ms) == 0
            reason = "images that were recorded elsewhere have no latencies" if is_video else "too few turns so far"
            self.latency.show_drawing(Drawing((), reason))
            return
        edges = np.linspace(0.0, 1.2 * float(np.percentile(latency_ms, 99.5)), 61)
        heights = np.histogram(latency_ms, edges)[0]
        bars = PlotCurve("measured", edges, heights, theme.FAINT, edges=True)
        self.latency.show_drawing(Drawing((bars,), note=f"the last {len(latency_ms)} turns"))
