"""The observables, drawn while they happen: only the one that is looked at is computed, once a second, beside Qt."""

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
REMEMBERED = 3000  # tracks
LEAST_LATENCIES = 10


class Past(Protocol):
    """What is drawn of a recording."""

    def tracks(self) -> list[Tracks]: ...

    def tables(self) -> RunTables | None: ...

    def latencies_s(self) -> Floats: ...

    def since(self) -> str:
        """What the tracks are of, in words."""
        ...

    def law(self) -> Experiment | None:
        """What has acted on these tracks; None where no light has, or more laws than one."""
        ...


class Plots(QTabWidget):
    """MSD, steps, speed, pairs, order, latency; and all that is foreseen beside what is measured, as a table."""

    def __init__(
        self, latencies_s: Callable[[], Floats], plan: Callable[[], Plan] | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setDocumentMode(True)
        self._tracks: deque[Tracks] = deque(maxlen=REMEMBERED)
        self._latencies_s = latencies_s
        self.source: Past | None = None  # a recording; None: the turns that were added
        self._experiment: Experiment | None = None  # as it was applied last
        self.means: Conditions | None = None
        self.msd = Plot("lag  s", "MSD  µm²", log="xy")
        self.steps = Plot("step over one frame  nm", "number")
        self.speed = Plot("time  s", "speed  µm/s")
        self.pairs = Plot("r  µm", "g(r)")
        self.order = Plot("time  s", "|ψ|")
        self.latency = Plot("exposure to command  ms", "turns")
        self.recent = Recent()
        self._armed = False  # whether light can act on what is measured
        self._applies = False  # another law was applied, and its first turn has not come
        self._since = "since the start"  # what is measured
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
        for plot, name, said in (
            (self.msd, "MSD", "mean square displacement: measured, free, foreseen"),
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
            (self.numbers, "Numbers", "z, T_eff, D_eff, delay, heat, speed, order: foreseen, measured"),
        ):
            self.setTabToolTip(self.addTab(plot, name), said)

    def sizeHint(self) -> QSize:
        return QSize(400, 230)

    @property
    def experiment(self) -> Experiment | None:
        """Whose law is in force, or will be from its first turn on."""
        return self._experiment

    @experiment.setter
    def experiment(self, experiment: Experiment | None) -> None:
        before, self._experiment = self._experiment, experiment
        if before is not None and experiment is not None and before.policy != experiment.policy:
            self._applies = self._armed

    def add(self, turns: Sequence[Turn]) -> None:
        for turn in turns:
            self._begin_anew(turn)
            self.recent.add((turn,))
            if len(turn.tracks):
                if self._tracks and turn.tracks.time_s <= self._tracks[-1].time_s:
                    self._tracks.clear()  # another run, or an earlier place in a recording
                self._tracks.append(self._marked(turn))

    def _begin_anew(self, turn: Turn) -> None:
        """What was measured under another law, or without light, is not pooled with what comes."""
        applied = any(order.kind is OrderKind.APPLY for order in turn.orders)
        armed = turn.level is Level.ARMED
        if applied or armed is not self._armed:
            self.clear_tracks()
            self._since = f"since {'APPLY' if applied else turn.level} at {turn.now_s:.1f} s"
            self._applies = False
        self._armed = armed

    def _law(self) -> Experiment | None:
        """What acts on the tracks that are measured."""
        if self.source is not None:
            return self.source.law()
        felt = self._plan is None or self._plan().kind.light_acts
        return self.experiment if self._armed and felt and not self._applies else None

    def _unknown(self) -> str:
        """Why no theory can be drawn at all; empty where it can."""
        unknown = self._plan().unknown if self._plan is not None else ()
        return f"no theory: {' and '.join(unknown)} not known" if unknown else ""

    def clear_tracks(self) -> None:
        self._tracks.clear()
        self.recent.clear()

    def forget(self) -> None:
        """Another rig or recording, or other tracks of it: what was measured of the one before goes."""
        self.clear_tracks()
        self._pending, self._armed, self._applies, self._since = None, False, False, "since the start"
        for plot in (*self.measured, self.latency):
            assert isinstance(plot, Plot)
            plot.empty()
        self.numbers.forget()

    def draw(self) -> None:
        """Have the plot that is looked at drawn, if anybody can see it: its curves are computed beside this thread."""
        current = self.currentWidget()
        if not self.isVisible() or current is None:
            return
        if current in self.drawn:
            self.drawn[current]()
        elif self._pending is None and isinstance(current, Plot):
            if self.source is not None:
                self._tracks.clear()
                self._tracks.extend(seen for seen in self.source.tracks() if len(seen))
            since = self._since if self.source is None else self.source.since()
            of = Measurement(tuple(self._tracks), self.experiment, self.means, self._law(), since, self._unknown())
            self._pending = current, self._worker.submit(self.measured[current], of)

    def poll(self) -> None:
        """Show the curves that were computed since. Raises what the computing raised."""
        if self._pending is not None and self._pending[1].done():
            (plot, done), self._pending = self._pending, None
            plot.show_drawing(done.result())
            if plot is not self.currentWidget():
                self.draw()  # another tab was chosen meanwhile

    def finish(self) -> None:
        """Wait for the curves that are being computed, for a program that takes a picture."""
        while self._pending is not None:
            wait([self._pending[1]])
            self.poll()

    def close_workers(self) -> None:
        """Nothing is computed any more."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        self.numbers.close_worker()

    @staticmethod
    def _marked(turn: Turn) -> Tracks:
        """Who is being carried counts as doubtful: no displacement over that is one of the law's."""
        tracks = turn.tracks
        if not turn.wanted.carried.any():
            return tracks
        state = np.where(apart(tracks, turn.wanted), np.uint8(State.UNCERTAIN), tracks.state)
        return replace(tracks, state=state)

    def _tables(self) -> RunTables | Callable[[], RunTables | None] | None:
        """Of a recording, at once; of turns that go on, what will make them, beside this thread."""
        if self.source is not None:
            return self.source.tables()
        if self._plan is None or not self.recent.moments:
            return None
        return partial(self.recent.copy().tables, self._plan())

    def draw_latency(self) -> None:
        latency_ms = 1e3 * (self._latencies_s() if self.source is None else self.source.latencies_s())
        if len(latency_ms) <= LEAST_LATENCIES:
            video = self.source is not None and len(latency_ms) == 0
            why = "images that were recorded elsewhere have no latencies" if video else "too few turns so far"
            self.latency.show_drawing(Drawing((), why))
            return
        edges = np.linspace(0.0, 1.2 * float(np.percentile(latency_ms, 99.5)), 61)
        heights = np.histogram(latency_ms, edges)[0]
        bars = PlotCurve("measured", edges, heights, theme.FAINT, edges=True)
        self.latency.show_drawing(Drawing((bars,), note=f"the last {len(latency_ms)} turns"))
