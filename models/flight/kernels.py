"""A local EGNN on one paired cloud in one compiled call. PyTorch would spend half of its time on about 60 calls.

Pairs pass through a layer `LANES` at a time, in arrays [feature, lane] that stay in the level-1 cache from the distance
to the message; points are updated in the same way. Memory and code are small, so that a call with cold caches
is hardly slower. Numbers of rows are multiples of `ROWS`. All kernels are in this file: numba's cache does not
notice a change of a kernel in another file.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Reals = NDArray[Any]  # float32 in flight; float64 in tests of accuracy
Ints = NDArray[np.int64]

LANES = 112  # seven vectors of sixteen float32: room for a hundred points
ROWS = 4
ONE, HALF = np.float32(1), np.float32(0.5)  # a float literal would convert to float64; small integers are exact

# coefficients of `tanh`: limit beyond which it is 1 in float32, odd powers above, even powers below
SATURATED = np.float32(7.90531110763549805)
A1, A3, A5 = np.float32(4.89352455891786e-03), np.float32(6.37261928875436e-04), np.float32(1.48572235717979e-05)
A7, A9 = np.float32(5.12229709037114e-08), np.float32(-8.60467152213735e-11)
A11, A13 = np.float32(2.00018790482477e-13), np.float32(-2.76076847742355e-16)
B0, B2 = np.float32(4.89352518554385e-03), np.float32(2.26843463243900e-03)
B4, B6 = np.float32(1.18534705686654e-04), np.float32(1.19825839466702e-06)

# only `contract`: sums keep their order, and nan stays nan
compiled = njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


class Weights(NamedTuple):
    """L layers of width W, S scalars per point, R features per pair. Matrices are [out, in]."""

    lift: Reals  # [W, S] padded with zero columns to a multiple of `ROWS`, as below
    lift_bias: Reals  # [W]
    per_cutoff: Reals  # [1]
    sharpness: Reals  # [1] of the Gaussians of the distance
    centre: Reals  # [G]
    own: Reals  # [L, W, R] first layer of an edge: columns of the pair's features
    own_bias: Reals  # [L, W]
    here: Reals  # [L, W, W] columns of its receiver
    there: Reals  # [L, W, W] columns of its sender
    second: Reals  # [L, W, W]
    second_bias: Reals  # [L, W]
    reach: Reals  # [L, W, W]
    reach_bias: Reals  # [L, W]
    last: Reals  # [L, W]
    known: Reals  # [L, W, W] first layer of a point: columns of its features
    known_bias: Reals  # [L, W]
    heard: Reals  # [L, W, W] columns of its messages
    node: Reals  # [L, W, W]
    node_bias: Reals  # [L, W]


@compiled
def forces(position: Reals, scalar: Reals, one: Ints, other: Ints, w: Weights) -> Reals:
    """[N, d] from position [N, d], scalar [N, S], and the two points of each pair, [P] and [P]."""
    layers, width = w.last.shape
    sight, fade, shown = look(position, one, other, w)
    feature = lifted(scalar, w)
    here = np.empty((len(position), width), position.dtype)
    there, received = np.empty_like(here), np.empty_like(here)
    base = np.empty((width, LANES), position.dtype)
    first, message = np.empty_like(base), np.empty_like(base)
    pull = np.empty((2, LANES), position.dtype)
    force = np.zeros_like(position)
    alike = all_alike(scalar)  # then both messages of a pair are equal
    for layer in range(layers):
        bias = w.own_bias[layer].copy()
        if alike:
            add_ends(w.here[layer], w.there[layer], feature, bias)
        else:
            rows_of(w.here[layer], feature, first, here)
            rows_of(w.there[layer], feature, first, there)
        received[:] = 0
        for block in range(len(shown)):
            start, stop = block * LANES, min((block + 1) * LANES, len(one))
            into, out_of = one[start:stop], other[start:stop]
            spread(bias, base)
            add_product(w.own[layer], shown[block], base)
            if alike:
                messages(layer, w, base, message, pull[0])
                pull[1] = pull[0]
            else:
                gather(base, here, there, into, out_of, first)
                messages(layer, w, first, message, pull[0])
            if layer < layers - 1:
                multiply(message, fade[block])
                scatter(message, into, received)
            if not alike:
                gather(base, here, there, out_of, into, first)
                messages(layer, w, first, message, pull[1])
                if layer < layers - 1:
                    multiply(message, fade[block])
            if layer < layers - 1:
                scatter(message, out_of, received)
            add_forces(sight[start:stop], pull, into, out_of, force)
        if layer < layers - 1:
            update(layer, w, received, feature, first, message)
            alike = False
    return force


@compiled
def all_alike(scalar: Reals) -> bool:
    """Whether all points have the same initial features; then both messages of a pair are equal."""
    for i in range(1, scalar.shape[0]):
        for s in range(scalar.shape[1]):
            if scalar[i, s] != scalar[0, s]:
                return False
    return True


@compiled
def look(position: Reals, one: Ints, other: Ints, w: Weights) -> tuple[Reals, Reals, Reals]:
    """(faded offset over the cut-off, from `other` to `one` [P, d]; fade [B, LANES]; pair features [B, R, LANES]).

    There are B blocks of lanes; unused lanes have finite values.
    """
    blocks = (len(one) + LANES - 1) // LANES
    per_cutoff, sharpness = w.per_cutoff[0], w.sharpness[0]
    sight = np.empty((len(one), position.shape[1]), position.dtype)
    fade = np.empty((blocks, LANES), position.dtype)
    shown = np.zeros((blocks, w.own.shape[2], LANES), position.dtype)
    distance = np.zeros(LANES, position.dtype)
    for block in range(blocks):
        start, count = block * LANES, min(LANES, len(one) - block * LANES)
        for lane in range(count):
            i, j = one[start + lane], other[start + lane]
            square = ONE - ONE
            for axis in range(position.shape[1]):
                gap = position[i, axis] - position[j, axis]
                sight[start + lane, axis] = gap
                square += gap * gap
            distance[lane] = math.sqrt(square)
        for lane in range(LANES):
            u = min(distance[lane] * per_cutoff, ONE)
            square = u * u
            shown[block, 0, lane] = square
            # `graph.envelope` of power 6
            fade[block, lane] = ONE - square * square * square * (
                np.float32(28) - np.float32(48) * u + np.float32(21) * square
            )
        for k in range(len(w.centre)):
            gaussian(distance, w.centre[k], sharpness, shown[block, 1 + k])
        for lane in range(count):
            for axis in range(position.shape[1]):
                sight[start + lane, axis] *= fade[block, lane] * per_cutoff
    return sight, fade, shown


@compiled
def lifted(scalar: Reals, w: Weights) -> Reals:
    """[B, W, LANES] initial features of the points."""
    feature = np.empty(((len(scalar) + LANES - 1) // LANES, len(w.lift), LANES), scalar.dtype)
    shown = np.zeros((w.lift.shape[1], LANES), scalar.dtype)
    for block in range(len(feature)):
        start, stop = block * LANES, min((block + 1) * LANES, len(scalar))
        shown[: scalar.shape[1], : stop - start] = scalar[start:stop].T
        spread(w.lift_bias, feature[block])
        add_product(w.lift, shown, feature[block])
    return feature


@compiled
def add_ends(here: Reals, there: Reals, feature: Reals, bias: Reals) -> None:
    """bias [W] += (here + there) @ features of the first point; used if all points have the same features."""
    for k in range(len(bias)):
        for m in range(len(bias)):
            bias[k] += (here[k, m] + there[k, m]) * feature[0, m, 0]


@compiled
def messages(layer: int, w: Weights, first: Reals, message: Reals, pull: Reals) -> None:
    """Write messages [W, LANES] and their phi_x [LANES]. `first`: inputs of the first activation, overwritten."""
    silu(first)
    spread(w.second_bias[layer], message)
    add_product(w.second[layer], first, message)
    silu(message)
    spread(w.reach_bias[layer], first)
    add_product(w.reach[layer], message, first)
    silu(first)
    weigh(w.last[layer], first, pull)


@compiled
def add_forces(sight: Reals, pull: Reals, one: Ints, other: Ints, force: Reals) -> None:
    """Add to force [N, d] at both points of each pair: sight [P, d] times pull [2, LANES]."""
    for lane in range(len(one)):
        for axis in range(force.shape[1]):
            force[one[lane], axis] += sight[lane, axis] * pull[0, lane]
            force[other[lane], axis] -= sight[lane, axis] * pull[1, lane]


@compiled
def update(layer: int, w: Weights, received: Reals, feature: Reals, spare: Reals, inner: Reals) -> None:
    """feature [B, W, LANES] += phi_h(feature, received [N, W])."""
    for block in range(len(feature)):
        start, count = block * LANES, min(LANES, len(received) - block * LANES)
        spare[:] = 0
        for lane in range(count):
            for k in range(len(spare)):
                spare[k, lane] = received[start + lane, k]
        spread(w.known_bias[layer], inner)
        add_product(w.known[layer], feature[block], inner)
        add_product(w.heard[layer], spare, inner)
        silu(inner)
        spread(w.node_bias[layer], spare)
        add_product(w.node[layer], inner, spare)
        for k in range(len(spare)):
            for lane in range(LANES):
                feature[block, k, lane] += spare[k, lane]


@compiled
def rows_of(weight: Reals, feature: Reals, spare: Reals, out: Reals) -> None:
    """out [N, W] = weight @ feature [B, W, LANES], one row per point."""
    for block in range(len(feature)):
        start, count = block * LANES, min(LANES, len(out) - block * LANES)
        spare[:] = 0
        add_product(weight, feature[block], spare)
        for lane in range(count):
            for k in range(len(spare)):
                out[start + lane, k] = spare[k, lane]


@compiled
def spread(bias: Reals, out: Reals) -> None:
    """out [W, LANES] = bias [W] in every lane."""
    for k in range(len(out)):
        value = bias[k]
        for lane in range(LANES):
            out[k, lane] = value


@compiled
def add_product(weight: Reals, value: Reals, out: Reals) -> None:
    """out [W, LANES] += weight [W, K] @ value [K, LANES]; blocks of 4 x 4 stay in registers."""
    for m in range(0, weight.shape[0], ROWS):
        o0, o1, o2, o3 = out[m], out[m + 1], out[m + 2], out[m + 3]
        for k in range(0, weight.shape[1], ROWS):
            v0, v1, v2, v3 = value[k], value[k + 1], value[k + 2], value[k + 3]
            a0, a1, a2, a3 = weight[m, k], weight[m, k + 1], weight[m, k + 2], weight[m, k + 3]
            b0, b1, b2, b3 = weight[m + 1, k], weight[m + 1, k + 1], weight[m + 1, k + 2], weight[m + 1, k + 3]
            c0, c1, c2, c3 = weight[m + 2, k], weight[m + 2, k + 1], weight[m + 2, k + 2], weight[m + 2, k + 3]
            d0, d1, d2, d3 = weight[m + 3, k], weight[m + 3, k + 1], weight[m + 3, k + 2], weight[m + 3, k + 3]
            for lane in range(LANES):
                p, q, r, s = v0[lane], v1[lane], v2[lane], v3[lane]
                o0[lane] = o0[lane] + a0 * p + a1 * q + a2 * r + a3 * s
                o1[lane] = o1[lane] + b0 * p + b1 * q + b2 * r + b3 * s
                o2[lane] = o2[lane] + c0 * p + c1 * q + c2 * r + c3 * s
                o3[lane] = o3[lane] + d0 * p + d1 * q + d2 * r + d3 * s


@compiled
def gather(base: Reals, here: Reals, there: Reals, receiver: Ints, sender: Ints, out: Reals) -> None:
    """out [W, LANES] = base + row of here [N, W] at the receiver + row of there at the sender."""
    for lane in range(len(receiver)):
        i, j = receiver[lane], sender[lane]
        for k in range(len(out)):
            out[k, lane] = base[k, lane] + here[i, k] + there[j, k]
    for lane in range(len(receiver), LANES):
        for k in range(len(out)):
            out[k, lane] = base[k, lane]


@compiled
def scatter(message: Reals, receiver: Ints, received: Reals) -> None:
    """received [N, W] += message [W, LANES] at the receivers' rows."""
    for lane in range(len(receiver)):
        i = receiver[lane]
        for k in range(len(message)):
            received[i, k] += message[k, lane]


@compiled
def multiply(message: Reals, fade: Reals) -> None:
    """Multiply message [W, LANES] by fade [LANES] in place."""
    for k in range(len(message)):
        for lane in range(LANES):
            message[k, lane] *= fade[lane]


@compiled
def weigh(weight: Reals, value: Reals, out: Reals) -> None:
    """out [LANES] = weight [W] @ value [W, LANES]."""
    out[:] = 0
    for k in range(len(weight)):
        for lane in range(LANES):
            out[lane] += weight[k] * value[k, lane]


@compiled
def silu(value: Reals) -> None:
    """x / (1 + exp(-x)) = (1 + tanh(x / 2)) x / 2, in place: [W, LANES]."""
    for k in range(len(value)):
        row = value[k]
        if value.itemsize == 4:
            for lane in range(LANES):
                half = HALF * row[lane]
                over, under = tanh(half)
                row[lane] = half * (under + over) / under
        else:
            for lane in range(LANES):
                row[lane] = row[lane] / (1.0 + math.exp(-row[lane]))


@compiled
def gaussian(distance: Reals, centre: Any, sharpness: Any, out: Reals) -> None:
    """exp(-sharpness (distance - centre)^2) [LANES], by exp(-2 z) = (1 - tanh z) / (1 + tanh z)."""
    if out.itemsize == 4:
        for lane in range(LANES):
            away = distance[lane] - centre
            over, under = tanh(HALF * sharpness * away * away)
            out[lane] = (under - over) / (under + over)
    else:
        for lane in range(LANES):
            away = distance[lane] - centre
            out[lane] = math.exp(-sharpness * away * away)


@compiled
def tanh(value: Any) -> tuple[Any, Any]:
    """Numerator and denominator of Eigen's rational minimax approximation (`generic_fast_tanh_float`), for float32.

    The error is about 1e-7. There are no branches, so that lanes are processed in parallel.
    """
    x = min(max(value, -SATURATED), SATURATED)
    s = x * x
    over = A13
    over = over * s + A11
    over = over * s + A9
    over = over * s + A7
    over = over * s + A5
    over = over * s + A3
    over = over * s + A1
    under = B6
    under = under * s + B4
    under = under * s + B2
    under = under * s + B0
    return x * over, under
