"""P17 to P22 and P25 compared with the delay equation itself, quadrature and averages over noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from control.potentials.annular import Annular
from control.potentials.gaussian import Gaussian
from control.potentials.gaussian_ring import GaussianRing
from control.potentials.painting import saddle_node_delay_s
from control.theory import active, many
from tests.control.theory.oracles import Floats, spectral_msd, spectral_variance, stepped


@pytest.mark.parametrize("z", [0.5, 4.0, 20.0])
def test_a_ring_carries_p17(z: float) -> None:
    ring = Annular(radius_um=2.0, stiffness_pn_per_um=1.0)

    def velocity(now: Floats, then: Floats) -> Floats:
        away = now - then
        return np.where(away == 0.0, 1.0, np.sign(away)) * ring.radial_force_pn(np.abs(away), kt_pn_um=1.0)

    path = stepped(velocity, np.array([0.0]), delay=z, until=150.0 * z, steps=200)
    measured = float((path[-1] - path[-201]).item() / z)
    assert active.ring_speed_um_per_s(1.0, 2.0, z) == pytest.approx(measured, rel=0.01)
    solved = active.run_speed_um_per_s(
        lambda r: ring.radial_force_pn(r, kt_pn_um=1.0), drag_pn_s_per_um=1.0, delay_s=z, reach_um=5.0
    )
    assert solved == pytest.approx(active.ring_speed_um_per_s(1.0, 2.0, z))


@pytest.mark.parametrize(("drive", "figure"), [(0.9, 0.0), (1.5, 0.9005), (3.0, 1.4823)])
def test_a_hill_behind_carries_p20(drive: float, figure: float) -> None:
    hill = Gaussian(depth_kt=-drive, width_um=1.0)
    solved = active.run_speed_um_per_s(
        lambda r: hill.radial_force_pn(r, kt_pn_um=1.0), drag_pn_s_per_um=1.0, delay_s=1.0, reach_um=6.0
    )
    assert solved == pytest.approx(figure, abs=1e-4)
    assert active.hill_speed_um_per_s(drive, 1.0, 1.0, 1.0) == pytest.approx(figure, abs=1e-4)


@pytest.mark.parametrize("drive", [0.9, 1.5, 3.0])
def test_the_hill_speed_is_reached_p20(drive: float) -> None:
    hill = Gaussian(depth_kt=-drive, width_um=1.0)
    tilt = 1e-3

    def velocity(now: Floats, then: Floats) -> Floats:
        return tilt + hill.radial_force_pn(now - then, kt_pn_um=1.0)

    path = stepped(velocity, np.array([0.0]), delay=1.0, until=60.0, steps=200)
    measured = float((path[-1] - path[-201]).item())
    assert measured == pytest.approx(active.hill_speed_um_per_s(drive, 1.0, 1.0, 1.0), abs=0.02)


def test_a_narrow_ring_begins_to_carry_at_its_saddle_node_p20() -> None:
    ring = GaussianRing(radius_um=1.5, width_um=0.15, depth_kt=8.0)

    def outward(r_um: Floats) -> Floats:
        return ring.radial_force_pn(r_um, kt_pn_um=1.0)

    onset = saddle_node_delay_s(outward, drag_pn_s_per_um=1.0, reach_um=ring.reach_um)
    assert active.narrow_ring_onset_s(8.0, 0.15, 1.5, 1.0) == pytest.approx(onset, rel=0.01)
    below, above = (
        active.run_speed_um_per_s(outward, drag_pn_s_per_um=1.0, delay_s=onset * share, reach_um=ring.reach_um)
        for share in (0.99, 1.01)
    )
    assert below == 0.0
    assert above * onset * 1.01 / 1.5 == pytest.approx(0.916, abs=0.02)


def test_a_too_short_search_range_is_refused() -> None:
    with pytest.raises(ValueError, match="further"):
        active.run_speed_um_per_s(lambda r: r, drag_pn_s_per_um=1.0, delay_s=10.0, reach_um=2.0)


def run(number: int, duration: float) -> tuple[Floats, float, float, float, float]:
    """Displacements over tau [frames, number, 2] of runners on a harmonic ring, with noise from a fixed seed."""
    rate, radius, delay, diffusion, steps = 20.0, 1.0, 0.5, 0.1, 500
    step = delay / steps
    chance = np.random.default_rng(20240831)
    path = np.zeros((steps + 1, number, 2))
    path[:] = np.linspace(-1.0, 0.0, steps + 1)[:, None, None] * np.array([0.9, 0.0])
    kept = []
    for index in range(int(duration / step)):
        now, then = path[index % (steps + 1)], path[(index + 1) % (steps + 1)]
        away = now - then
        r = np.hypot(away[:, 0], away[:, 1])[:, None]
        kick = math.sqrt(2.0 * diffusion * step) * chance.standard_normal((number, 2))
        path[(index + 1) % (steps + 1)] = now + rate * step * (radius - r) / r * away + kick
        if index % 50 == 0:
            kept.append(away.copy())
    return np.array(kept), rate, radius, delay, diffusion


def test_a_runner_forgets_its_heading_p18_p19() -> None:
    """The mean of |r(t) - r(t - tau)| / tau, and the growth of the heading's variance."""
    away, rate, radius, delay, diffusion = run(400, 5.0)
    speed = active.ring_speed_um_per_s(rate, radius, delay)
    late = away[20:]  # after 1 s
    assert np.hypot(late[..., 0], late[..., 1]).mean() / delay == pytest.approx(speed, rel=0.05)
    angle = np.unwrap(np.arctan2(late[..., 1], late[..., 0]), axis=0)
    between = 40 * 50 * delay / 500  # s
    turned = angle[40:] - angle[:-40]
    heading = active.heading_diffusion_rad2_per_s(diffusion, speed, delay)
    assert turned.var() / (2.0 * between) == pytest.approx(heading, rel=0.2)
    time_s, length_um = active.persistence(diffusion, speed, delay)
    assert time_s == pytest.approx(1.0 / heading)
    assert length_um == pytest.approx(speed**3 * delay**2 / (4.0 * diffusion))
    # a persistent walk with these has v^2 / (2 D_phi), in addition to the remainder of its own diffusion
    late_d = active.long_diffusion_um2_per_s(diffusion, rate, speed, delay)
    assert late_d == pytest.approx(speed**2 / (2.0 * heading) + diffusion / 2.0 / (1.0 + rate * delay) ** 2)


def test_the_crossover_of_p19() -> None:
    assert active.crossover_radius_um(0.1, 20.0, 0.5) == pytest.approx(0.37, abs=0.005)


@pytest.mark.parametrize("z", [0.0, 0.5, 3.0])
def test_a_bound_pair_p21(z: float) -> None:
    """The distance obeys u' = -kappa (u + u(t - tau)) + noise of 2 D; the middle is a delayed trap with D / 2."""
    variance = 2.0 * spectral_variance(lambda w: 1j * w + 1.0 + np.exp(-1j * w * z), highest=1000.0)
    assert many.bond_variance_um2(1.0, 1.0, z) == pytest.approx(variance, rel=2e-3)
    short, long = (
        0.5 * spectral_msd(lambda w: 1j * w + 1.0 - np.exp(-1j * w * z), lag, highest=200.0) for lag in (60.0, 160.0)
    )
    late = (long - short) / (2.0 * 100.0)
    assert many.dimer_diffusion_um2_per_s(1.0, 1.0, z) == pytest.approx(late, rel=0.02)


@pytest.mark.parametrize(("first", "second"), [(2.0, 5.0), (5.0, 2.0), (3.0, 3.0)])
def test_an_unequal_pair_runs_p22(first: float, second: float) -> None:
    """0.4984 simulated, 0.5000 predicted: kappa = 1, tau = 2, R_b - R_a = 3."""

    def velocity(now: Floats, then: Floats) -> Floats:
        return -np.array([now[0] - then[1] + first, now[1] - then[0] - second])

    path = stepped(velocity, np.array([0.0, 3.0]), delay=2.0, until=60.0, steps=200)
    measured = float((path[-1] - path[-201]).mean() / 2.0)
    assert many.dimer_speed_um_per_s(1.0, first, second, 2.0) == pytest.approx(measured, abs=1e-4)


@pytest.mark.parametrize("neighbours", [4, 6])
@pytest.mark.parametrize("wobble", [0.02, 0.05, 0.08, 0.12, 0.2, 0.4])
def test_bond_order_of_a_wobbling_lattice_p25(neighbours: int, wobble: float) -> None:
    """Against the integral of cos(n theta) over the Gaussian of a bond; for small displacements, the exponential."""
    angle = np.linspace(-math.pi, math.pi, 2001)[:-1]
    spread = math.sqrt(2.0) * wobble  # of the bond, per axis
    length = np.linspace(max(0.0, 1.0 - 12.0 * spread), 1.0 + 12.0 * spread, 4001)[:, None]
    density = length * np.exp(-(length**2 - 2.0 * length * np.cos(angle) + 1.0) / (2.0 * spread**2))
    measured = float((density * np.cos(neighbours * angle)).sum() / density.sum())
    assert many.bond_order(neighbours, wobble) == pytest.approx(measured, abs=1e-6)
    leading = math.exp(-((neighbours * wobble) ** 2))
    assert many.bond_order(neighbours, wobble) == pytest.approx(leading, abs=8.0 * wobble**2)
    assert many.bond_order(neighbours, 0.0) == 1.0


def test_bond_order_of_the_row_p25() -> None:
    """u / a of a trap of 0.9 pN/um at 295 K, sites 0.56 um apart."""
    wobble = math.sqrt(1.380649e-5 * 295.0 / 0.9) / 0.56
    assert many.bond_order(6, wobble) == pytest.approx(0.58890, abs=1e-5)


@pytest.mark.parametrize("late", [5, 15, 60])
def test_noise_makes_a_runner_faster_p17(late: int) -> None:
    """G = 2 / (1 + 1/m) over the delay of the force, and 2 where there is no hold; 1.875 of 15 frames."""
    rate, radius, hold, diffusion = 25.0, 1.0, 0.0375 / late, 0.1
    z, tau = rate * 0.0375, 0.0375
    v0 = active.ring_speed_um_per_s(rate, radius, tau)
    v = active.seen_ring_speed_um_per_s(
        diffusion, rate, radius, hold_s=hold, frames_late=late, frames_apart=late
    )  # fmt: skip
    gain = (v / v0 - 1.0) * (1.0 + z) * (v0 * tau) ** 2 / (diffusion * tau)
    assert gain == pytest.approx(2.0 / (1.0 + 1.0 / late), rel=1e-6)


@pytest.mark.parametrize("apart", [15, 16, 31])
def test_the_speed_of_a_warm_runner_p17(apart: int) -> None:
    """The law with hold itself, in pairs with opposite noise, so that the first order cancels in their mean."""
    rate, radius, hold, late, diffusion = 25.0, 1.0, 0.0025, 15, 0.113
    v0 = active.ring_speed_um_per_s(rate, radius, late * hold)
    chance = np.random.default_rng(17)
    half, frames = 8000, 420
    past = [np.tile([v0 * hold * step, 0.0], (2 * half, 1)) for step in range(-apart - late, 1)]
    found = []
    for frame in range(frames):
        away = past[-1] - past[-1 - late]
        rho = np.hypot(away[:, 0], away[:, 1])[:, None]
        kick = math.sqrt(2.0 * diffusion * hold) * chance.standard_normal((half, 2))
        past.append(past[-1] + rate * hold * (radius - rho) / rho * away + np.concatenate([kick, -kick]))
        past.pop(0)
        if frame >= 120 and frame % 20 == 0:
            found.append(np.hypot(*(past[-1] - past[-1 - apart]).T) / (apart * hold))
    pairs = np.mean(found, axis=0).reshape(2, half).mean(axis=0)  # [half]
    stderr = float(pairs.std(ddof=1) / math.sqrt(half))
    predicted = active.seen_ring_speed_um_per_s(
        diffusion, rate, radius, hold_s=hold, frames_late=late, frames_apart=apart
    )  # fmt: skip
    assert stderr < 5e-4 * v0
    assert float(pairs.mean()) == pytest.approx(predicted, abs=4.0 * stderr + 4e-4 * v0)  # and the next order in D


@pytest.mark.parametrize("late", [4, 32])
def test_a_kick_turns_a_runner_by_two_over_its_delay_and_age_p18_p19(late: int) -> None:
    """tau + a = (m + 1) dt: the direction of a run with v dt = 1 is the late slope of its response to a kick of 1."""
    response = active.across(late, 60 * late)
    assert response[-1] - response[-2] == pytest.approx(2.0 / (late + 1), rel=1e-6)


@pytest.mark.parametrize("neighbours", [4, 6, 12])
def test_random_bonds_have_a_finite_bond_order_p25(neighbours: int) -> None:
    chance = np.random.default_rng(26)
    angle = chance.uniform(0.0, 2.0 * math.pi, (200000, neighbours))
    measured = np.abs(np.exp(1j * angle).mean(axis=1)).mean()
    assert many.random_bond_order(neighbours) == pytest.approx(measured, abs=0.003)


def test_the_next_order_is_small_where_the_run_is_long_p19() -> None:
    """It is of order D / (v^2 tau), 1.96 of it at z = 2 with 32 frames to a delay; the rest is the first order."""
    v = active.ring_speed_um_per_s(12.5, 1.3, 0.16)
    for diffusion in (1e-4, 0.1):
        found = active.ring_long_diffusion_um2_per_s(diffusion, 12.5, 1.3, hold_s=0.005, frames_late=32)
        turn_hz = active.heading_diffusion_rad2_per_s(diffusion, v, 0.165)
        more = (found - diffusion / 18.0) / (v**2 / (2.0 * turn_hz)) - 1.0
        assert more == pytest.approx(1.96 * diffusion / (v**2 * 0.165), rel=1e-3)


@pytest.mark.slow
def test_the_late_diffusion_of_a_warm_runner_p19() -> None:
    """An independent simulation in the plane: 6000 runners for 110 s."""
    rate, radius, hold, late, diffusion = 12.5, 1.3, 0.005, 32, 0.11314
    chance, number = np.random.default_rng(19), 6000
    every = 10  # steps between two stored positions
    past = np.zeros((late + 1, number, 2))
    past[:, :, 0] = active.ring_speed_um_per_s(rate, radius, late * hold) * hold * np.arange(late + 1)[:, None]
    place, kept = past[-1].copy(), []
    for step in range(22_000):
        apart = place - past[step % (late + 1)]
        length = np.linalg.norm(apart, axis=1, keepdims=True)
        place = place + rate * hold * (radius / length - 1.0) * apart
        place += math.sqrt(2.0 * diffusion * hold) * chance.standard_normal(place.shape)
        past[step % (late + 1)] = place
        if step >= 2000 and step % every == 0:
            kept.append(place)
    path = np.array(kept)
    near, far = round(5.0 / (hold * every)), round(10.0 / (hold * every))
    msd = [((path[lag:] - path[:-lag]) ** 2).sum(axis=2).mean(axis=0) for lag in (near, far)]
    found = (msd[1] - msd[0]) / (4.0 * 5.0)
    stderr = float(found.std() / math.sqrt(number))
    predicted = active.ring_long_diffusion_um2_per_s(
        diffusion, rate, radius, hold_s=hold, frames_late=late, near_s=5.0, far_s=10.0
    )
    assert stderr < 5e-3 * predicted
    assert float(found.mean()) == pytest.approx(predicted, abs=3.0 * stderr + 5e-3 * predicted)
