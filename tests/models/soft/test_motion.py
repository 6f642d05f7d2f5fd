"""Symmetries of a simulated motion: with a hidden drift, with a hidden gradient of the laser, and without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.soft.motion import GroupVerdict, Motion, acting, candidates, displacements, held_out, verdicts
from models.soft.representation import Element

DIFFUSION_UM2_PER_S, MOBILITY = 0.113, 27.8


def moved(seed: int, drift: tuple[float, float] = (0.0, 0.0), gradient: float = 0.0) -> Motion:
    """50 particles for ten minutes, displacements over half a second, with forces of 10 fN."""
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
def test_without_a_hidden_effect_no_symmetry_is_broken(seed: int) -> None:
    assert broken(moved(seed)) == set()


def test_a_drift_of_0_1_um_per_s_breaks_rotations_and_one_reflection() -> None:
    found = {one.group: one for one in verdicts(moved(4, drift=(0.1, 0.0)))}
    assert not found["rotation"].kept
    assert not found["reflection of x"].kept
    assert found["reflection of y"].kept
    assert found["reflection across the drift"].kept
    assert found["translation along x"].kept
    assert found["translation along y"].kept
    assert found["rotation"].broken_um_per_s == pytest.approx(0.1, rel=0.25)


def test_an_oblique_drift_breaks_rotation_and_both_axis_reflections() -> None:
    assert broken(moved(5, drift=(0.08, 0.06))) == {"rotation", "reflection of x", "reflection of y"}


def test_a_gradient_of_the_laser_breaks_translations_along_it() -> None:
    found = {one.group: one for one in verdicts(moved(6, gradient=0.03))}
    assert not found["translation along x"].kept
    assert found["translation along y"].kept
    assert found["reflection of y"].kept
    assert not found["rotation"].kept


def test_the_equivariant_subspace_is_complete() -> None:
    """W rho(g) = g W for every W of the subspace and every element, but not for the first W outside of it."""
    for one in candidates(0.7):
        outside = np.eye(len(one.basis)) - one.basis @ one.basis.T
        stray = outside[:, np.argmax(np.diag(outside))].reshape(2, -1)
        for element in one.elements:
            for weight in one.basis.T.reshape(-1, 2, 9):
                assert np.abs(weight @ acting(element) - element.linear @ weight).max() < 1e-12
        assert any(np.abs(stray @ acting(element) - element.linear @ stray).max() > 0.1 for element in one.elements)


def test_features_transform_with_their_representation() -> None:
    draw = np.random.default_rng(1)
    x, force = draw.normal(size=(2, 2))
    turn, shift = np.array([[0.6, -0.8], [0.8, 0.6]]), np.array([0.3, -2.0])
    shown = np.concatenate([[1.0], x, force, np.outer(force, x).ravel()])
    wanted = np.concatenate([[1.0], turn @ x + shift, turn @ force, np.outer(turn @ force, turn @ x + shift).ravel()])
    assert np.allclose(acting(Element(turn, shift)) @ shown, wanted, atol=1e-12)


def test_held_out_errors_distinguish_kept_from_broken_symmetries() -> None:
    found = {one.group: one for one in verdicts(moved(7, drift=(0.3, 0.0)))}
    assert found["reflection of y"].equivariance_error < 0.05
    assert found["rotation"].equivariance_error > 0.3
    assert found["rotation"].penalty > 30 * found["reflection of y"].penalty


def flock(seed: int, count: int, times: int, drift: float = 0.0, lasting: float = 0.0) -> Motion:
    """Free particles in steps of 0.1 s; each also moves with `lasting` um/s in a constant random direction."""
    draw = np.random.default_rng(seed)
    angle = draw.uniform(0, 2 * np.pi, count)
    own = lasting * np.stack([np.cos(angle), np.sin(angle)], axis=1) + np.array([drift, 0.0])
    steps = 0.1 * own + draw.normal(0, 0.05, (times, count, 2))
    place = draw.uniform(0, 20, (count, 2)) + np.cumsum(steps, axis=0)
    time_s, who = np.repeat(np.arange(times) * 0.1, count), np.tile(np.arange(count), times)
    flat = place.reshape(-1, 2)
    return displacements(time_s, who, flat, flat * 0, np.ones(len(flat), np.bool_), 0.1)


def rotation(motion: Motion) -> GroupVerdict:
    return next(one for one in verdicts(motion) if one.group == "rotation")


@pytest.mark.parametrize(("count", "times", "lasting"), [(20, 200, 0.0), (8, 100, 0.0), (7, 200, 0.5)])
def test_the_detection_limit_is_found_about_nine_times_in_ten(count: int, times: int, lasting: float) -> None:
    """A third of it is not found; with random steps, and with particles that keep their own directions."""
    least = float(np.mean([rotation(flock(seed, count, times, lasting=lasting)).least_um_per_s for seed in range(8)]))

    def found(drift: float) -> int:
        return sum(not rotation(flock(100 + seed, count, times, drift, lasting)).kept for seed in range(10))

    assert found(least) >= 8
    assert found(least / 3) <= 3


def test_persistent_directions_of_a_few_particles_break_no_symmetry() -> None:
    """The hold-out by time indicates a drift, but the hold-out by particle does not."""
    motions = [flock(seed, 7, 200, lasting=0.5) for seed in range(10)]
    assert sum(bool(broken(motion)) for motion in motions) <= 1
    assert {one.of: len(one.blocks) for one in held_out(motions[0])} == {"times": 20, "particles": 7}
    assert sum(bool(broken(replace(motion, particle=None))) for motion in motions) >= 8


def test_the_detection_limit_does_not_depend_on_the_breaking() -> None:
    kept, gone = rotation(flock(1, 20, 200)), rotation(flock(1, 20, 200, drift=0.5))
    assert gone.sigmas > 10
    assert gone.least_um_per_s == pytest.approx(kept.least_um_per_s, rel=0.1)


def test_fewer_than_seven_particles_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 7 particles"):
        verdicts(flock(1, 6, 100))


def test_without_mean_motion_the_equivariance_error_is_nan() -> None:
    """The ratio of noise to noise would be 0.5 to 0.8, although the symmetries hold."""
    still = verdicts(flock(1, 20, 200))
    assert all(np.isnan(one.equivariance_error) and np.isnan(one.relative) and one.kept for one in still)
    moving = {one.group: one for one in verdicts(flock(1, 20, 200, drift=0.5))}
    assert moving["rotation"].equivariance_error > 0.5
    assert moving["reflection of y"].equivariance_error < 0.2


def test_a_symmetry_that_the_data_cannot_test_has_no_detection_limit() -> None:
    """All positions have the same x, so translations along x cannot be tested. Also: motion without noise is tested."""
    draw = np.random.default_rng(1)
    who = np.tile(np.arange(10), 100)
    place = np.stack([np.full(1000, 3.0), draw.uniform(0, 20, 1000)], axis=1)
    found = {one.group: one for one in verdicts(Motion(place, draw.normal(size=(1000, 2)), place * 0, who))}
    assert np.isnan(found["translation along x"].least_um_per_s)
    assert found["translation along y"].least_um_per_s > 0
    exact = Motion(draw.uniform(0, 20, (1000, 2)), np.tile([1.0, 0.0], (1000, 1)), place * 0, who)
    assert broken(exact) == {"rotation", "reflection of x"}


def crystal(seed: int, gradient: float = 0.0, drift: float = 0.0, spread: float = 0.1) -> Motion:
    """50 particles at fixed positions, each with its own mobility, as caused by its surroundings: 10 % spread.

    Forces are strong and noise is weak, so the hold-out by time has almost no uncertainty for each particle.
    """
    draw = np.random.default_rng(seed)
    count, times = 50, 400
    home = draw.uniform(-12, 12, (count, 2))
    own = 1 + spread * draw.normal(size=count)
    who = np.tile(np.arange(count), times)
    force = draw.normal(0, 0.1, (count * times, 2))
    slope = MOBILITY * own[who] * (1 + gradient * home[who, 0])
    noise = draw.normal(0, 0.1, force.shape)
    return Motion(home[who], slope[:, None] * force + np.array([drift, 0.0]) + noise, force, who)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_differences_between_particles_break_no_translation(seed: int) -> None:
    assert broken(crystal(seed)) == set()
    along = broken(crystal(seed, gradient=0.02))
    assert "translation along x" in along
    assert "translation along y" not in along
    assert broken(crystal(seed, drift=0.3)) == {"rotation", "reflection of x"}


def test_without_hold_out_by_particle_translations_seem_broken() -> None:
    fooled = [broken(replace(crystal(seed), particle=None)) for seed in (1, 2, 3)]
    assert sum(any(one.startswith("translation") for one in found) for found in fooled) >= 2


def test_displacements_exclude_carried_particles_and_gaps() -> None:
    time_s = np.tile(np.arange(100) * 0.1, 2)
    particle = np.repeat([4, 9], 100)
    position = np.stack([time_s * np.where(particle == 4, 1.0, 2.0), np.zeros(200)], axis=1)
    usable = np.ones(200, np.bool_)
    usable[150] = False  # particle 9 is carried at 5 s
    gone = ~((particle == 4) & (time_s > 7.0) & (time_s < 8.5))
    made = displacements(time_s[gone], particle[gone], position[gone], position[gone] * 0, usable[gone], 1.0)
    speed = made.velocity_um_per_s[:, 0]
    assert made.particle is not None
    assert np.allclose(speed, np.where(made.particle == 4, 1.0, 2.0))
    assert np.count_nonzero(np.isclose(speed, 1.0)) + np.count_nonzero(np.isclose(speed, 2.0)) == len(speed)
    assert 14 <= len(speed) <= 18
