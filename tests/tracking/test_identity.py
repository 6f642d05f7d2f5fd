"""Identities over long runs of interacting particles, with dropped frames and missed detections."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from control.contract import State
from tracking.link import LinkMemory, link
from tracking.settings import Tracking

Floats = NDArray[np.float64]

SIDE_PX = 400.0
DIAMETER_PX = 12.0


def moved(position_px: Floats, step_px: float, chance: np.random.Generator) -> Floats:
    """One Brownian step of soft discs that attract each other over 40 px, in a box: they often meet."""
    gap = position_px[:, None] - position_px[None]  # [N, N, 2]
    distance = np.linalg.norm(gap, axis=-1) + np.eye(len(position_px)) * 1e9
    push = np.where(distance < DIAMETER_PX, 0.5 * (DIAMETER_PX - distance), 0.0) - np.where(distance < 40, 0.02, 0.0)
    force = (push / distance)[..., None] * gap
    step = np.clip(force.sum(axis=1), -2.0, 2.0) + step_px * chance.standard_normal(position_px.shape)
    inside: Floats = np.clip(position_px + step, 0.0, SIDE_PX)
    return inside


@pytest.mark.parametrize(("step_px", "search_px"), [(0.8, 5.0), (1.6, 8.0)])
def test_no_swap_is_silent(step_px: float, search_px: float) -> None:
    """10,000 frames of 50 particles, 1 % of frames dropped, 2 % of detections missed."""
    chance = np.random.default_rng(0)
    site = chance.uniform(0, SIDE_PX, (50, 2))
    for _ in range(50):
        site = moved(site, step_px, chance)
    s = Tracking(search_px=search_px, memory=5, gate="sqrt_time", separation_px=8.0)
    memory = LinkMemory()
    owner: dict[int, int] = {}
    silent = uncertain = rows = 0
    for number in range(10_000):
        site = moved(site, step_px, chance)
        if chance.random() < 0.01:
            continue
        shown = chance.permutation(np.flatnonzero(chance.random(50) >= 0.02))
        memory, found = link(memory, number, site[shown] + 0.05 * chance.standard_normal((len(shown), 2)), s)
        for particle, body, state in zip(found.particle.tolist(), shown.tolist(), found.state, strict=True):
            if owner.setdefault(particle, body) != body:
                silent += int(state != State.UNCERTAIN)
                owner[particle] = body
        uncertain += int(np.count_nonzero(found.state == State.UNCERTAIN))
        rows += len(shown)
    assert silent == 0
    assert len(owner) <= 60
    assert uncertain / rows < 0.05
