"""Whether the loop keeps up with its camera; if not, which part of a turn is too slow, and which changes would help."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.assembly.rig import Rig
from app.running.stopwatch import Stopwatch
from config.reader import plain
from tracking.locate.windows import Windows
from tracking.settings import Tracking

KEEPS_UP = 0.85  # least share of the requested frame rate at which the loop keeps up
OVER_S = 2.0  # shortest time over which the loop is judged
LONGEST_S = 6.0  # longest time over which it is judged
SPARE = 0.8  # share of the possible rate that is offered
ROUND_HZ = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500)
SMALLEST_PX, FEWEST = 128, 20
PARTS = {
    "tracker": "tracking",
    "policy": "the law",
    "beam": "steering the beam",
    "recorder": "recording",
    "camera": "the camera",
}


@dataclass(frozen=True)
class Offer:
    """One change of the rig that would help."""

    text: str
    edits: dict[str, Any]  # dotted key to value
    reopens: bool  # whether the devices are opened again for it, dark


@dataclass(frozen=True)
class Overload:
    """The part that is too slow, in words, and changes that would help."""

    text: str
    part: str  # key of PARTS, or "rest"
    offers: tuple[Offer, ...]


class Judge:
    """Measures how many turns the loop made in the last seconds, and the time of each part of a turn."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, dict[str, float]]] = deque()
        self._last: Overload | None = None

    def forget(self) -> None:
        """Discard all measurements, for a new start of the loop."""
        self._samples.clear()
        self._last = None

    def look(self, rig: Rig, now_s: float, turns: int, watch: Stopwatch, particles: int = 0) -> Overload | None:
        """None if the loop keeps up, or has not run for long enough. `particles`: number of tracked particles."""
        self._samples.append((now_s, turns, dict(watch.spent_s)))
        while now_s - self._samples[0][0] > LONGEST_S and now_s - self._samples[1][0] >= OVER_S:
            self._samples.popleft()
        then_s, turns_before, spent_s = self._samples[0]
        span_s, number = now_s - then_s, turns - turns_before
        if span_s < OVER_S or number < 1:
            return self._last  # a turn takes very long, or the loop has just begun
        each_s = {part: max(watch.spent_s.get(part, 0.0) - spent_s.get(part, 0.0), 0.0) / number for part in PARTS}
        self._last = overload(rig, number / span_s, each_s, watch.running, particles)
        return self._last


def overload(
    rig: Rig, rate_hz: float, each_s: dict[str, float], running: str = "", particles: int = 0
) -> Overload | None:
    """The part of a turn that is too slow at this rate of turns; None if the loop keeps up.

    Args:
        each_s: time of each of PARTS in a turn; that of the camera includes the wait for a frame.
        running: part in progress; it gets the unassigned time of a turn if that is longer than each part.
        particles: number of tracked particles; 0: that of the sample.
    """
    requested_hz = rig.camera.fps * (1.0 - rig.camera.drop)
    if rate_hz >= KEEPS_UP * requested_hz:
        return None
    turn_s = 1.0 / rate_hz
    parts_s = {**each_s, "rest": max(turn_s - sum(each_s.values()), 0.0)}
    if running in PARTS and parts_s["rest"] >= max(each_s.values(), default=0.0):
        parts_s[running] = parts_s.get(running, 0.0) + parts_s.pop("rest")
    slow = max(parts_s, key=lambda part: parts_s[part])
    name = PARTS.get(slow, "the rest of a turn, or the computer is busy with something else,")
    if slow == "camera":
        simulated = rig.camera.images == "simulated"
        name = "simulating the sample and its image" if simulated else "waiting for the camera"
    text = (
        f"{rate_hz:.3g} of {requested_hz:g} fps: {name} takes {1e3 * parts_s[slow]:.0f} ms a turn, "
        f"and a frame lasts {1e3 / requested_hz:.3g} ms"
    )
    count = particles or rig.sample.number
    return Overload(text + smaller(rig, slow), slow, tuple(offers(rig, slow, rate_hz, count)))


def offers(rig: Rig, slow: str, rate_hz: float, particles: int) -> Iterator[Offer]:
    """Changes of this rig that would help if this part of a turn is too slow, the smallest first."""
    camera, tracking = rig.camera, rig.tracking
    if slow == "tracker":
        yield from locators(tracking, particles, camera.width_px * camera.height_px)
    lower_hz = max((hz for hz in ROUND_HZ if hz <= SPARE * rate_hz), default=None)
    if lower_hz is not None and lower_hz < camera.fps:
        yield Offer(f"{lower_hz} fps", {"camera.fps": float(lower_hz)}, True)
    if camera.images != "simulated":  # other image sizes are known for a simulated one only: see `smaller`
        return
    width_px, height_px, number = camera.width_px // 2, camera.height_px // 2, rig.sample.number
    if slow == "camera" and number // 4 >= FEWEST:
        yield Offer(f"{number // 4} particles", {"sample.number": number // 4}, True)
    if slow in ("policy", "recorder") or min(width_px, height_px) < SMALLEST_PX or corrected(tracking):
        return
    size = {"camera.width_px": width_px, "camera.height_px": height_px}
    fewer = {"sample.number": max(number // 4, 1)} if number > 1 else {}
    yield Offer(f"region {width_px}×{height_px} px", {**size, **fewer}, True)
    if tracking.diameter_px // 2 | 1 >= 5 and camera.pixels_follow_optics and tracking.classifier is None:
        scale = {"optics.um_per_px": 2.0 * rig.optics.um_per_px}
        yield Offer("pixels binned 2×2", {**size, **scale, **binned(tracking)}, True)


def locators(tracking: Tracking, particles: int, size_px: int) -> Iterator[Offer]:
    """The faster locator for this many particles: windows if they cost less than the frame of `size_px` pixels."""
    cost_px = particles * Windows(tracking).cost_px
    pays = tracking.preprocess and 0 < cost_px < (1.0 - 1.0 / tracking.late_looks) * size_px
    better = "windows" if pays else "centroid"
    if tracking.locator not in (better, "windows"):  # windows searches the whole frame where that is faster
        yield Offer(f"locator {better}", {"tracking.locator": better}, False)


def corrected(tracking: Tracking) -> bool:
    """Whether there are correction images; these fit the present image size only."""
    return bool(tracking.dark_file or tracking.background_file or tracking.hot_pixels_file)


def binned(tracking: Tracking) -> dict[str, Any]:
    """The tracking settings that change if pixels are twice as large, for the same particles at the same places."""
    settings: dict[str, Any] = {
        "diameter_px": tracking.diameter_px // 2 | 1,
        "minmass": tracking.minmass / 4.0,
        "search_px": max(tracking.search_px / 2.0, 1.0),
        "channel_bin_px": tracking.channel_bin_px / 2.0,
    }
    if tracking.maxsize_px is not None:
        settings["maxsize_px"] = tracking.maxsize_px / 2.0
    if tracking.separation_px is not None:
        settings["separation_px"] = max(tracking.separation_px / 2.0, 1.0)
    if tracking.smoothing_size_px is not None:
        settings["smoothing_size_px"] = max(tracking.smoothing_size_px // 2 | 1, 3)
    box_px = settings.get("smoothing_size_px", settings["diameter_px"])
    if tracking.noise_size_px >= box_px:
        settings["noise_size_px"] = tracking.noise_size_px / 2.0
    if any(tracking.initial_velocity_px_per_frame):
        settings["initial_velocity_px_per_frame"] = [part / 2.0 for part in tracking.initial_velocity_px_per_frame]
    if tracking.excluded_regions:  # 0 is the centre of the first pixel in both images
        settings["excluded_regions"] = [
            {name: value / 2.0 if name.endswith("_px") else value for name, value in plain(region).items()}
            for region in tracking.excluded_regions
        ]
    return {f"tracking.{name}": value for name, value in settings.items()}


def smaller(rig: Rig, slow: str) -> str:
    """Advice for a real camera, in words; empty: none."""
    if rig.camera.images != "real" or slow == "policy":
        return ""
    return (
        "; a smaller image that the camera has (camera.width_px, camera.height_px) would help: its scale and map are "
        "to be measured anew"
    )
