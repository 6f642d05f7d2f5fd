"""What to set for footage that is seen for the first time, and how good a setting is. Pure functions of frames."""

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

SCALES_PX = 1.0 * 1.25 ** np.arange(13)  # 1 to 14.6 px: widths of spots that are looked for
LARGEST_PX = 1.12 * float(SCALES_PX[-1])  # the widest blob that is found
STRONG = 0.5  # of the strongest blobs' contrast: a blob that counts
RIM = 0.08  # of its height, to which a particle's profile falls at its rim
LEAST = 1e-4  # of the brightest pixel: less contrast is rounding
APART = 2.0  # noise and particles differ at least by this factor in mass
LARGER = 4  # px by which the diameter grows at most for the sake of even phases
CROWDED = 0.7  # of the diameter: neighbours nearer than this are not told apart
PHASES = 10
ALARM = 0.15  # of the mean: a sub-pixel phase that is so much too frequent or too rare is an alarm
CHANCE = 4.0  # standard deviations that chance is granted in any case
RESTING_PX = 0.5  # a place so near to one of the frame before is the same particle at the same phase


@dataclass(frozen=True)
class Suggestion:
    """Settings for this footage, and a sentence on each."""

    settings: Tracking
    why: tuple[str, ...]
    doubt: str = ""  # what the footage can't tell, in a sentence


@dataclass(frozen=True)
class Inspection:
    """What a setting keeps and rejects in some frames."""

    kept: tuple[Features, ...]  # a frame each
    rejected: tuple[Features, ...]  # too faint or too large, or in an excluded region
    phase: Floats  # [2, PHASES] share of x and of y in each tenth of a pixel, 1 is even
    alarm: str  # empty, or what is wrong with the phases
    particles: int  # that tell: a resting one counts once, however many frames show it

    @property
    def verdict(self) -> str:
        """The alarm, or how far the phases can be trusted."""
        if self.particles == 0:
            return "sub-pixel phases: no particle is kept that could tell"
        return self.alarm or f"sub-pixel phases: even, as far as {self.particles} particles can tell"

    @property
    def mass(self) -> tuple[Floats, Floats]:
        """(of the kept, of the rejected), all frames together."""
        kept, rejected = (np.concatenate([f.mass for f in found]) for found in (self.kept, self.rejected))
        return kept, rejected


def suggest(frames: Sequence[Image], start: Tracking | None = None, given: Collection[str] = ()) -> Suggestion:
    """diameter_px, minmass, separation_px and invert for some frames of one video.

    The size is that of the blobs of most contrast among all scales (Lindeberg, Int. J. Comput. Vis. 30, 79, 1998), then
    the radius at which their mean profile has fallen to RIM; minmass lies in the gap of the masses between noise and
    particles (Otsu, IEEE Trans. SMC 9, 62, 1979, on their logarithms). The settings that `given` names stay as `start`
    has them, and the others are chosen for these. Raises ValueError where nothing stands out, and where the footage
    can't tell: in noise, beam glow, and on the rims of large discs.
    """
    if not frames:
        raise ValueError("there is no frame to look at")
    base = start or Tracking()
    kept = {name: getattr(base, name) for name in given}
    sized, why = _sized(frames, base, kept)
    made, found, reason = _parted(frames, sized, kept)
    masses = np.concatenate([f.mass for f in found])
    if len(masses) == 0:
        raise ValueError(f"nothing stands out in these frames: no spot about {made.diameter_px} px wide is in them")
    minmass = _least(found, kept)
    share = np.count_nonzero(masses > minmass) / len(masses)
    how = ", as given, keeps" if "minmass" in kept else " parts the masses, and keeps"
    most = f"minmass {minmass:.4g}{how} {100 * share:.0f} % of {len(masses)} candidates"
    suggested = replace(made, minmass=minmass)
    doubt = _doubt(frames, suggested, [f.only(f.mass > minmass) for f in found], kept)
    return Suggestion(suggested, (*why, reason, most), doubt)


def _doubt(frames: Sequence[Image], s: Tracking, found: Sequence[Features], kept: dict[str, Any]) -> str:
    """What the footage can't tell of what was not given. Raises ValueError where it can't tell enough."""
    clean = [filled(frame, s.excluded_regions) for frame in frames]
    if "minmass" not in kept:
        require_more_than_noise(clean, replace(s, minmass=0.0, maxsize_px=None), found, LARGEST_PX)
    return "" if "diameter_px" in kept else doubt_about_shape(clean, s, found)


def _sized(frames: Sequence[Image], base: Tracking, kept: dict[str, Any]) -> tuple[Tracking, list[str]]:
    """(settings with the size of the particles and whether they are dark, a sentence on each)."""
    clean = (filled(checked(frame, invert=False), base.excluded_regions) for frame in frames)
    width_px, invert, contrast = _blobs([frame.astype(np.float32) for frame in clean])
    why = [f"{'dark' if invert else 'bright'} blobs {width_px:.1f} px wide stand out most ({contrast:.0f} grey levels)"]
    free = {
        "invert": invert, "diameter_px": _odd(5 * width_px), "separation_px": None, "smoothing_size_px": None,
    }  # fmt: skip
    rough = replace(base, **(free | kept | {"minmass": 0.0, "maxsize_px": None}))
    radius_px, bright = _rim(frames, rough)
    if not bright and "invert" not in kept:  # the middle of a ring stands out the other way
        rough = replace(rough, invert=not invert)
        why.append(f"but it is their {'bright' if invert else 'dark'} rim that is strongest: rings")
    rough = replace(rough, maxsize_px=kept.get("maxsize_px"))
    if "diameter_px" in kept:
        return rough, [*why, f"diameter_px is {rough.diameter_px}, as given"]
    sized = replace(rough, diameter_px=max(_odd(2 * radius_px), 5))
    why.append(f"their mean profile ends {radius_px:.1f} px from the centre, so diameter_px is {sized.diameter_px}")
    even = _even(frames, sized, kept)
    if even.diameter_px > sized.diameter_px:
        why.append(f"places favour a part of the pixel below diameter_px {even.diameter_px}, so it is that")
    return even, why


def _parted(frames: Sequence[Image], s: Tracking, kept: dict[str, Any]) -> tuple[Tracking, list[Features], str]:
    """(settings with the distance of neighbours, the candidates that these find, a sentence)."""
    found = _candidates(frames, s)
    if "separation_px" in kept:
        return s, found, f"separation_px is {s.least_distance_px:g}, as given"
    # neighbours nearer than the default separation are seen with a smaller one only
    near = _candidates(frames, replace(s, separation_px=CROWDED * s.diameter_px))
    least = _least(found, kept)
    apart_px = _nearest([f.only(f.mass > least) for f in near], s.diameter_px)
    if apart_px is None:
        said = f"neighbours are farther apart than diameter + 1, so separation_px is {s.least_distance_px:g}"
        return s, found, said
    said = f"neighbours come closer than diameter + 1, so separation_px is {apart_px:g}"
    return replace(s, separation_px=apart_px), near, said


def _candidates(frames: Sequence[Image], s: Tracking) -> list[Features]:
    return [_found(frame, s) for frame in frames]


def _found(frame: Image, s: Tracking) -> Features:
    return outside(Centroid(s)(frame), s.excluded_regions)


def _least(found: Sequence[Features], kept: dict[str, Any]) -> float:
    """minmass as given, or as it parts the candidates."""
    return float(kept.get("minmass", f"{_gap(np.concatenate([f.mass for f in found])):.3g}"))


def inspect(frames: Sequence[Image], s: Tracking) -> Inspection:
    """What `s` keeps and rejects, and whether the places favour a part of the pixel."""
    every = Centroid(replace(s, minmass=0.0, maxsize_px=None))
    kept, rejected = [], []
    for frame in frames:
        found = every(frame)
        good = (found.mass > s.minmass) & ~inside(s.excluded_regions, found.position_px)
        if s.maxsize_px is not None:
            good &= found.size_px < s.maxsize_px
        kept.append(found.only(good))
        rejected.append(found.only(~good))
    places = [f.position_px for f in kept]
    return Inspection(tuple(kept), tuple(rejected), *phases(places), particles(places))


def particles(places: Sequence[Floats]) -> int:
    """How many of the places of some frames tell something new: none within RESTING_PX of one of the frame before."""
    if not places:
        return 0
    told = len(places[0])
    for before, now in pairwise(places):
        if len(now):
            away_px = cKDTree(before).query(now)[0] if len(before) else np.full(len(now), np.inf)
            told += int(np.count_nonzero(away_px > RESTING_PX))
    return told


def phases(places: Sequence[Floats]) -> tuple[Floats, str]:
    """(share of x and y in each tenth of a pixel [2, PHASES], a sentence if one is off by more than chance).

    `places` are those of each frame. A bias of one period a pixel is seen in the mean of exp(2 pi i x), which takes
    fewer particles than a tenth does. A particle that rests is one draw by chance, however often it is seen.
    """
    position_px = np.concatenate(places) if places else np.empty((0, 2))
    if len(position_px) == 0:
        return np.ones((2, PHASES)), ""
    told = particles(places)
    tenth = np.minimum((position_px % 1.0 * PHASES).astype(int), PHASES - 1)
    counts = np.stack([np.bincount(tenth[:, axis], minlength=PHASES) for axis in (0, 1)])
    share: Floats = counts / (len(position_px) / PHASES)
    wave = _wave(position_px)
    drawn = float(np.abs(wave).max())
    if drawn > max(ALARM, CHANCE * np.sqrt(2.0 / told)):
        most = int(np.abs(wave).argmax())
        phase = round(float(np.angle(wave[most]) / (2.0 * np.pi)), 1) % 1.0
        return share, (
            f"sub-pixel bias: phase {phase:.1f} of {'xy'[most]} is {1 + drawn:.2f} times as frequent as it should be, "
            f"the opposite one {1 - drawn:.2f} times; a larger diameter_px helps"
        )
    worst, even = float(np.abs(share - 1).max()), told / PHASES
    if worst > max(ALARM, CHANCE / np.sqrt(even) + 1 / even):  # few particles come whole: one more is chance, too
        axis, at = np.unravel_index(np.abs(share - 1).argmax(), share.shape)
        return share, (
            f"sub-pixel bias: phase {at / PHASES:.1f} of {'xy'[axis]} is {share[axis, at]:.2f} times as frequent as it "
            "should be; a larger diameter_px helps"
        )
    return share, ""


def _wave(position_px: Floats) -> NDArray[np.complex128]:
    """[2] of x and y: the part of the phases' density that has a period of one pixel, which a bias mostly is."""
    return np.asarray(2.0 * np.exp(2j * np.pi * position_px.T).mean(axis=1))


def _odd(value: float) -> int:
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
    """(where the mean profile of the brightest features has fallen to RIM, whether its extreme is bright)."""
    reach = int(1.5 * s.diameter_px) + 1
    profiles = []
    for frame in frames:
        found = _found(frame, s)
        strong = found.mass > STRONG * np.quantile(found.mass, 0.95) if len(found) else np.empty(0, np.bool_)
        if strong.any():
            profiles.append(
                mean_profile(checked(frame, s.invert).astype(np.float64), found.position_px[strong], reach)[0]
            )
    if not profiles:
        return s.diameter_px / 2, True
    profile = np.mean(profiles, axis=0)
    profile -= np.median(profile[-max(reach // 4, 2) :])
    height = np.abs(profile)
    bright = bool(profile[height.argmax()] >= 0)
    last = int(height.argmax())
    while last < reach and RIM * height.max() < height[last + 1] < height[last]:  # a rise is a neighbour's
        last += 1
    if last >= reach:
        return s.diameter_px / 2, bright
    if height[last + 1] >= height[last]:
        return float(last), bright
    # between the last bin above and the first below
    drop = height[last] - height[last + 1]
    part = (height[last] - RIM * height.max()) / drop if drop > 0 else 0.5
    return float(last + part), bright


def _even(frames: Sequence[Image], s: Tracking, kept: dict[str, Any]) -> Tracking:
    """Settings of the least diameter, up to LARGER more, whose phases are even; else those whose are most so."""
    tried: list[tuple[float, Tracking]] = []
    for more in range(0, LARGER + 1, 2):
        trial = replace(s, diameter_px=s.diameter_px + more)
        found = _candidates(frames, trial)
        least = _least(found, kept)
        places = [f.position_px[f.mass > least] for f in found]
        if not phases(places)[1]:
            return trial
        tried.append((float(np.abs(_wave(np.concatenate(places))).max()), trial))
    return min(tried, key=lambda one: one[0])[1]


def _gap(masses: Floats) -> float:
    """The mass that parts candidates into two kinds with the least spread within each."""
    if len(masses) < 4 or masses.min() <= 0:
        return 0.0
    logs = np.sort(np.log(masses))
    count = np.arange(1, len(logs))
    low = np.cumsum(logs)[:-1] / count
    high = (logs.sum() - np.cumsum(logs)[:-1]) / (len(logs) - count)
    between = count * (len(logs) - count) * (high - low) ** 2
    cut = int(between.argmax())
    if high[cut] - low[cut] < np.log(APART):
        return float(0.5 * np.exp(logs[len(logs) // 20]))  # one kind only
    return float(np.exp(0.5 * (logs[cut] + logs[cut + 1])))


def _nearest(found: Sequence[Features], diameter_px: int) -> float | None:
    """A separation below diameter + 1 where particles come closer than that; None where they do not."""
    closest = []
    for features in found:
        if len(features) > 1:
            closest.append(cKDTree(features.position_px).query(features.position_px, 2)[0][:, 1])
    if not closest:
        return None
    typical = float(np.quantile(np.concatenate(closest), 0.5))
    if typical > diameter_px + 1:
        return None
    return float(max(round(0.7 * typical), diameter_px // 2 + 1))
