"""Measurements on the tracks of a run. Pure functions of `drivers.journal.tidy.tidy_tracks`, or of positions.

A displacement is not counted if the particle was `carried` back into the field meanwhile, since the law did not cause
it. Averages over time use frame numbers computed from the frame times (`frame_times`). A particle missed in a frame
leaves a gap, which is not interpolated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import freud
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from control import displacement
from control.contract import State

Floats = NDArray[np.float64]

POSITION = ["x_um", "y_um"]


@dataclass(frozen=True)
class Track:
    """The sightings of one particle, by frame."""

    particle: int
    frame: NDArray[np.int64]  # [T]
    time_s: Floats  # [T] nan if the table has no times
    position_um: Floats  # [T, 2]
    carried: NDArray[np.bool_]  # [T]


def each(tracks: pd.DataFrame, *, once: bool = True) -> Iterator[Track]:
    """The sightings of each particle, by particle and frame. Sorts the table only once.

    `once`: keep only the last of several sightings in a frame.
    """
    particle, frame = tracks["particle"].to_numpy(np.int64), tracks["frame"].to_numpy(np.int64)
    order = np.lexsort((frame, particle))
    if once and len(order):
        sorted_particle, sorted_frame = particle[order], frame[order]
        order = order[np.append((np.diff(sorted_particle) != 0) | (np.diff(sorted_frame) != 0), True)]
    particle, frame = particle[order], frame[order]
    place_um = tracks[POSITION].to_numpy(np.float64)[order]
    time_s = tracks["time_s"].to_numpy(np.float64)[order] if "time_s" in tracks else np.full(len(order), np.nan)
    carried = tracks["carried"].to_numpy(np.bool_)[order] if "carried" in tracks else np.zeros(len(order), np.bool_)
    edges = [*np.flatnonzero(np.diff(particle, prepend=particle[:1] - 1)).tolist(), len(order)]
    for rows in (slice(*pair) for pair in pairwise(edges)):
        yield Track(int(particle[rows.start]), frame[rows], time_s[rows], place_um[rows], carried[rows])


def speeds(tracks: pd.DataFrame, tau_s: float, settle_s: float = 0.0) -> pd.DataFrame:
    """|r(t) - r(t - tau)| / tau of every sighting with a past position (docs/predictions.md 2.7, P20).

    A frame-to-frame speed would be noise. r(t - tau) is interpolated between two sightings in successive frames.

    Args:
        tracks: the tidy table.
        tau_s: time over which the speed is taken.
        settle_s: additional time after being carried in which a particle does not count.

    Returns:
        columns frame, time_s, particle, speed_um_per_s: sightings not carried in [t - tau - settle, t].
    """
    results = [(track, *_speeds(track, tau_s, settle_s)) for track in each(tracks, once=False)]
    rows: dict[str, list[NDArray[Any]]] = {
        "frame": [track.frame[valid] for track, valid, _ in results],
        "time_s": [track.time_s[valid] for track, valid, _ in results],
        "particle": [np.full(np.count_nonzero(valid), track.particle) for track, valid, _ in results],
        "speed_um_per_s": [speed[valid] for _, valid, speed in results],
    }
    none: dict[str, NDArray[Any]] = {"frame": np.empty(0, np.int64), "particle": np.empty(0, np.int64)}
    return pd.DataFrame({name: np.concatenate([none.get(name, np.empty(0)), *parts]) for name, parts in rows.items()})


def _speeds(track: Track, tau_s: float, settle_s: float) -> tuple[NDArray[np.bool_], Floats]:
    """(whether each sighting of one particle has a speed [T], its speed [T])."""
    time_s, frame, place_um = track.time_s, track.frame, track.position_um
    past_s = time_s - tau_s
    after = np.minimum(np.searchsorted(time_s, past_s - 1e-9), len(frame) - 1)  # the first sighting at t - tau or later
    valid = after < np.arange(len(frame))
    exact = np.abs(time_s[after] - past_s) <= 1e-9
    before = np.where(exact, after, after - 1)
    valid &= exact | ((before >= 0) & (frame[after] - frame[before] == 1))
    gap_s = time_s[after] - time_s[before]
    share = np.where(exact | (gap_s <= 0.0), 0.0, (past_s - time_s[before]) / np.where(gap_s > 0.0, gap_s, 1.0))
    past_um = place_um[before] + share[:, None] * (place_um[after] - place_um[before])
    valid &= carried_between(track, past_s - settle_s) == 0
    return valid, np.linalg.norm(place_um - past_um, axis=1) / tau_s


def not_counted(carried: NDArray[np.bool_], state: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """[N] whether displacements that include this sighting are excluded, since the law did not cause them.

    Args:
        carried: [N] whether the particle was being returned into the field.
        state: [N] State; an uncertain particle may be another one.
    """
    return np.asarray(carried | (state == State.UNCERTAIN))


def sure(tracks: pd.DataFrame) -> pd.DataFrame:
    """The tracks with every sighting of `not_counted` marked as `carried`."""
    return tracks.assign(carried=not_counted(tracks["carried"].to_numpy(np.bool_), tracks["state"].to_numpy()))


def carried_between(track: Track, since_s: Floats) -> NDArray[np.int64]:
    """[T] number of carried sightings of one particle from since_s [T] until each sighting."""
    total = np.concatenate([[0], np.cumsum(track.carried)])
    # one sighting earlier: a carried stretch that ended between two sightings reaches into the window
    first = np.maximum(np.searchsorted(track.time_s, since_s - 1e-9) - 1, 0)
    number: NDArray[np.int64] = total[1:] - total[first]
    return number


def msd(tracks: pd.DataFrame, fps: float, largest_lag_s: float) -> pd.Series[float]:
    """Mean square displacement over all times and particles, um^2, by lag_s; all displacements have equal weight.

    A displacement that includes a carried sighting does not count.
    """
    most = 2 * tracks["frame"].nunique() + 1000  # lags with possible pairs, limited for memory
    longest = min(int(largest_lag_s * fps + 1e-6), most)
    total, count = np.zeros(longest), np.zeros(longest)
    for track in each(tracks):
        place_um = np.where(track.carried[:, None], np.nan, track.position_um)
        displacement.add_square_displacements(track.frame, place_um, np.cumsum(track.carried), total, count)
    lag_s = pd.Index(np.arange(1, longest + 1) / fps, name="lag_s")
    return pd.Series(displacement.mean_of(total, count), index=lag_s, name="msd_um2")


def less_drift(tracks: pd.DataFrame) -> pd.DataFrame:
    """The tracks less the steady drift of each particle: less the straight line from its first to its last sighting.

    A new line begins after a particle was carried.

    Returns:
        columns frame, time_s, particle, x_um, y_um, stretch (number of the line of this particle), frames (length of
        the line in frames); sorted by particle and frame, without carried sightings.
    """
    parts: list[dict[str, NDArray[Any]]] = []
    for track in each(tracks):
        free = ~track.carried
        if not free.any():
            continue
        frame, place_um = track.frame[free], track.position_um[free]
        _, first, stretch = np.unique(np.cumsum(track.carried)[free], return_index=True, return_inverse=True)
        last = np.append(first[1:], len(frame)) - 1
        frames = frame[last] - frame[first]
        share = (frame - frame[first][stretch]) / np.maximum(frames, 1)[stretch]
        line_um = place_um[first][stretch] + share[:, None] * (place_um[last] - place_um[first])[stretch]
        x_um, y_um = (place_um - line_um).T
        parts.append(
            {"frame": frame, "time_s": track.time_s[free], "particle": np.full(len(frame), track.particle),
             "x_um": x_um, "y_um": y_um, "stretch": stretch, "frames": frames[stretch]}
        )  # fmt: skip
    types = dict.fromkeys(("frame", "particle", "stretch", "frames"), np.int64)
    names = ("frame", "time_s", "particle", *POSITION, "stretch", "frames")
    columns = {name: np.concatenate([np.empty(0), *(part[name] for part in parts)]) for name in names}
    return pd.DataFrame(columns).astype(types)


def msd_less_drift(straight: pd.DataFrame, fps: float, largest_lag_s: float) -> pd.DataFrame:
    """Mean square displacement of tracks from `less_drift`, by lag_s, and the part removed by the lines.

    Subtracting the line between the ends of a path also removes diffusion: of 4 D t, the fraction t / T for a line of
    duration T (Brownian bridge). 4 D (t - taken_s) remains.

    Returns:
        columns msd_um2, taken_s (t^2 / T, mean over the displacements).
    """
    most = 2 * straight["frame"].nunique() + 1000
    longest = min(int(largest_lag_s * fps + 1e-6), most)
    total, count, taken, taken_count = (np.zeros(longest) for _ in range(4))
    particle, frame, stretch, frames = (
        straight[name].to_numpy() for name in ("particle", "frame", "stretch", "frames")
    )
    place_um = straight[POSITION].to_numpy(np.float64)
    # t^2 / T is the square displacement, over t, of a coordinate that moves by 1 / sqrt(T) a frame
    pace = (frame / np.sqrt(np.maximum(frames, 1)))[:, None]
    edges = [*np.flatnonzero(np.diff(particle, prepend=particle[:1] - 1)).tolist(), len(particle)]
    for rows in (slice(*pair) for pair in pairwise(edges)):
        displacement.add_square_displacements(frame[rows], place_um[rows], stretch[rows], total, count)
        displacement.add_square_displacements(frame[rows], pace[rows], stretch[rows], taken, taken_count)
    columns = {"msd_um2": displacement.mean_of(total, count), "taken_s": displacement.mean_of(taken, count) / fps}
    return pd.DataFrame(columns, index=pd.Index(np.arange(1, longest + 1) / fps, name="lag_s"))


def seen_at(frame: NDArray[np.int64], requested: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of each requested frame in the sorted `frame`; -1 if it is missing."""
    index = np.minimum(np.searchsorted(frame, requested), len(frame) - 1)
    return np.where(frame[index] == requested, index, -1)


@dataclass(frozen=True)
class Bonds:
    """The bonds of one frame, and the bond order of every particle.

    psi_k = mean over a particle's bonds of exp(i k angle) (Nelson and Halperin 1979).
    """

    neighbours: NDArray[np.int64]  # [N] bonds of each particle
    psi: NDArray[np.complex128]  # [N] nan for one without a bond
    length_um: Floats  # [B] each bond once

    def mean_order(self, neighbours: int) -> float:
        """Mean |psi| over the particles with exactly this number of neighbours; nan if there is none."""
        chosen = self.psi[self.neighbours == neighbours]
        return float(np.abs(chosen).mean()) if len(chosen) else float("nan")

    @property
    def mean_length_um(self) -> float:
        return float(self.length_um.mean()) if len(self.length_um) else float("nan")


def bonds(position_um: Floats, cutoff_um: float, order: int = 6) -> Bonds:
    """Bonds between particles [N, 2] that are closer than `cutoff_um` (1.25 R for a ring of radius R), by freud."""
    count = len(position_um)
    if count < 2:
        none = np.zeros(count, np.int64)
        return Bonds(none, np.full(count, np.nan + 0j), np.empty(0))
    cutoff_um = _limited_cutoff_um(position_um, cutoff_um)
    system = _box_and_points(position_um, cutoff_um)
    pairs, length_um = _pairs(position_um, cutoff_um)
    neighbours = np.asarray(pairs.neighbor_counts, np.int64)
    psi = np.asarray(freud.order.Hexatic(k=order).compute(system, pairs).particle_order, np.complex128)
    return Bonds(neighbours, np.where(neighbours > 0, psi, np.nan), length_um)


def _pairs(position_um: Floats, cutoff_um: float) -> tuple[Any, Floats]:
    """(freud's neighbour list of all pairs closer than the cutoff, the length of each bond once [B])."""
    if len(position_um) < 2:
        return None, np.empty(0)
    cutoff_um = _limited_cutoff_um(position_um, cutoff_um)
    box, points = _box_and_points(position_um, cutoff_um)
    query = freud.locality.AABBQuery(box, points).query(points, {"r_max": cutoff_um, "exclude_ii": True})
    pairs = query.toNeighborList()
    first, second = np.asarray(pairs[:])[pairs[:, 0] < pairs[:, 1]].T
    return pairs, np.linalg.norm(position_um[first] - position_um[second], axis=1)  # freud's own are float32


def bonds_by_frame(tracks: pd.DataFrame, cutoff_um: float, order: int = 6) -> pd.DataFrame:
    """By frame: mean bond length; mean |psi| of particles with `order` neighbours, and of all with bonds; counts."""
    rows = []
    for frame, frame_tracks in tracks.groupby("frame", sort=True):
        frame_bonds = bonds(frame_tracks[POSITION].to_numpy(np.float64), cutoff_um, order)
        bonded = np.abs(frame_bonds.psi[frame_bonds.neighbours > 0])
        rows.append(
            {
                "frame": frame,
                "time_s": frame_tracks["time_s"].iloc[0],
                "bond_um": frame_bonds.mean_length_um,
                "order_inner": frame_bonds.mean_order(order),
                "order_all": float(bonded.mean()) if len(bonded) else float("nan"),
                "particles": len(frame_tracks),
                "bonds": len(frame_bonds.length_um),
            }
        )
    if not rows:
        names = ("frame", "time_s", "bond_um", "order_inner", "order_all", "particles", "bonds")
        return pd.DataFrame(dict.fromkeys(names, np.empty(0)))
    return pd.DataFrame(rows)


def pair_correlation(
    tracks: pd.DataFrame, low_um: tuple[float, float], high_um: tuple[float, float], largest_um: float, bins: int = 100
) -> pd.Series[float]:
    """g(r) of the particles in a rectangle with open edges, averaged over frames, by r_um (the middles of the bins).

    Pairs are counted by freud, and divided by the expectation for an ideal gas in the same rectangle of sides a, b:
    N (N - 1) / 2 times the density of distances, (2 pi r / A^2) (a b - 2 r (a + b) / pi + r^2 / pi) for r <= min(a, b)
    (the isotropised set covariance of a rectangle; Stoyan and Stoyan 1994, appendix).

    Raises ValueError if `largest_um` is beyond the shorter side.
    """
    a, b = high_um[0] - low_um[0], high_um[1] - low_um[1]
    if largest_um > min(a, b):
        raise ValueError(f"g(r) is known up to the shorter side of the field, {min(a, b):g} um")
    edges = np.linspace(0.0, largest_um, bins + 1)
    observed, expected = np.zeros(bins), np.zeros(bins)
    chance = np.diff(_distance_chance(edges, a, b))
    place_um = tracks[POSITION].to_numpy(np.float64)
    inside = tracks[((place_um >= np.asarray(low_um)) & (place_um <= np.asarray(high_um))).all(axis=1)]
    for _, frame_tracks in inside.groupby("frame"):
        observed += np.histogram(_pairs(frame_tracks[POSITION].to_numpy(np.float64), largest_um)[1], edges)[0]
        expected += len(frame_tracks) * (len(frame_tracks) - 1) / 2.0 * chance
    ratio = np.divide(observed, expected, out=np.full(bins, np.nan), where=expected > 0)
    return pd.Series(ratio, index=pd.Index((edges[1:] + edges[:-1]) / 2.0, name="r_um"), name="g")


def _distance_chance(r: Floats, a: float, b: float) -> Floats:
    """Probability that two points in a rectangle of sides a, b are closer than r <= min(a, b)."""
    area: Floats = 2.0 * np.pi * (a * b * r**2 / 2.0 - 2.0 * (a + b) * r**3 / (3.0 * np.pi) + r**4 / (4.0 * np.pi))
    return area / (a * b) ** 2


def _limited_cutoff_um(position_um: Floats, cutoff_um: float) -> float:
    """The cutoff, at most ten times the extent of the positions [N, 2]: more would exceed the precision of float32."""
    return min(cutoff_um, max(10.0 * float(np.ptp(position_um, axis=0).sum()), 1.0))


def _box_and_points(position_um: Floats, reach_um: float) -> tuple[Any, NDArray[np.float32]]:
    """freud's box and points [N, 3], in a box so large that periodic images do not interact."""
    middle = (position_um.min(0) + position_um.max(0)) / 2.0
    side_um = float(2.0 * np.ptp(position_um, axis=0).max() + 4.0 * reach_um)
    points = np.zeros((len(position_um), 3), np.float32)
    points[:, :2] = position_um - middle
    return freud.box.Box.square(side_um), points
