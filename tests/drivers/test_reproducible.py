"""The simulated world bit for bit: which inputs change it, and which do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.contract import Fault
from drivers.sim.sample import Sample
from drivers.sim.stage import Stage, Visits
from drivers.sim.world import World

STAGE = Stage(frames_kept=8, laser_noise=0.02, jitter_um=0.005, warm_up_s=0.05)
SAMPLE = Sample(number=4, arrangement="square", spacing_um=2.05)
END_NS = 60_000_000


def visits(due_ns: int, count: int, until_ns: int = 2**62) -> Visits:
    spots = np.linspace(0.0, 1.0, count)[:, None] * np.ones(2)
    return Visits(spots, np.full(count, 200.0), np.full(count, 150_000, np.int64), 10_000, due_ns, until_ns)


PROGRAM = [  # (sent at, light)
    (0, visits(1_300_000, 1)),
    (12_345_678, visits(14_000_001, 3)),
    (20_000_000, visits(27_777_777, 1)),
    (21_000_000, visits(25_000_000, 2, until_ns=33_333_333)),  # overtakes the previous one
    (50_000_000, visits(50_000_000, 5)),
]


def play(cuts: list[int], seed: int = 1, replica: int = 0) -> tuple[bytes, bytes]:
    world = World(SAMPLE, STAGE, seed=seed, replica=replica)
    for at_ns in sorted({*cuts, *(sent for sent, _ in PROGRAM), END_NS}):
        world.advance(at_ns)
        for sent, light in PROGRAM:
            if sent == at_ns:
                world.put(light)
    seen = [world.exposed(number).tobytes() for number in range(6)]
    return world.position_um.tobytes(), b"".join(seen)


WHOLE = play([])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, END_NS), max_size=40))
def test_the_division_of_time_into_calls_does_not_matter(cuts: list[int]) -> None:
    assert play(cuts) == WHOLE


def test_seed_and_replica_change_the_motion() -> None:
    assert len({WHOLE, play([], seed=2), play([], replica=1)}) == 3


def test_light_expires_without_a_new_command() -> None:
    world = World(SAMPLE, STAGE)
    world.put(visits(1_000_000, 1, until_ns=5_000_000))
    world.advance(4_000_000)
    assert len(world.visits.depth_kt) == 1
    world.advance(6_000_000)
    assert len(world.visits.depth_kt) == 0


def test_a_dark_command_cancels_light_that_is_not_yet_on() -> None:
    world = World(SAMPLE, STAGE)
    world.put(visits(9_000_000, 1))
    world.darken(2_000_000)
    world.advance(20_000_000)
    assert len(world.visits.depth_kt) == 0


def test_a_past_frame_and_one_not_yet_exposed_are_refused() -> None:
    world = World(SAMPLE, STAGE)
    world.advance(200_000_000)
    assert np.isfinite(world.exposed(19)).all()
    for number in (11, 20):
        with pytest.raises(ValueError, match="not among"):
            world.exposed(number)


def test_diverging_positions_are_a_fault() -> None:
    sample = Sample(number=1, force_gradient_pn_per_um=(1e4, 0.0), force_pn=(1.0, 0.0))
    world = World(sample, STAGE)
    with pytest.raises(Fault, match="flew apart"):
        world.advance(1_000_000_000)
