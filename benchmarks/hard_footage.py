"""Videos that are hard to track, for every locator: detections, positions and identities compared with the truth.

Crossings: pairs of spots that pass each other at 2.5 and 4 px and diffuse. Drift: spots that move by 5 px a frame at a
search range of 6. Lamp: a gradient of brightness. Hot pixels: 0.1 % of all. Rods: 14 px long. Two recorded videos are
compared with trackpy. A body is a true particle. A swap: a track changes to another body. A swap is silent if the track
was not UNCERTAIN in any frame since it was last clearly on the first body.

    python -m benchmarks.hard_footage [--seeds N] [--data FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import trackpy
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from app.console.json_file import write_json
from config.geometry import Affine
from control.contract import Frame, State, Tracks
from tracking.correct import NOTHING, Correction
from tracking.locate.page import Locator
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]
Row = dict[str, Any]
Footage = list[tuple[Image, Floats]]  # images, and the true positions of the bodies [N, 2], x and y in px

LOCATORS: tuple[Locator, ...] = ("centroid", "radial", "gaussian", "auto", "windows")
WIDTH_PX = 2.2  # standard deviation of a spot
NOISE = 4.0  # grey levels
EDGE_PX = 16.0  # a spot nearer to the edge may be missed
SURE_PX = 2.0  # a track is clearly on a body that is nearer than any other by this much


@dataclass
class FootageScore:
    """The tracks of one video against the truth."""

    bodies: int = 0  # true positions that must be found
    found: int = 0
    matched: int = 0  # as found, with those near the edge
    false: int = 0  # further than 3 px from every body
    doubled: int = 0  # certain rows on the same body as another certain row of the frame
    swaps: int = 0
    silent: int = 0
    uncertain: int = 0
    identities: int = 0
    squares_px2: float = 0.0  # squared distances to the body, summed over matched rows
    body: dict[int, int] = field(default_factory=dict)  # by track
    doubted: dict[int, bool] = field(default_factory=dict)  # by track: UNCERTAIN since it was last clearly on its body

    def look(self, tracks: Tracks, truth_px: Floats, shape: tuple[int, ...]) -> None:
        """Add one frame: its tracks, the true positions [N, 2], and its height and width. Here 1 um is 1 px."""
        position_px, particle, state = tracks.position_um, tracks.particle.tolist(), tracks.state.tolist()
        self.bodies += int(inside(truth_px, shape).sum())
        if not len(position_px):
            return
        off_px = np.linalg.norm(position_px[:, None] - truth_px, axis=-1)  # [T, N]
        nearest, two = off_px.argmin(axis=1), np.partition(off_px, 1, axis=1)
        here = two[:, 0] <= 3.0
        sure = here & (two[:, 1] - two[:, 0] > SURE_PX)
        certain = np.array([s != State.UNCERTAIN for s in state])
        on = nearest[sure & certain]
        self.doubled += len(on) - len(set(on.tolist()))
        self.found += int((here & inside(truth_px, shape)[nearest]).sum())
        self.false += int((~here).sum())
        self.matched += int(here.sum())
        self.squares_px2 += float((two[here, 0] ** 2).sum())
        for row, who in enumerate(particle):
            self._follow(who, int(nearest[row]), bool(sure[row]), bool(certain[row]))

    def _follow(self, who: int, body: int, sure: bool, certain: bool) -> None:
        self.uncertain += not certain
        self.doubted[who] = self.doubted.get(who, False) or not certain
        if not sure:
            return
        swapped = self.body.setdefault(who, body) != body
        self.swaps += swapped
        self.silent += swapped and not self.doubted[who]
        self.body[who] = body
        self.doubted[who] = not certain
        self.identities = len(self.body)

    def __add__(self, other: FootageScore) -> FootageScore:
        return FootageScore(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(FootageScore)[:-2]}
        )

    def row(self) -> Row:
        """The reported numbers."""
        row: Row = {k: getattr(self, k) for k in ("bodies", "false", "doubled", "swaps", "silent", "identities")}
        row["missed"] = self.bodies - self.found
        row["uncertain"] = self.uncertain / max(self.matched, 1)
        row["rms_px"] = float(np.sqrt(self.squares_px2 / max(self.matched, 1)))
        return row


def inside(place_px: Floats, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """[N] True for positions at least EDGE_PX from each edge of the frame; these must be found."""
    high = np.array(shape[::-1], np.float64) - EDGE_PX
    return np.asarray(((place_px >= EDGE_PX) & (place_px <= high)).all(axis=1), np.bool_)


def spots(shape: tuple[int, int], place_px: Floats, amplitude: float, chance: Any, slope: float = 0.0) -> Image:
    """A frame with a Gaussian spot at each position, a background of 20, a gradient along x and noise."""
    image = 20.0 + NOISE * chance.standard_normal(shape) + slope * np.arange(shape[1])
    for x, y in place_px:
        rows, columns = _near(shape, x, y, 12)
        square = (rows - y) ** 2 + (columns - x) ** 2
        image[rows, columns] += amplitude * np.exp(-square / (2 * WIDTH_PX**2))
    return _grey(image)


def _near(shape: tuple[int, int], x: float, y: float, reach: int) -> tuple[Any, Any]:
    rows = np.arange(max(int(y) - reach, 0), min(int(y) + reach + 1, shape[0]))
    columns = np.arange(max(int(x) - reach, 0), min(int(x) + reach + 1, shape[1]))
    return rows[:, None], columns[None]


def _grey(image: Floats) -> Image:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def jittered(side_px: int, pitch_px: float, jitter_px: float, chance: Any) -> Floats:
    """[N, 2] sites of a square lattice, each moved at random."""
    line = np.arange(pitch_px / 2 + 16, side_px - 16, pitch_px)
    x, y = np.meshgrid(line, line)
    site = np.stack([x.ravel(), y.ravel()], 1)
    return np.asarray(site + chance.uniform(-jitter_px, jitter_px, site.shape))


def crossings(seed: int, gap_px: float, diffusion_px: float = 0.3) -> Footage:
    """Sixteen pairs of spots that pass each other in opposite directions at `gap_px`, each by 1 px per frame."""
    chance = np.random.default_rng(seed)
    middle = jittered(256, 56, 4, chance)
    angle = chance.uniform(0, 2 * np.pi, len(middle))
    along = np.stack([np.cos(angle), np.sin(angle)], 1)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    walk = np.zeros((2, *middle.shape))
    footage = []
    for time in np.arange(-12.0, 13.0):
        way = (gap_px / 2) * across + time * along
        place = np.concatenate([middle + way, middle - way]) + walk.reshape(-1, 2)
        footage.append((spots((288, 288), place, 110.0, chance), place))
        walk += diffusion_px * chance.standard_normal(walk.shape)
    return footage


def drifting(seed: int) -> Footage:
    """Spots at least 14 px apart that all move by 5 px per frame and diffuse; new ones enter."""
    chance = np.random.default_rng(seed)
    site = jittered(360, 20, 3, chance)
    everyone = np.concatenate([site, site - [340.0, 0.0]])
    footage = []
    for _ in range(30):
        footage.append((spots((300, 300), everyone, 110.0, chance), everyone))
        everyone = everyone + [5.0, 0.0] + 0.5 * chance.standard_normal(everyone.shape)
    return footage


def lamp(seed: int) -> Footage:
    """Faint spots on a gradient of brightness, 0.3 grey levels per px."""
    chance = np.random.default_rng(seed)
    place = jittered(288, 32, 4, chance)
    return [
        (spots((288, 288), here, 40.0, chance, 0.3), here)
        for here in (place + 0.3 * chance.standard_normal(place.shape) for _ in range(10))
    ]


def hot(seed: int) -> tuple[Footage, NDArray[np.bool_]]:
    """(frames of moving spots with 0.1 % hot pixels, mask of these pixels)."""
    chance = np.random.default_rng(seed)
    shape = (256, 256)
    pixels = np.asarray(chance.uniform(size=shape) < 1e-3, np.bool_)
    more = np.where(pixels, chance.uniform(60, 220, shape), 0.0)
    place, footage = jittered(224, 44, 6, chance), []
    for _ in range(20):
        footage.append((_grey(spots(shape, place, 110.0, chance).astype(np.float64) + more), place))
        place = place + [1.0, 0.5] + 0.3 * chance.standard_normal(place.shape)
    return footage, pixels


def rods(seed: int) -> Footage:
    """Rods of 14 px that rotate and diffuse."""
    chance = np.random.default_rng(seed)
    place = jittered(288, 48, 4, chance)
    angle = chance.uniform(0, np.pi, len(place))
    footage = []
    for _ in range(40):
        direction = np.stack([np.cos(angle), np.sin(angle)], 1)
        parts = np.concatenate([place + along * direction for along in np.linspace(-7, 7, 9)])
        footage.append((spots((288, 288), parts, 25.0, chance), place))
        place = place + 0.4 * chance.standard_normal(place.shape)
        angle = angle + 0.05 * chance.standard_normal(len(place))
    return footage


def tracked(footage: Footage, s: Tracking, correct: Correction = NOTHING) -> FootageScore:
    """The tracks of a video compared with the truth; here 1 um is 1 px."""
    tracker = LinkingTracker(s, Affine("px", "um"), correct=correct)
    memory, score = tracker.start(), FootageScore()
    for number, (image, truth_px) in enumerate(footage):
        image.setflags(write=False)
        memory, tracks = tracker.step(memory, Frame(number, number / 30.0, image))
        score.look(tracks, truth_px, image.shape)
    return score


def scenes(seed: int) -> Iterator[tuple[str, Footage, Tracking, Correction]]:
    """(name, video, settings, correction) of each scene."""
    plain = Tracking(diameter_px=9, minmass=150.0, separation_px=5.0)
    for gap_px in (4.0, 2.5):
        yield f"crossings, {gap_px:g} px", crossings(seed, gap_px), replace(plain, search_px=4.0), NOTHING
    fast = Tracking(diameter_px=9, minmass=150.0, search_px=6.0)
    yield "drift, predict last", drifting(seed), fast, NOTHING
    yield "drift, predict drift", drifting(seed), replace(fast, predict="drift"), NOTHING
    yield "slope of the lamp", lamp(seed), Tracking(diameter_px=11, minmass=150.0), NOTHING
    footage, pixels = hot(seed)
    yield "hot pixels", footage, Tracking(diameter_px=9, minmass=100.0), NOTHING
    yield "hot pixels, with a map of them", footage, Tracking(diameter_px=9, minmass=100.0), Correction(hot=pixels)
    yield "rods", rods(seed), Tracking(diameter_px=21, minmass=400.0), NOTHING


def synthetic(seeds: int) -> list[Row]:
    """Every scene with every locator, summed over the seeds."""
    sums: dict[tuple[str, str], FootageScore] = {}
    for seed in range(seeds):
        for name, footage, settings, correct in scenes(seed):
            for locator in LOCATORS:
                score = tracked(footage, replace(settings, locator=locator), correct)
                sums[name, locator] = sums.get((name, locator), FootageScore()) + score
    return [{"scene": name, "locator": locator, **score.row()} for (name, locator), score in sums.items()]


def recorded(folder: Path, frames: int = 100) -> list[Row]:
    """Real videos: features, and links that differ from trackpy's, for features that both find."""
    videos = {
        "bulk_water": Tracking(diameter_px=11, invert=True, minmass=200.0, search_px=5.0, memory=3),
        "colloids": Tracking(diameter_px=11, minmass=100.0, search_px=5.0, memory=3),
    }
    rows = []
    for name, settings in videos.items():
        if not (folder / f"{name}.tif").exists():
            print(f"{name}.tif is not in {folder}: left out")
            continue
        images = tifffile.imread(folder / f"{name}.tif")[:frames]
        theirs = by_trackpy(images, settings)
        for locator in LOCATORS:
            rows.append(
                {"scene": name, "locator": locator, **beside(images, replace(settings, locator=locator), theirs)}
            )
    return rows


def by_trackpy(images: Any, s: Tracking) -> Any:
    """trackpy's table of features with particle numbers."""
    trackpy.quiet()
    found = trackpy.batch(images, s.diameter_px, minmass=s.minmass, invert=s.invert, processes=1)
    return trackpy.link(found, s.search_px, memory=s.memory)


def beside(images: Any, s: Tracking, theirs: Any) -> Row:
    """Our tracks of a real video compared with trackpy's table: features, links, and links that differ."""
    tracker = LinkingTracker(s, Affine("px", "um"))
    memory, ours = tracker.start(), []
    for number, image in enumerate(images):
        image = image.copy()
        image.setflags(write=False)
        memory, tracks = tracker.step(memory, Frame(number, number / 30.0, image))
        ours.append((tracks.position_um, tracks.particle))
    links = agreed = 0
    names: dict[int, int] = {}  # our track for each track of trackpy, in the previous frame
    off_px = []
    for number, (place_px, particle) in enumerate(ours):
        table = theirs[theirs.frame == number]
        distance, row = cKDTree(place_px).query(table[["x", "y"]].to_numpy())
        off_px.append(distance[distance < 1.5])
        now = {who: int(particle[k]) for who, k, near in zip(table.particle, row, distance < 1.5, strict=True) if near}
        links += len(now.keys() & names.keys())
        agreed += sum(now[who] == names[who] for who in now.keys() & names.keys())
        names = now
    return {
        "features": sum(len(place) for place, _ in ours), "trackpy": len(theirs),
        "links": links, "other": links - agreed,
        "rms_px": float(np.sqrt(np.mean(np.concatenate(off_px) ** 2))),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seeds", type=int, default=6)
    ask.add_argument("--data", type=Path, default=Path("../shared/data"))
    ask.add_argument("--json", type=Path)
    given = ask.parse_args(arguments)
    rows = synthetic(given.seeds)
    for row in rows:
        print(
            f"{row['scene']:32} {row['locator']:9} missed {row['missed']:5} of {row['bodies']:6}, "
            f"false {row['false']:5}, doubled {row['doubled']:4}, swaps {row['swaps']:4}, silent {row['silent']:3}, "
            f"uncertain {row['uncertain']:6.2%}, identities {row['identities']:5}, rms {row['rms_px']:.3f} px"
        )
    videos = recorded(given.data)
    for row in videos:
        print(
            f"{row['scene']:32} {row['locator']:9} {row['features']} features (trackpy {row['trackpy']}), "
            f"{row['other']} of {row['links']} links other than trackpy's, {row['rms_px']:.4f} px from trackpy's places"
        )
    if given.json is not None:
        write_json(given.json, {"synthetic": rows, "recorded": videos})


if __name__ == "__main__":
    main()
