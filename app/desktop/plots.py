"""The observables, drawn while they happen: only the one that is looked at is computed, once a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QTabWidget, QWidget

from app.analysis import POSITION, pair_correlation
from app.desktop import theme
from app.desktop.numbers import Numbers
from app.findings import RunTables, mean_bond_order, ring_um
from app.means import Means
from app.motion import foreseen_msd_um2, foreseen_speed_um_per_s, longest_delay_s
from app.observables import (
    Paths,
    lags,
    mean_square_displacement,
    paths,
    speed_um_per_s,
    steps_um,
)
from app.recent import Recent, apart
from app.rig_file import Plan
from control.contract import State, Tracks, Turn
from control.experiment import Experiment
from control.theory.many import random_bond_order

Floats = NDArray[np.float64]
REMEMBERED = 3000  # tracks
MOST_PLACES = 60_000  # particles times frames that one plot is made from
RECENT = 60  # tracks that order and pairs are taken over, spread over the last 300


class Past(Protocol):
    """What is drawn of a recording."""

    def tracks(self) -> list[Tracks]: ...

    def tables(self) -> RunTables | None: ...

    def latencies_s(self) -> Floats: ...


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
        self.experiment: Experiment | None = None
        self.means: Means | None = None
        self.msd = Plot("lag  s", "MSD  µm²", log="xy")
        self.steps = Plot("step over one frame  nm", "number")
        self.speed = Plot("time  s", "speed  µm/s")
        self.pairs = Plot("r  µm", "g(r)")
        self.order = Plot("time  s", "|ψ|")
        self.latency = Plot("exposure to command  ms", "turns")
        self.recent = Recent()
        self._plan = plan
        self.numbers = Numbers(self._tables)
        self.drawn: dict[QWidget, Callable[[], None]] = {}
        for plot, name, draw, said in (
            (self.msd, "MSD", self.draw_msd, "mean square displacement: measured, free, foreseen"),
            (self.steps, "Steps", self.draw_steps, "displacements over one frame, with those of free diffusion"),
            (self.speed, "Speed", self.draw_speed, "|r(t) - r(t - τ)| / τ, mean over the particles"),
            (self.pairs, "g(r)", self.draw_pairs, "pairs found over those of an ideal gas"),
            (
                self.order,
                "ψ",
                self.draw_order,
                "order of the bonds of those with six or four neighbours on the ring, else to the six or four nearest; "
                "dashed: of bonds that point anywhere",
            ),
            (self.latency, "Latency", self.draw_latency, "from the middle of the exposure to the command's sending"),
            (
                self.numbers,
                "Numbers",
                self.numbers.draw,
                "z, T_eff, D_eff, delay, heat, speed, order: foreseen, measured",
            ),
        ):
            index = self.addTab(plot, name)
            self.setTabToolTip(index, said)
            self.drawn[plot] = draw
        self.currentChanged.connect(self.draw)

    def sizeHint(self) -> QSize:
        return QSize(400, 190)

    def add(self, turns: Sequence[Turn]) -> None:
        self.recent.add(turns)
        for turn in turns:
            if len(turn.tracks):
                if self._tracks and turn.tracks.time_s <= self._tracks[-1].time_s:
                    self._tracks.clear()  # another run, or an earlier place in a recording
                self._tracks.append(self._marked(turn))

    def clear_tracks(self) -> None:
        self._tracks.clear()
        self.recent.clear()

    def draw(self) -> None:
        """The plot that is looked at, if anybody can see it."""
        current = self.currentWidget()
        if self.isVisible() and current in self.drawn:
            if self.source is not None:
                self._tracks.clear()
                self._tracks.extend(seen for seen in self.source.tracks() if len(seen))
            self.drawn[current]()

    @staticmethod
    def _marked(turn: Turn) -> Tracks:
        """Who is being carried counts as doubtful: no displacement over that is one of the law's."""
        tracks = turn.tracks
        if not turn.wanted.carried.any():
            return tracks
        state = np.where(apart(tracks, turn.wanted), np.uint8(State.UNCERTAIN), tracks.state)
        return replace(tracks, state=state)

    def _tables(self) -> RunTables | None:
        if self.source is not None:
            return self.source.tables()
        return self.recent.tables(self._plan()) if self._plan is not None else None

    def draw_msd(self) -> None:
        made = self._paths()
        lag = lags(len(made.position_um) // 3)
        lag_s: Floats = np.asarray(lag * made.period_s, np.float64)
        self.msd.line("measured", lag_s, mean_square_displacement(made, lag), theme.WHITE, dots=True)
        if self.means is None or len(lag) == 0:
            return
        self.msd.line("free", lag_s, 4.0 * self.means.plant.diffusion_um2_per_s * lag_s, theme.SKY, dash=True)
        foreseen = foreseen_msd_um2(self.experiment, self.means, lag_s) if self.experiment is not None else None
        if foreseen is not None or "foreseen" in self.msd.curves:
            self.msd.line("foreseen", lag_s, foreseen, theme.ORANGE)

    def draw_steps(self) -> None:
        made = self._paths()
        steps_nm = 1e3 * steps_um(made)
        if len(steps_nm) < 10:
            return
        low_nm, high_nm = np.percentile(steps_nm, [0.2, 99.8]).tolist()
        edges = np.linspace(low_nm, high_nm, 41)
        self.steps.bars("measured", edges, np.histogram(steps_nm, edges)[0], theme.FAINT)
        if self.means is not None:
            sigma_nm = 1e3 * np.sqrt(2.0 * self.means.plant.diffusion_um2_per_s * made.period_s)
            x = np.linspace(edges[0], edges[-1], 200)
            density = np.exp(-0.5 * (x / sigma_nm) ** 2) / (sigma_nm * np.sqrt(2.0 * np.pi))
            self.steps.line("free", x, density * len(steps_nm) * (edges[1] - edges[0]), theme.SKY, dash=True)

    def draw_speed(self) -> None:
        made = self._paths()
        over_s = longest_delay_s(self.experiment) if self.experiment is not None else 0.5
        self.speed.line("measured", made.time_s, speed_um_per_s(made, over_s), theme.WHITE)
        if self.experiment is not None and self.means is not None and len(made.time_s):
            foreseen = foreseen_speed_um_per_s(self.experiment, self.means)
            self.speed.line("foreseen", made.time_s[[0, -1]], np.full(2, foreseen), theme.ORANGE)

    def draw_pairs(self) -> None:
        frames = [seen.position_um for seen in self._recent()]
        if not any(len(place) > 1 for place in frames):
            return
        every = pd.DataFrame(np.concatenate(frames), columns=POSITION)
        every["frame"] = np.repeat(np.arange(len(frames)), [len(place) for place in frames])
        low, high = every[POSITION].min().to_numpy(), every[POSITION].max().to_numpy()
        far_um = 10.0 * (self.means.plant.diameter_um if self.means is not None else 2.0)
        largest_um = min(0.95 * float((high - low).min()), far_um)
        if largest_um <= 0.0:
            return
        found = pair_correlation(every, (low[0], low[1]), (high[0], high[1]), largest_um, 60)
        g: Floats = np.asarray(found.to_numpy(), np.float64)
        self.pairs.line("measured", found.index.to_numpy(np.float64), g, theme.WHITE)
        self.pairs.line("ideal gas", [0.0, largest_um], np.ones(2), theme.SKY, dash=True)

    def draw_order(self) -> None:
        chosen = self._recent()
        time_s = np.array([seen.time_s for seen in chosen])
        radius_um = None
        if self.experiment is not None and self.means is not None:
            radius_um = ring_um(self.experiment, self.means.plant)
        for neighbours, colour in ((6, theme.WHITE), (4, theme.ORANGE)):
            order = np.array([mean_bond_order(seen.position_um, neighbours, radius_um) for seen in chosen])
            self.order.line(f"|ψ{neighbours}|", time_s, order, colour)
            if len(time_s):
                level = np.full(2, random_bond_order(neighbours))
                self.order.line(f"of random bonds, {neighbours}", time_s[[0, -1]], level, colour, dash=True)

    def draw_latency(self) -> None:
        latency_ms = 1e3 * (self._latencies_s() if self.source is None else self.source.latencies_s())
        if len(latency_ms) > 10:
            edges = np.linspace(0.0, 1.2 * float(np.percentile(latency_ms, 99.5)), 61)
            self.latency.bars("measured", edges, np.histogram(latency_ms, edges)[0], theme.FAINT)

    def _recent(self) -> list[Tracks]:
        """A few of the last tracks; the fewer, the more particles there are."""
        last = list(self._tracks)[-300:]
        number = max(min(RECENT, MOST_PLACES // 10 // max(len(last[-1]), 1)), 2) if last else 1
        return last[:: max(len(last) // number, 1)]

    def _paths(self) -> Paths:
        period_s = self.means.hold_s if self.means is not None else 0.01
        tracks = list(self._tracks)
        return paths(tracks, period_s, most=max(MOST_PLACES // max(len(tracks), 1), 1))


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """Axes with named curves, each made once; a legend names them."""

    def __init__(self, bottom: str, left: str, log: str = "") -> None:
        axes = {side: Decades(side) for side, axis in (("bottom", "x"), ("left", "y")) if axis in log}
        super().__init__(background=theme.GROUND, axisItems=axes)
        self.setLabel("bottom", bottom)
        self.setLabel("left", left)
        self.setLogMode("x" in log, "y" in log)
        for side in ("bottom", "left"):
            self.getAxis(side).enableAutoSIPrefix(False)
        self.showGrid(x=True, y=True, alpha=0.15)
        self.setDownsampling(auto=True, mode="peak")
        self.setClipToView(True)
        self.legend = self.addLegend(offset=(8 if log == "xy" else -8, 8), labelTextColor=theme.INK)
        self.curves: dict[str, pg.PlotDataItem] = {}

    def line(
        self, name: str, x: Floats | list[float], y: Floats | None, colour: str, dots: bool = False, dash: bool = False
    ) -> None:
        """(x, y) under this name; nothing where y is None or never finite."""
        if name not in self.curves:
            style = Qt.PenStyle.DashLine if dash else Qt.PenStyle.SolidLine
            marks = {"symbol": "o", "symbolSize": 5, "symbolBrush": colour, "symbolPen": None} if dots else {}
            pen = pg.mkPen(colour, width=1.5, style=style)
            self.curves[name] = self.plot([], [], name=name, pen=pen, connect="finite", **marks)
        there = y is not None and bool(np.isfinite(y).any())
        self.curves[name].setData(x if there else [], y if there else [])

    def bars(self, name: str, edges: Floats, height: NDArray[Any], colour: str) -> None:
        if name not in self.curves:
            self.curves[name] = self.plot(
                [0, 1], [0], name=name, stepMode="center", fillLevel=0, brush=colour, pen=pg.mkPen(colour)
            )
        self.curves[name].setData(edges, height)

    def steps(self, name: str, edges: Floats, height: Floats, colour: str) -> None:
        """The outline of a histogram."""
        if name not in self.curves:
            self.curves[name] = self.plot([0, 1], [0], name=name, stepMode="center", pen=pg.mkPen(colour, width=1.5))
        self.curves[name].setData(edges, height)

    def empty(self) -> None:
        """Without its curves."""
        for name in tuple(self.curves):
            self.removeItem(self.curves.pop(name))


class Decades(pg.AxisItem):  # type: ignore[misc]
    """A logarithmic axis that names its powers of ten only."""

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [f"{10.0**value:g}" if abs(value - round(value)) < 1e-9 else "" for value in values]
