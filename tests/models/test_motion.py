"""Which symmetries a simulated motion keeps: hidden drift, hidden gradient of the laser, neither."""

from __future__ import annotations

import numpy as np
import pytest

from models.soft.motion import Motion, displacements, verdicts

DIFFUSION_UM2_PER_S, MOBILITY = 0.113, 27.8


def moved(seed: int, drift: tuple[float, float] = (0.0, 0.0), gradient: float = 0.0) -> Motion:
    """50 particles for ten minutes, displacements of half a second, pulled by forces of 10 fN."""
    draw = np.random.default_rng(seed)
    count, lag_s = 50 * 1200, 0.5
    place = draw.uniform(-12, 12, (count, 2))
    force = draw.normal(0, 0.01, (count, 2))
    velocity = MOBILITY * force * (1 + gradient * place[:, :1]) + np.array(drift)
    noise = draw.normal(0, np.sqrt(2 * DIFFUSION_UM2_PER_S / lag_s), (count, 2))
    return Motion(place + 12.0, velocity + noise, force)


def broken(motion: Motion) -> set[str]:
    return {one.group for one in verdicts(motion) if not one.kept}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_hidden_breaks_nothing(seed: int) -> None:
    assert broken(moved(seed)) == set()


def test_a_drift_of_a_tenth_of_a_micrometre_a_second() -> None:
    found = {one.group: one for one in verdicts(moved(4, drift=(0.1, 0.0)))}
    assert not found["rotation"].kept
    assert not found["reflection of x"].kept
    assert found["reflection of y"].kept
    assert found["reflection across the drift"].kept
    assert found["translation along x"].kept
    assert found["translation along y"].kept
    assert found["rotation"].broken_um_per_s == pytest.approx(0.1, rel=0.25)


def test_a_drift_across_the_pixels_keeps_its_own_axis() -> None:
    assert broken(moved(5, drift=(0.08, 0.06))) == {"rotation", "reflection of x", "reflection of y"}


def test_a_gradient_of_the_laser_breaks_translations_along_it() -> None:
    found = {one.group: one for one in verdicts(moved(6, gradient=0.03))}
    assert not found["translation along x"].kept
    assert found["translation along y"].kept
    assert found["reflection of y"].kept
    assert not found["rotation"].kept


def test_displacements_skip_what_was_carried_and_gaps() -> None:
    time_s = np.tile(np.arange(100) * 0.1, 2)
    particle = np.repeat([4, 9], 100)
    position = np.stack([time_s * np.where(particle == 4, 1.0, 2.0), np.zeros(200)], axis=1)
    usable = np.ones(200, np.bool_)
    usable[150] = False  # particle 9 is carried at 5 s
    gone = ~((particle == 4) & (time_s > 7.0) & (time_s < 8.5))
    made = displacements(time_s[gone], particle[gone], position[gone], position[gone] * 0, usable[gone], 1.0)
    speed = made.velocity_um_per_s[:, 0]
    assert np.count_nonzero(np.isclose(speed, 1.0)) + np.count_nonzero(np.isclose(speed, 2.0)) == len(speed)
    assert 14 <= len(speed) <= 18
