"""Frame in px to tracks in um: locate, link, map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from config.geometry import Affine
from config.kinds import NAMED
from control.contract import NOTHING_EXPECTED, Classifier, Expected, Frame, Tracks
from tracking.correct import NOTHING, Correction, outside
from tracking.link import Linked, LinkMemory, led, link
from tracking.locate import gaussian, radial
from tracking.locate.auto import MOST, Choice, choose
from tracking.locate.centroid import Centroid
from tracking.locate.features import Features, Locate
from tracking.locate.gaussian import GaussianLocator
from tracking.locate.page import plug_in_locators
from tracking.locate.plug_in import PlugInLocator
from tracking.locate.radial import Radial
from tracking.locate.trackpy_locate import TrackpyLocate
from tracking.locate.windows import (
    FIRST_LOOKS,
    LARGEST_MASS,
    LEAST_MASS,
    LEAST_SIGNAL,
    Agreement,
    WindowMemory,
    Windows,
)
from tracking.patches import sorted_by
from tracking.rules import NEWEST, Rules
from tracking.settings import Tracking

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEWEST_SHARE = 0.125  # weight of the newest detection in a particle's running brightness
AGAIN = 100  # frames after which `auto` judges the image again

LOCATORS: dict[str, Callable[[Tracking, Rules], Locate]] = {
    "centroid": lambda settings, rules: Centroid(settings, rules=rules),
    "radial": Radial,
    "gaussian": GaussianLocator,
    "trackpy": lambda settings, rules: TrackpyLocate(settings),
}


def locator(settings: Tracking, rules: Rules = NEWEST) -> Locate:
    """The full-frame locator that the settings name; `windows` and `auto` use `centroid` for full frames.

    Raises Refused for a plug-in that makes no locator.
    """
    if (plugged := plug_in_locators().get(settings.locator)) is not None:
        return PlugInLocator.made(NAMED["locators", settings.locator].words, plugged, settings, rules)
    return LOCATORS.get(settings.locator, LOCATORS["centroid"])(settings, rules)


@dataclass(frozen=True, slots=True)
class TrackerMemory:
    """State of the tracker between two frames."""

    seen: LinkMemory = field(default_factory=LinkMemory)
    light: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2] running means of mass and signal
    choice: Choice | None = None  # of `auto`
    labels: Any = None  # of the classifier
    rival: Choice | None = None  # other choice of `auto` in its last judgement
    looks: int = 0  # number of past frames
    settings: Tracking | None = None  # with which `light` was measured
    agreement: Agreement = Agreement()  # of windows with the full frame


@dataclass(frozen=True)
class LinkingTracker:
    """The Tracker plug. Its result depends only on its fields, the memory, the frame and the expected positions."""

    settings: Tracking
    px_to_um: Affine
    classifier: Classifier | None = field(default=None, compare=False)
    rules: Rules = NEWEST
    correct: Correction = field(default=NOTHING, compare=False)  # applied before location
    locate: Locate = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if (self.px_to_um.source, self.px_to_um.target) != ("px", "um"):
            ends = f"{self.px_to_um.source} to {self.px_to_um.target}"
            raise ValueError(f"a tracker needs a map from px to um, not {ends}")
        object.__setattr__(self, "locate", locator(self.settings, self.rules))

    def start(self) -> TrackerMemory:
        return TrackerMemory()

    def step(
        self, memory: TrackerMemory, frame: Frame, expected: Expected = NOTHING_EXPECTED
    ) -> tuple[TrackerMemory, Tracks]:
        """(new memory, the tracks in `frame` by rising particle)."""
        memory = self._for_settings(memory)
        if self.rules.leads:
            memory = replace(memory, seen=led(memory.seen, frame.number, self.settings))
        led_px = memory.seen.expected_px
        if self.settings.trapped != "last":
            memory = self.expect(memory, expected)
        held = (memory.seen.expected_px != led_px).any(axis=1)
        clean = replace(frame, image=self.correct(frame.image)) if self.correct else frame
        features, agreement = self._find(memory, clean)
        features = outside(features, self.settings.excluded_regions)
        choice, rival = self._chosen(memory, clean, features)
        features = outside(self._refined(clean, features, choice), self.settings.excluded_regions)
        link_memory, linked = link(memory.seen, frame.number, features.position_px, self.settings, held, self.rules)
        light = _running(
            memory.seen.who, memory.light, link_memory.who, linked.particle, linked.order, features.mass,
            features.signal, (LEAST_MASS, LARGEST_MASS, LEAST_SIGNAL),
        )  # fmt: skip
        notes = (choice.why,) if choice and choice != memory.choice else ()
        notes = (*notes, *self._window_notes(memory.agreement, agreement))
        tracks = self._tracks(frame.time_s, features.only(linked.order), linked, notes)
        labels, tracks = sorted_by(self.classifier, memory.labels, frame.image, tracks)
        return TrackerMemory(
            link_memory, light, choice, labels, rival, memory.looks + 1, self.settings, agreement
        ), tracks

    def _for_settings(self, memory: TrackerMemory) -> TrackerMemory:
        """The memory without brightness, choice and agreement if the settings have changed. Identities are kept."""
        if memory.settings == self.settings:
            return memory
        return replace(memory, light=np.full_like(memory.light, np.nan), choice=None, rival=None, agreement=Agreement())

    def _find(self, memory: TrackerMemory, frame: Frame) -> tuple[Features, Agreement]:
        """(the features of one frame, agreement of windows with full frames)."""
        if self.settings.locator not in ("windows", "auto"):
            return self.locate(frame.image), memory.agreement
        window_memory = WindowMemory(memory.seen.expected_px, memory.light[:, 0], memory.light[:, 1])
        return Windows(self.settings, self.rules).look(frame.image, window_memory, memory.looks, memory.agreement)

    def _window_notes(self, before: Agreement, now: Agreement) -> tuple[str, ...]:
        """Notes on the use of windows, each given once."""
        if now.whole and not before.whole:
            return ("windows: the whole frame is looked at from now on, since windows place particles elsewhere",)
        if self.rules.watched and now.looks == FIRST_LOOKS > before.looks:
            return (f"windows: a new particle is found within {self.settings.late_looks} looks",)
        return ()

    def _chosen(self, memory: TrackerMemory, frame: Frame, features: Features) -> tuple[Choice | None, Choice | None]:
        """(the choice of `auto`, another choice that is adopted if the next judgement confirms it)."""
        if self.settings.locator != "auto" or (memory.choice is not None and memory.looks % AGAIN):
            return memory.choice, memory.rival
        newest = choose(frame.image, features, self.settings, self.rules)
        if memory.choice is None:
            return newest, None
        if newest is None or newest.name == memory.choice.name:
            return memory.choice, None
        if memory.rival is not None and newest.name == memory.rival.name:
            return newest, None
        return memory.choice, newest

    def _refined(self, frame: Frame, features: Features, choice: Choice | None) -> Features:
        """The features with positions by the chosen locator, unless that would take too long."""
        if choice is None or choice.name == "centroid" or len(features) > MOST:
            return features
        sharpen = radial.sharpen if choice.name == "radial" else gaussian.sharpen
        return sharpen(frame.image, features, self.settings, self.rules)

    def expect(self, memory: TrackerMemory, expected: Expected) -> TrackerMemory:
        """The memory in which remembered particles are expected at the positions of `expected`, if they are in it."""
        link_memory = memory.seen
        if len(expected.particle) == 0 or len(link_memory) == 0:
            return memory
        row = np.minimum(np.searchsorted(link_memory.particle, expected.particle), len(link_memory) - 1)
        is_remembered = link_memory.particle[row] == expected.particle
        expected_px = self.px_to_um.inverse(expected.position_um[is_remembered])
        return replace(memory, seen=link_memory.expecting(row[is_remembered], expected_px))

    def _tracks(self, time_s: float, features: Features, linked: Linked, notes: tuple[str, ...]) -> Tracks:
        return Tracks(
            time_s=time_s,
            particle=linked.particle[linked.order],
            position_um=self.px_to_um(features.position_px),
            state=linked.state[linked.order],
            species=np.zeros(len(features), np.int64),
            cell=np.zeros(len(features), np.int64),
            position_px=features.position_px,
            mass=features.mass,
            size_px=features.size_px,
            ecc=features.ecc,
            signal=features.signal,
            raw_mass=features.raw_mass,
            ep_px=features.ep_px,
            lost=linked.lost,
            notes=notes + linked.notes,
        )


@njit(cache=True, nogil=True)
def _running(
    before: Ints, light: Floats, now: Ints, particle: Ints, order: Ints, mass: Floats, signal: Floats,
    bounds: tuple[float, float, float],
) -> Floats:  # fmt: skip
    """[M, 2] running means of mass and signal of the remembered particles.

    A mean restarts at a detection that a window would have rejected: then the full frame, or a strip, has measured the
    particle's new brightness.

    Args:
        before, light: [B, any], [B, 2] particles remembered before this frame, and their means.
        now: [M, any] particles remembered now; both by rising particle, which is the first column.
        particle, order, mass, signal: [N] of the features, and their rows by rising particle.
        bounds: least and largest mass, and least signal, that a window accepts, as shares of the means.
    """
    updated = np.empty((now.shape[0], 2))
    old_row = detected = 0
    for row in range(now.shape[0]):
        name = now[row, 0]
        while old_row < before.shape[0] and before[old_row, 0] < name:
            old_row += 1
        was_known = old_row < before.shape[0] and before[old_row, 0] == name
        updated[row] = np.nan
        if was_known:
            updated[row] = light[old_row]
        if detected < order.size and particle[order[detected]] == name:
            j = order[detected]
            least, largest, dimmest = bounds
            is_similar = (
                least * updated[row, 0] <= mass[j] <= largest * updated[row, 0]
                and signal[j] >= dimmest * updated[row, 1]
            )
            if not is_similar:  # or not yet known
                updated[row, 0], updated[row, 1] = mass[j], signal[j]
            else:
                updated[row, 0] += NEWEST_SHARE * (mass[j] - updated[row, 0])
                updated[row, 1] += NEWEST_SHARE * (signal[j] - updated[row, 1])
            detected += 1
    return updated
