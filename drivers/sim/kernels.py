"""The motion of the simulated world: overdamped Brownian dynamics between events, on an integer-nanosecond clock.

    gamma dr/dt = F_light + F_WCA + F_hidden + gamma drift + sqrt(2 gamma kT) xi        (docs/predictions.md 2.1)

Heun's method with additive noise (one noise, two forces: Greiner, Strittmatter and Honerkamp, J. Stat. Phys. 51, 95
(1988)). An event is a tick of 1 ms, a sub-exposure of the camera, a jump of the beam or a new command; the time
between two events is divided into equal steps, none longer than the light's `step_ns`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivers.sim.parts import Beads, Medium, NeighbourPairs, SpotLight, Timing
from drivers.sim.philox import GALVO, LASER, MOTION, normals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TICK_NS = 1_000_000  # the laser's noise and the beam's jitter are constant during a tick
SKIN = 0.4  # neighbours are listed up to (1 + SKIN) times the range of the WCA force ...
MOVED = 0.15  # ... and again when one has moved by this part of the largest diameter
WCA_REACH = 2.0 ** (1.0 / 6.0)
FAR_WAISTS = 3.0  # beyond this distance the light is neglected: exp(-18) of the depth
NEVER_NS = 2**62
ALL, NONE = -1, -2  # values of `lit_spot`: all spots by their duty, or none; else the row of the lit spot


@njit(cache=True, nogil=True)
def list_pairs(position_um: Floats, beads: Beads, pairs: NeighbourPairs) -> None:
    """List the pairs that may come into contact, if a particle has moved far enough since the last time."""
    largest = beads.diameter_um.max()
    has_moved = pairs.listed[0] < 0
    for i in range(len(position_um)):
        dx = position_um[i, 0] - pairs.where_um[i, 0]
        dy = position_um[i, 1] - pairs.where_um[i, 1]
        has_moved = has_moved or dx * dx + dy * dy > (MOVED * largest) ** 2
    if not has_moved:
        return
    count = 0
    for i in range(len(position_um)):
        pairs.where_um[i] = position_um[i]
        for j in range(i - beads.who[i], i):
            reach = 0.5 * (beads.diameter_um[i] + beads.diameter_um[j]) * WCA_REACH + SKIN * largest
            dx = position_um[i, 0] - position_um[j, 0]
            dy = position_um[i, 1] - position_um[j, 1]
            if dx * dx + dy * dy < reach * reach:
                pairs.pair[count, 0], pairs.pair[count, 1] = i, j
                count += 1
    pairs.listed[0] = count


@njit(cache=True, nogil=True)
def add_springs(
    position_um: Floats, beads: Beads, waist_um: float, light: SpotLight, lit_spot: int, power: float, out: Floats
) -> None:
    """Add the forces of ideal spots, pN: k = 4 depth / waist^2 at any distance, only on the spot's own particle."""
    for i in range(len(position_um)):
        m = light.spring[i]
        if m >= 0 and lit_spot in (ALL, m):
            share = light.duty[m] if lit_spot == ALL else 1.0
            stiffness = 4.0 * power * beads.response[i] * share * light.depth_pn_um[m] / (waist_um * waist_um)
            for axis in range(2):
                out[i, axis] += stiffness * (light.spot_um[m, axis] - position_um[i, axis])


@njit(cache=True, nogil=True)
def add_light(
    position_um: Floats, beads: Beads, waist_um: float, light: SpotLight, lit_spot: int, power: float, out: Floats
) -> None:
    """Add the light's force, pN: U = -depth exp(-2 rho^2 / waist^2) per spot (predictions.md 2.2); relative `power`."""
    if lit_spot == NONE:
        return
    if len(light.spring) > 0:
        add_springs(position_um, beads, waist_um, light, lit_spot, power, out)
        return
    first, last = (0, len(light.depth_pn_um)) if lit_spot == ALL else (lit_spot, lit_spot + 1)
    narrow = 2.0 / (waist_um * waist_um)
    far = (FAR_WAISTS * waist_um) ** 2
    for i in range(len(position_um)):
        for m in range(first, last):
            dx = light.spot_um[m, 0] - position_um[i, 0]
            dy = light.spot_um[m, 1] - position_um[i, 1]
            square = dx * dx + dy * dy
            if square < far:
                depth = light.depth_pn_um[m] * (light.duty[m] if lit_spot == ALL else 1.0)
                pull = 2.0 * narrow * power * beads.response[i] * depth * math.exp(-narrow * square)
                out[i, 0] += pull * dx
                out[i, 1] += pull * dy


@njit(cache=True, nogil=True)
def add_contacts(position_um: Floats, beads: Beads, wca_pn_um: float, pairs: NeighbourPairs, out: Floats) -> None:
    """Add the WCA force, pN, of the listed pairs (Weeks, Chandler and Andersen 1971)."""
    for row in range(pairs.listed[0]):
        i, j = pairs.pair[row, 0], pairs.pair[row, 1]
        sigma = 0.5 * (beads.diameter_um[i] + beads.diameter_um[j])
        dx = position_um[i, 0] - position_um[j, 0]
        dy = position_um[i, 1] - position_um[j, 1]
        square = dx * dx + dy * dy
        if square < (WCA_REACH * sigma) ** 2:
            square = max(square, 0.25 * sigma * sigma)  # closer only if the sample started so
            six = (sigma * sigma / square) ** 3
            push = 24.0 * wca_pn_um * six * (2.0 * six - 1.0) / square
            out[i, 0] += push * dx
            out[i, 1] += push * dy
            out[j, 0] -= push * dx
            out[j, 1] -= push * dy


@njit(cache=True, nogil=True)
def velocity(
    position_um: Floats,
    beads: Beads,
    medium: Medium,
    light: SpotLight,
    lit_spot: int,
    power: float,
    pairs: NeighbourPairs,
    out: Floats,
) -> None:
    """Write the deterministic velocity, um/s, to out [N, 2]."""
    for i in range(len(position_um)):
        for axis in range(2):
            reach = position_um[i, axis] - medium.middle_um[axis]
            out[i, axis] = medium.force_pn[axis] + medium.gradient_pn_per_um[axis] * reach
    add_light(position_um, beads, medium.waist_um, light, lit_spot, power, out)
    if medium.wca_pn_um > 0.0:
        add_contacts(position_um, beads, medium.wca_pn_um, pairs, out)
    for i in range(len(position_um)):
        for axis in range(2):
            out[i, axis] = out[i, axis] / beads.drag_pn_s_per_um[i] + medium.drift_um_per_s[axis]


@njit(cache=True, nogil=True)
def reflect(position_um: Floats, low_um: Floats, high_um: Floats) -> None:
    """Reflect particles at the walls; centres stay in [low_um, high_um]."""
    for i in range(len(position_um)):
        for axis in range(2):
            x = max(position_um[i, axis], 2.0 * low_um[axis] - position_um[i, axis])
            x = min(x, 2.0 * high_um[axis] - x)
            position_um[i, axis] = min(max(x, low_um[axis]), high_um[axis])


@njit(cache=True, nogil=True)
def heun(
    position_um: Floats, work: Floats, dt_s: float, step: int, beads: Beads, medium: Medium, light: SpotLight,
    lit_spot: int, power: float, pairs: NeighbourPairs,
) -> None:  # fmt: skip
    """One step of Heun's method. work is [3, N, 2] scratch memory."""
    velocity_before, velocity_after, predicted = work[0], work[1], work[2]
    if medium.wca_pn_um > 0.0 and len(position_um) > 1:
        list_pairs(position_um, beads, pairs)
    velocity(position_um, beads, medium, light, lit_spot, power, pairs, velocity_before)
    root = math.sqrt(dt_s)
    for i in range(len(position_um)):
        kick = normals(medium.seed, medium.replica + beads.cell[i], MOTION, beads.who[i], step)
        for axis in range(2):
            position_um[i, axis] += beads.spread[i] * root * kick[axis]
            predicted[i, axis] = position_um[i, axis] + velocity_before[i, axis] * dt_s
    velocity(predicted, beads, medium, light, lit_spot, power, pairs, velocity_after)
    for i in range(len(position_um)):
        for axis in range(2):
            position_um[i, axis] += 0.5 * (velocity_before[i, axis] + velocity_after[i, axis]) * dt_s
    if medium.walls:
        reflect(position_um, medium.low_um, medium.high_um)


@njit(cache=True, nogil=True)
def lit(now_ns: int, light: SpotLight) -> tuple[int, int]:
    """(lit spot at now_ns: ALL, NONE or its row; time of the next change, NEVER_NS if there is none)."""
    number = len(light.depth_pn_um)
    if number == 0:
        return NONE, NEVER_NS
    since_ns = now_ns - light.due_ns
    if number == 1 and light.jumped and since_ns < light.settle_ns:
        return NONE, light.due_ns + light.settle_ns
    if number == 1 or not light.resolved:
        return ALL, NEVER_NS
    phase_ns = since_ns % light.cycle_ns
    edge_ns = now_ns - phase_ns
    for m in range(number):
        if now_ns < edge_ns + light.settle_ns:
            return NONE, edge_ns + light.settle_ns
        edge_ns += light.settle_ns + light.dwell_ns[m]
        if now_ns < edge_ns:
            return m, edge_ns
    return NONE, edge_ns


@njit(cache=True, nogil=True)
def next_sample(now_ns: int, timing: Timing) -> int:
    """Time of the middle of the first sub-exposure after now_ns."""
    since_ns = now_ns % timing.period_ns
    for offset_ns in timing.offset_ns:
        if offset_ns > since_ns:
            return int(now_ns - since_ns + offset_ns)
    return int(now_ns - since_ns + timing.period_ns + timing.offset_ns[0])


@njit(cache=True, nogil=True)
def expose(now_ns: int, position_um: Floats, timing: Timing, exposed: Floats) -> None:
    """Store the positions if a sub-exposure has its middle at now_ns; exposed [frames, S, N, 2] is a ring buffer."""
    number = now_ns // timing.period_ns
    for s in range(len(timing.offset_ns)):
        if number * timing.period_ns + timing.offset_ns[s] == now_ns:
            exposed[number % len(exposed), s] = position_um


@njit(cache=True, nogil=True)
def relative_power(now_ns: int, medium: Medium) -> float:
    """The laser's power relative to its set point: it warms up from the start, with noise from tick to tick."""
    power = 1.0
    if medium.warm_up_ns > 0:
        power = -math.expm1(-now_ns / medium.warm_up_ns)
    noise, _ = normals(medium.seed, medium.replica, LASER, 0, now_ns // TICK_NS)
    return power * max(1.0 + medium.laser_noise * noise, 0.0)


@njit(cache=True, nogil=True)
def advance(
    position_um: Floats, work: Floats, now_ns: int, to_ns: int, at_end: bool, step: int, beads: Beads, medium: Medium,
    light: SpotLight, timing: Timing, pairs: NeighbourPairs, exposed: Floats,
) -> tuple[int, int]:  # fmt: skip
    """Advance to the last event not after to_ns (at_end: to_ns is an event). Returns (its time, next step number)."""
    steady = light.spot_um.copy()
    while now_ns < to_ns:
        lit_spot, edge_ns = lit(now_ns, light)
        next_ns = min((now_ns // TICK_NS + 1) * TICK_NS, next_sample(now_ns, timing), edge_ns)
        if at_end:
            next_ns = min(next_ns, to_ns)
        if next_ns > to_ns:
            break
        if medium.jitter_um > 0:
            kick = normals(medium.seed, medium.replica, GALVO, 0, now_ns // TICK_NS)
            for axis in range(2):
                light.spot_um[:, axis] = steady[:, axis] + medium.jitter_um * kick[axis]
        power = relative_power(now_ns, medium)
        number = (next_ns - now_ns + light.step_ns - 1) // light.step_ns
        dt_s = (next_ns - now_ns) * 1e-9 / number
        for _ in range(number):
            heun(position_um, work, dt_s, step, beads, medium, light, lit_spot, power, pairs)
            step += 1
        now_ns = next_ns
        expose(now_ns, position_um, timing, exposed)
    light.spot_um[:] = steady
    return now_ns, step


@njit(cache=True, nogil=True)
def crowding(spot_um: Floats, depth_pn_um: Floats, waist_um: float) -> float:
    """Largest sum of depths within two waists of a spot, an upper bound for the light at one place."""
    largest = 0.0
    for m in range(len(depth_pn_um)):
        total = 0.0
        for n in range(len(depth_pn_um)):
            dx, dy = spot_um[m, 0] - spot_um[n, 0], spot_um[m, 1] - spot_um[n, 1]
            if dx * dx + dy * dy < 4.0 * waist_um * waist_um:
                total += depth_pn_um[n]
        largest = max(largest, total)
    return largest
