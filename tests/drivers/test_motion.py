"""The physics of the simulated world against closed forms and quadrature. wca_kt=0: particles are independent."""

import numpy as np
import pytest
from scipy.integrate import quad

from config.refused import Refused
from control.contract import Floats
from control.plant import BOLTZMANN_PN_UM_PER_K
from drivers.sim.kernels import relative_power
from drivers.sim.sample import MixtureSpecies, Sample
from drivers.sim.stage import Stage, Visits
from drivers.sim.world import World

MILLI = 1_000_000  # ns
MIDDLE = (12.8, 12.8)
STAGE = Stage(middle_um=MIDDLE)
KT = BOLTZMANN_PN_UM_PER_K * 295.0
DRAG = 0.036
D = KT / DRAG
WAIST = 0.6


def trap(*spots: tuple[float, float, float], dwell_ns: int = 100_000, settle_ns: int = 0, due_ns: int = 0) -> Visits:
    """(x um from the middle, y, depth kT) each."""
    spot = np.array(spots)
    place = spot[:, :2] + np.array(MIDDLE)
    return Visits(place, spot[:, 2], np.full(len(spot), dwell_ns, np.int64), settle_ns, due_ns)


def independent(number: int, **changes: object) -> Sample:
    points = tuple((0.0, 0.0) for _ in range(number))
    fixed = {"number": number, "arrangement": "points", "points_um": points, "wca_kt": 0.0}
    return Sample(**{**fixed, **changes})  # type: ignore[arg-type]


def watch(world: World, start_ms: int, times: int, every_ns: int) -> Floats:
    """[times, N, 2] positions from the middle."""
    world.advance(start_ms * MILLI)
    found = []
    for step in range(times):
        world.advance(start_ms * MILLI + step * every_ns)
        found.append(world.position_um - np.array(MIDDLE))
    return np.array(found)


@pytest.mark.parametrize("depth_kt", [12.0, 1000.0])
def test_equipartition_in_a_gaussian_trap_within_one_percent_of_quadrature(depth_kt: float) -> None:
    world = World(independent(4000), STAGE, seed=11)
    world.put(trap((0.0, 0.0, depth_kt)))
    seen = watch(world, 300, 30, round(600 / depth_kt * MILLI))

    def weight(rho: float) -> float:
        return float(rho * np.exp(depth_kt * np.exp(-2 * rho**2 / WAIST**2) - depth_kt))

    edge = 0.5 if depth_kt < 100 else 0.1  # the few particles that are escaping are excluded from both
    inside = np.hypot(seen[..., 0], seen[..., 1]) < edge
    expected = quad(lambda rho: rho**2 * weight(rho), 0, edge)[0] / quad(weight, 0, edge)[0]
    assert (seen[inside] ** 2).sum(axis=-1).mean() == pytest.approx(expected, rel=0.01)
    assert expected > (1.0 + 0.6 / depth_kt) * 2 / (4 * depth_kt / WAIST**2)  # more than the harmonic answer


def test_free_particles_diffuse() -> None:
    world = World(independent(4000), STAGE, seed=12)
    world.advance(500 * MILLI)
    moved = world.position_um - np.array(MIDDLE)
    assert moved.mean(axis=0) == pytest.approx([0, 0], abs=4 * np.sqrt(2 * D * 0.5 / 4000))
    assert (moved**2).mean() == pytest.approx(2 * D * 0.5, rel=4 * np.sqrt(2 / 8000))
    assert (moved**4).mean() / (moved**2).mean() ** 2 == pytest.approx(3.0, abs=0.3)


def test_drift_and_hidden_force_move_all_particles() -> None:
    sample = independent(2000, drift_um_per_s=(2.0, -1.0), force_pn=(0.0, 0.036))
    world = World(sample, STAGE, seed=13)
    world.advance(500 * MILLI)
    moved = (world.position_um - np.array(MIDDLE)).mean(axis=0)
    assert moved == pytest.approx([1.0, 0.0], abs=4 * np.sqrt(2 * D * 0.5 / 2000))


def test_a_dragged_particle_lags_by_drag_over_stiffness() -> None:
    """P30."""
    speed, depth_kt = 2.0, 100.0
    stiffness = 4 * depth_kt * KT / WAIST**2
    world = World(independent(4000, drift_um_per_s=(speed, 0.0)), STAGE, seed=14)
    world.put(trap((0.0, 0.0, depth_kt)))
    seen = watch(world, 100, 10, 20 * MILLI)
    lag = DRAG * speed / stiffness
    assert seen[..., 0].mean() == pytest.approx(lag, rel=0.02)
    assert seen[..., 1].mean() == pytest.approx(0.0, abs=0.02 * lag)


@pytest.mark.parametrize(("share_of_cycle", "seed"), [(0.5, 15), (0.25, 16)])
def test_time_sharing_widens_a_trap_as_predicted(share_of_cycle: float, seed: int) -> None:
    """P26: <x^2> = D/(kappa f) (1 + (1-f)^2 (kappa f T)^2 / 3); the beam is elsewhere for the rest of T."""
    depth_kt = 1600.0  # deep: its anharmonicity adds 0.5 % at most
    kappa = 4 * depth_kt * KT / WAIST**2 / DRAG
    cycle_ns = 500_000
    on_ns = round(share_of_cycle * cycle_ns)
    away = trap((0.0, 0.0, depth_kt), (9.0, 9.0, depth_kt))
    visits = Visits(away.spot_um, away.depth_kt, np.array([on_ns, cycle_ns - on_ns]))
    stage = Stage(middle_um=MIDDLE, period_s=0.0101, exposure_s=0.01, sub_exposures=20)  # samples at all phases
    world = World(independent(1500), stage, seed=seed)
    world.put(visits)
    world.advance(50 * MILLI)
    seen = []
    for frame in range(5, 25):
        world.advance((frame + 1) * world.period_ns)
        seen.append(world.exposed(frame) - np.array(MIDDLE))
    narrow = kappa * share_of_cycle * cycle_ns * 1e-9
    expected = D / (kappa * share_of_cycle) * (1 + (1 - share_of_cycle) ** 2 * narrow**2 / 3)
    assert (np.array(seen) ** 2).mean() == pytest.approx(expected, rel=0.02)


def test_short_visits_act_as_their_mean_depth() -> None:
    """Ten visits of one position, 5 us each with 5 us dark between them, equal one spot of half the depth."""
    shared = World(independent(300), STAGE, seed=17)
    shared.put(trap(*[(0.1, 0.0, 40.0)] * 10, dwell_ns=5000, settle_ns=5000))
    alone = World(independent(300), STAGE, seed=17)
    alone.put(trap((0.1, 0.0, 20.0)))
    shared.advance(300 * MILLI)
    alone.advance(300 * MILLI)
    assert np.abs(shared.position_um - alone.position_um).max() < 1e-9


def test_the_distance_of_touching_pairs_is_boltzmann_distributed() -> None:
    """Pairs in a harmonic potential, each in its own cell; also: different cells do not interact."""
    pairs, bowl = 300, 0.02  # pN/um
    points = ((-1.05, 0.0), (1.05, 0.0))
    gradient = (-bowl, -bowl)
    sample = Sample(number=2, cells=pairs, arrangement="points", points_um=points, force_gradient_pn_per_um=gradient)
    world = World(sample, STAGE, seed=18)
    seen = watch(world, 2000, 30, 300 * MILLI).reshape(-1, pairs, 2, 2)
    apart = np.hypot(*np.moveaxis(seen[:, :, 0] - seen[:, :, 1], -1, 0))
    sigma = 2.0

    def weight(r: float) -> float:
        six = (sigma / r) ** 6
        wca = 10.0 * (4 * six * (six - 1) + 1) if r < 2 ** (1 / 6) * sigma else 0.0
        return float(r * np.exp(-wca - bowl * r**2 / (4 * KT)))

    top = quad(lambda r: r * weight(r), 1.5, 8, limit=200)[0]
    expected = top / quad(weight, 1.5, 8, limit=200)[0]
    assert apart.mean() == pytest.approx(expected, rel=0.01)
    assert apart.min() > 0.9 * sigma


def test_the_laser_warms_up_and_is_noisy() -> None:
    stage = Stage(middle_um=MIDDLE, warm_up_s=0.02, laser_noise=0.05)
    medium = World(Sample(), stage, seed=25)._medium
    power = np.array([relative_power(tick * MILLI, medium) for tick in range(5000)])
    assert power[5] == pytest.approx(1 - np.exp(-0.25), abs=0.2)
    assert power[1000:].mean() == pytest.approx(1.0, abs=0.004)
    assert power[1000:].std() == pytest.approx(0.05, rel=0.05)
    assert np.corrcoef(power[1001:], power[1000:-1])[0][1] == pytest.approx(0.0, abs=0.05)


def test_a_wandering_spot_shakes_its_particle() -> None:
    """x' = a x + (1 - a) wander in each tick, with a = exp(-kappa 1 ms)."""
    wander_um, depth_kt = 0.04, 1000.0
    world = World(Sample(), Stage(middle_um=MIDDLE, jitter_um=wander_um), seed=26)
    world.put(trap((0.0, 0.0, depth_kt)))
    seen = watch(world, 100, 6000, MILLI)
    kappa = 4 * depth_kt * KT / WAIST**2 / DRAG
    a = np.exp(-kappa * 1e-3)
    expected = wander_um**2 * (1 - a) / (1 + a) + D / kappa
    assert (seen**2).mean() == pytest.approx(expected, rel=0.08)


def test_walls_keep_all_particles_in_the_box() -> None:
    sample = Sample(number=60, arrangement="random", walls=True, box_um=(3.0, 5.0), wca_kt=0.0)
    world = World(sample, STAGE, seed=19)
    seen = watch(world, 1000, 20, 1000 * MILLI)
    assert (np.abs(seen) <= [1.5, 2.5]).all()
    assert (seen**2).mean(axis=(0, 1)) == pytest.approx([3.0**2 / 12, 5.0**2 / 12], rel=0.15)


def test_species_differ_in_drag_and_response() -> None:
    """Half drag: twice the diffusion. Twice the response: half the variance in a trap."""
    kinds = (MixtureSpecies(share=1.0), MixtureSpecies(share=1.0, drag_ratio=0.5, response=2.0))
    sample = independent(2000, species=kinds)
    free = World(sample, STAGE, seed=20)
    free.advance(500 * MILLI)
    moved = ((free.position_um - np.array(MIDDLE)) ** 2).mean(axis=1)
    assert np.bincount(free.species).tolist() == [1000, 1000]
    assert moved[free.species == 1].mean() / moved[free.species == 0].mean() == pytest.approx(2.0, rel=0.15)
    held = World(sample, STAGE, seed=21)
    held.put(trap((0.0, 0.0, 100.0)))
    seen = (watch(held, 100, 10, 30 * MILLI) ** 2).mean(axis=(0, 2))
    assert seen[held.species == 0].mean() / seen[held.species == 1].mean() == pytest.approx(2.0, rel=0.06)


def test_a_hidden_light_gradient_makes_one_side_stiffer() -> None:
    sample = independent(2000, light_gradient_per_um=(0.1, 0.0))
    ratios = []
    for x_um in (-2.0, 2.0):
        world = World(independent(2000, light_gradient_per_um=sample.light_gradient_per_um), STAGE, seed=22)
        world.put(trap((0.0, 0.0, 200.0)))
        world.advance(5 * MILLI)
        for step in range(20):  # carried there in steps shorter than the waist
            world.put(trap((x_um * (step + 1) / 20, 0.0, 200.0), due_ns=world.now_ns))
            world.advance(world.now_ns + 20 * MILLI)
        ratios.append(world.position_um.var(axis=0).mean())
    assert ratios[0] / ratios[1] == pytest.approx(1.2 / 0.8, rel=0.12)


@pytest.mark.parametrize(
    ("arrangement", "number"), [("hexagonal", 7), ("square", 9), ("grid", 16), ("line", 5), ("random", 20), ("one", 1)]
)
def test_arrangements_are_centred_and_spaced(arrangement: str, number: int) -> None:
    sample = Sample(number=number, arrangement=arrangement, spacing_um=2.5)  # type: ignore[arg-type]
    start = World(sample, STAGE, seed=23).position_um
    apart = np.hypot(*(start[:, None] - start[None]).transpose(2, 0, 1))[~np.eye(number, dtype=bool)]
    if arrangement != "random":
        assert start.mean(axis=0) == pytest.approx(MIDDLE)
        assert apart.min(initial=2.5) == pytest.approx(2.5)
    else:
        assert apart.min() >= 2.0


def test_a_disturbed_crystal_does_not_begin_with_overlaps() -> None:
    sample = Sample(number=37, arrangement="hexagonal", spacing_um=2.1, disturbance_um=0.4)
    start = World(sample, STAGE, seed=24).position_um
    apart = np.hypot(*(start[:, None] - start[None]).transpose(2, 0, 1))[~np.eye(37, dtype=bool)]
    assert apart.min() > 0.99 * 2.0


def test_a_sample_that_has_no_room_is_refused() -> None:
    with pytest.raises(Refused, match="room"):
        World(Sample(number=500, arrangement="random"), STAGE)
