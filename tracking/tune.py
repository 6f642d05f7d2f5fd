"""Suggests tracking settings for new footage, and checks given settings. Pure functions of frames."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracking.correct import filled, inside, outside
from tracking.doubts import doubt_about_shape, require_more_than_noise
from tracking.locate.auto import mean_profile
from tracking.locate.centroid import Centroid, checked
from tracking.locate.features import Features
from tracking.settings import Tracking

Floats = NDArray[np.float64]
Image = NDArray[Any]

SCALES_PX = 1.0 * 1.25 ** np.arange(13)  # 1 to 14.6 px: widths of spots that are searched for
LARGEST_PX = 1.12 * float(SCALES_PX[-1])  # widest blob that can be found
STRONG = 0.5  # a feature counts if its mass exceeds this share of the 95 % quantile
RIM = 0.08  # a particle's mean profile ends where it has fallen to this share of its peak
LEAST = 1e-4  # share of the brightest pixel; less contrast is rounding
APART = 2.0  # least ratio of the masses of particles and of noise
LARGER = 4  # px: largest increase of the diameter to even out sub-pixel phases
CROWDED = 0.7  # of the diameter: closer neighbours are not resolved
PHASES = 10
ALARM = 0.15  # relative deviation of a sub-pixel phase from the mean frequency that is an alarm
CHANCE = 4.0  # standard deviations that are attributed to chance
RESTING_PX = 0.5  # a feature this close to one of the previous frame is the same resting particle


@dataclass(frozen=True)
class Suggestion:
    """Suggested settings, and a sentence on the reason for each."""

    settings: Tracking
    why: tuple[str, ...]
    doubt: str = ""  # sentence on what the footage can't decide; empty: none


@dataclass(frozen=True)
class Inspection:
    """Features that the settings keep and reject in some frames, and their sub-pixel phases."""

    kept: tuple[Features, ...]  # one per frame
    rejected: tuple[Features, ...]  # too faint or too large, or in an excluded region
    phase: Floats  # [2, PHASES] share of x and of y in each tenth of a pixel, 1 is even
    alarm: str  # sentence on a bias of the phases; empty: none
    particles: int  # number of independent positions: a resting particle counts once

    @property
    def verdict(self) -> str:
        """The alarm, or the number of particles that support even phases."""
        if self.particles == 0:
            return "sub-pixel phases: no particle is kept that could tell"
        return self.alarm or f"sub-pixel phases: even, as far as {self.particles} particles can tell"

    @property
    def mass(self) -> tuple[Floats, Floats]:
        """(masses of the kept features, masses of the rejected ones), all frames together."""
        kept, rejected = (np.concatenate([f.mass for f in features]) for features in (self.kept, self.rejected))
        return kept, rejected


def suggest(frames: Sequence[Image], start: Tracking | None = None, given: Collection[str] = ()) -> Suggestion:
    """Suggest diameter_px, minmass, separation_px and invert for some frames of one video.

    The size is that of the blobs of most contrast among all scales (Lindeberg, Int. J. Comput. Vis. 30, 79, 1998), then
    the radius at which their mean profile has fallen to RIM; minmass lies in the gap of the masses between noise and
    particles (Otsu, IEEE Trans. SMC 9, 62, 1979, on their logarithms). Settings named in `given` stay as in `start`,
    and the others are chosen for them. Raises ValueError if nothing stands out, or if the footage can't decide: only
    noise, beam glow, or the rims of large discs.
    """
    if not frames:
        raise ValueError("there is no frame to look at")
    base = start or Tracking()
    fixed = {name: getattr(base, name) for name in given}
    sized, why = _with_size(frames, base, fixed)
    parted, candidates, reason = _with_separation(frames, sized, fixed)
    masses = np.concatenate([f.mass for f in candidates])
    if len(masses) == 0:
        raise ValueError(f"nothing stands out in these frames: no spot about {parted.diameter_px} px wide is in them")
    minmass = _least(candidates, fixed)
    share = np.count_nonzero(masses > minmass) / len(masses)
    verb = ", as given, keeps" if "minmass" in fixed else " parts the masses, and keeps"
    kept_share = f"minmass {minmass:.4g}{verb} {100 * share:.0f} % of {len(masses)} candidates"
    suggested = replace(parted, minmass=minmass)
    doubt = _doubt(frames, suggested, [f.only(f.mass > minmass) for f in candidates], fixed)
    return Suggestion(suggested, (*why, reason, kept_share), doubt)


def _doubt(frames: Sequence[Image], s: Tracking, candidates: Sequence[Features], fixed: dict[str, Any]) -> str:
    """Sentence on what the footage can't decide; empty: none. Raises ValueError if it can't decide enough."""
    clean = [filled(frame, s.excluded_regions) for frame in frames]
    if "minmass" not in fixed:
        require_more_than_noise(clean, replace(s, minmass=0.0, maxsize_px=None), candidates, LARGEST_PX)
    return "" if "diameter_px" in fixed else doubt_about_shape(clean, s, candidates)


def _with_size(frames: Sequence[Image], base: Tracking, fixed: dict[str, Any]) -> tuple[Tracking, list[str]]:
    """(settings with diameter_px and invert, a sentence on each)."""
    clean = (filled(checked(frame, invert=False), base.excluded_regions) for frame in frames)
    width_px, invert, contrast = _blobs([frame.astype(np.float32) for frame in clean])
    why = [f"{'dark' if invert else 'bright'} blobs {width_px:.1f} px wide stand out most ({contrast:.0f} grey levels)"]
    free = {
        "invert": invert, "diameter_px": _odd_size(5 * width_px), "separation_px": None, "smoothing_size_px": None,
    }  # fmt: skip
    rough = replace(base, **(free | fixed | {"minmass": 0.0, "maxsize_px": None}))
    radius_px, bright = _rim(frames, rough)
    if not bright and "invert" not in fixed:  # the middle of a ring stands out the other way
        rough = replace(rough, invert=not invert)
        why.append(f"but it is their {'bright' if invert else 'dark'} rim that is strongest: rings")
    rough = replace(rough, maxsize_px=fixed.get("maxsize_px"))
    if "diameter_px" in fixed:
        return rough, [*why, f"diameter_px is {rough.diameter_px}, as given"]
    sized = replace(rough, diameter_px=max(_odd_size(2 * radius_px), 5))
    why.append(f"their mean profile ends {radius_px:.1f} px from the centre, so diameter_px is {sized.diameter_px}")
    unbiased = _with_even_phases(frames, sized, fixed)
    if unbiased.diameter_px > sized.diameter_px:
        why.append(f"places favour a part of the pixel below diameter_px {unbiased.diameter_px}, so it is that")
    return unbiased, why


def _with_separation(
    frames: Sequence[Image], s: Tracking, fixed: dict[str, Any]
) -> tuple[Tracking, list[Features], str]:
    """(settings with separation_px, the candidates of each frame, a sentence)."""
    candidates = _candidates(frames, s)
    if "separation_px" in fixed:
        return s, candidates, f"separation_px is {s.least_distance_px:g}, as given"
    # neighbours closer than the default separation are resolved with a smaller one only
    candidates_near = _candidates(frames, replace(s, separation_px=CROWDED * s.diameter_px))
    least = _least(candidates, fixed)
    spacing_px = _nearest([f.only(f.mass > least) for f in candidates_near], s.diameter_px)
    if spacing_px is None:
        sentence = f"neighbours are farther apart than diameter + 1, so separation_px is {s.least_distance_px:g}"
        return s, candidates, sentence
    sentence = f"neighbours come closer than diameter + 1, so separation_px is {spacing_px:g}"
    return replace(s, separation_px=spacing_px), candidates_near, sentence


def _candidates(frames: Sequence[Image], s: Tracking) -> list[Features]:
    return [_located(frame, s) for frame in frames]


def _located(frame: Image, s: Tracking) -> Features:
    return outside(Centroid(s)(frame), s.excluded_regions)


def _least(candidates: Sequence[Features], fixed: dict[str, Any]) -> float:
    """minmass as given, or else from the gap between the masses of the candidates."""
    return float(fixed.get("minmass", f"{_gap(np.concatenate([f.mass for f in candidates])):.3g}"))


def inspect(frames: Sequence[Image], s: Tracking) -> Inspection:
    """Apply the settings to frames: kept and rejected features, and the bias of sub-pixel positions."""
    locate = Centroid(replace(s, minmass=0.0, maxsize_px=None))
    kept, rejected = [], []
    for frame in frames:
        features = locate(frame)
        good = (features.mass > s.minmass) & ~inside(s.excluded_regions, features.position_px)
        if s.maxsize_px is not None:
            good &= features.size_px < s.maxsize_px
        kept.append(features.only(good))
        rejected.append(features.only(~good))
    places = [f.position_px for f in kept]
    return Inspection(tuple(kept), tuple(rejected), *phases(places), particles(places))


def particles(places: Sequence[Floats]) -> int:
    """Number of independent positions x, y [N, 2]: those within RESTING_PX of one of the frame before do not count."""
    if not places:
        return 0
    number = len(places[0])
    for before, now in pairwise(places):
        if len(now):
            distance_px = cKDTree(before).query(now)[0] if len(before) else np.full(len(now), np.inf)
            number += int(np.count_nonzero(distance_px > RESTING_PX))
    return number


def phases(places: Sequence[Floats]) -> tuple[Floats, str]:
    """(share of x and y in each tenth of a pixel [2, PHASES], a sentence if one is off by more than chance).

    `places` are x, y [N, 2] of each frame. A bias of one period per px shows in the mean of exp(2 pi i x), which needs
    fewer particles than the counts of tenths do. A resting particle is one independent draw in all frames together.
    """
    position_px = np.concatenate(places) if places else np.empty((0, 2))
    if len(position_px) == 0:
        return np.ones((2, PHASES)), ""
    number = particles(places)
    tenth = np.minimum((position_px % 1.0 * PHASES).astype(int), PHASES - 1)
    counts = np.stack([np.bincount(tenth[:, axis], minlength=PHASES) for axis in (0, 1)])
    share: Floats = counts / (len(position_px) / PHASES)
    wave = _wave(position_px)
    drawn = float(np.abs(wave).max())
    if drawn > max(ALARM, CHANCE * np.sqrt(2.0 / number)):
        worst_axis = int(np.abs(wave).argmax())
        phase = round(float(np.angle(wave[worst_axis]) / (2.0 * np.pi)), 1) % 1.0
        return share, (
            f"sub-pixel bias: phase {phase:.1f} of {'xy'[worst_axis]} is {1 + drawn:.2f} times as frequent as it "
            f"should be, the opposite one {1 - drawn:.2f} times; a larger diameter_px helps"
        )
    worst, expected = float(np.abs(share - 1).max()), number / PHASES
    if worst > max(ALARM, CHANCE / np.sqrt(expected) + 1 / expected):  # counts are integers: 1 is within chance
        axis, phase_bin = np.unravel_index(np.abs(share - 1).argmax(), share.shape)
        return share, (
            f"sub-pixel bias: phase {phase_bin / PHASES:.1f} of {'xy'[axis]} is {share[axis, phase_bin]:.2f} times as "
            "frequent as it should be; a larger diameter_px helps"
        )
    return share, ""


def _wave(position_px: Floats) -> NDArray[np.complex128]:
    """[2] for x and y: Fourier component of the phases' density with a period of one pixel, the main part of a bias."""
    return np.asarray(2.0 * np.exp(2j * np.pi * position_px.T).mean(axis=1))


def _odd_size(value: float) -> int:
    return max(2 * round((value - 1) / 2) + 1, 3)


def _blobs(frames: Sequence[Image]) -> tuple[float, bool, float]:
    """(width of the blobs of most contrast, whether they are dark, their contrast)."""
    response = np.zeros((2, len(SCALES_PX)))
    for raw in frames:
        blurred = [cv2.GaussianBlur(raw, (0, 0), float(scale)) for scale in (*SCALES_PX, SCALES_PX[-1] * 1.25)]
        for k in range(len(SCALES_PX)):
            # a difference of Gaussians is sigma^2 Laplacian up to a constant of the ratio of the scales
            change = blurred[k] - blurred[k + 1]
            top = min(max(change.size // 20_000, 3), change.size)
            flat = np.partition(change.ravel(), (top - 1, change.size - top))
            response[0, k] += flat[-top:].mean() / len(frames)
            response[1, k] -= flat[:top].mean() / len(frames)
    if response.max() < LEAST * max(float(np.abs(frames[0]).max()), 1e-9):
        raise ValueError("nothing stands out in these frames: they are level")
    dark = bool(response[1].max() > response[0].max())
    scale = int(response[int(dark)].argmax())
    return float(SCALES_PX[scale] * 1.12), dark, float(response.max() * 4)


def _rim(frames: Sequence[Image], s: Tracking) -> tuple[float, bool]:
    """(radius in px where the mean profile of the brightest features falls to RIM, whether its extreme is bright)."""
    reach = int(1.5 * s.diameter_px) + 1
    profiles = []
    for frame in frames:
        features = _located(frame, s)
        strong = features.mass > STRONG * np.quantile(features.mass, 0.95) if len(features) else np.empty(0, np.bool_)
        if strong.any():
            profiles.append(
                mean_profile(checked(frame, s.invert).astype(np.float64), features.position_px[strong], reach)[0]
            )
    if not profiles:
        return s.diameter_px / 2, True
    profile = np.mean(profiles, axis=0)
    profile -= np.median(profile[-max(reach // 4, 2) :])
    height = np.abs(profile)
    bright = bool(profile[height.argmax()] >= 0)
    last = int(height.argmax())
    while last < reach and RIM * height.max() < height[last + 1] < height[last]:  # a rise belongs to a neighbour
        last += 1
    if last >= reach:
        return s.diameter_px / 2, bright
    if height[last + 1] >= height[last]:
        return float(last), bright
    # between the last bin above and the first below
    drop = height[last] - height[last + 1]
    part = (height[last] - RIM * height.max()) / drop if drop > 0 else 0.5
    return float(last + part), bright


def _with_even_phases(frames: Sequence[Image], s: Tracking, fixed: dict[str, Any]) -> Tracking:
    """Settings with the least diameter, up to LARGER more, that has even phases; else with the most even phases."""
    tried: list[tuple[float, Tracking]] = []
    for increase in range(0, LARGER + 1, 2):
        trial = replace(s, diameter_px=s.diameter_px + increase)
        candidates = _candidates(frames, trial)
        least = _least(candidates, fixed)
        places = [f.position_px[f.mass > least] for f in candidates]
        if not phases(places)[1]:
            return trial
        tried.append((float(np.abs(_wave(np.concatenate(places))).max()), trial))
    return min(tried, key=lambda trial: trial[0])[1]


def _gap(masses: Floats) -> float:
    """The mass that splits candidates into two classes with the least spread within each (Otsu)."""
    if len(masses) < 4 or masses.min() <= 0:
        return 0.0
    logs = np.sort(np.log(masses))
    count = np.arange(1, len(logs))
    low = np.cumsum(logs)[:-1] / count
    high = (logs.sum() - np.cumsum(logs)[:-1]) / (len(logs) - count)
    variance_between = count * (len(logs) - count) * (high - low) ** 2
    cut = int(variance_between.argmax())
    if high[cut] - low[cut] < np.log(APART):
        return float(0.5 * np.exp(logs[len(logs) // 20]))  # one class only
    return float(np.exp(0.5 * (logs[cut] + logs[cut + 1])))


def _nearest(features_of_frames: Sequence[Features], diameter_px: int) -> float | None:
    """A separation_px below diameter + 1 if particles come closer than that; else None."""
    closest = []
    for features in features_of_frames:
        if len(features) > 1:
            closest.append(cKDTree(features.position_px).query(features.position_px, 2)[0][:, 1])
    if not closest:
        return None
    typical = float(np.quantile(np.concatenate(closest), 0.5))
    if typical > diameter_px + 1:
        return None
    return float(max(round(0.7 * typical), diameter_px // 2 + 1))
