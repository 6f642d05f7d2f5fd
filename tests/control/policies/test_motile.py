"""Self-propelled particles that react to what they perceive: vision and quorum sensing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.contract import Seen, Tracks
from control.history import History, Sighting
from control.plant import Plant
from control.policies.force_context import Now
from control.policies.motile import Motile

HOLD_S = 0.01


def now(was: list[tuple[float, float]], is_: list[tuple[float, float]], cells: list[int] | None = None) -> Now:
    """Particles that moved from `was` to `is_` in the last 0.5 s before the answer acts."""
    who = np.arange(len(is_))
    history = History(10.0)
    for time_s, place in ((0.0, was), (0.5 + HOLD_S, is_)):
        history = history.push(Sighting(time_s, who, np.array(place, np.float64)))
    tracks = Tracks(
        0.5 + HOLD_S, who, np.array(is_, np.float64), np.zeros(len(who), np.uint8), np.zeros(len(who), np.int64),
        np.array(cells or [0] * len(who)),
    )  # fmt: skip
    return Now.of(Seen(tracks, history, 0.5 - HOLD_S / 2, HOLD_S), Plant(), (0.0, 0.0))


def test_a_particle_moves_on_towards_particles_in_its_field_of_view() -> None:
    """The first moves along x towards the second; the second moves away, with no particle in its field of view."""
    seen = now([(-1, 0), (2, 0)], [(0, 0), (3, 0)])
    law = Motile(drive_pn=0.1, delay_s=0.5, half_angle_deg=60, threshold=1.0 / (2 * np.pi * 3.1))
    assert law.pull(seen).force_pn == pytest.approx(np.array([[0.1, 0.0], [0.0, 0.0]]))


def test_a_quorum_is_counted_in_all_directions() -> None:
    seen = now([(-1, 0), (2, 0), (-1, 90)], [(0, 0), (3, 0), (0, 90)])
    law = Motile(drive_pn=0.1, delay_s=0.5, perceives="quorum", length_um=5.0, threshold=0.5, moves="below")
    assert law.perceived(seen, np.zeros((3, 2)))[:2] == pytest.approx(np.exp(-3 / 5) * np.ones(2), abs=1e-6)
    moving = np.hypot(*law.pull(seen).force_pn.T)
    assert moving == pytest.approx([0.0, 0.0, 0.1])  # only the particle without neighbours


def test_particles_of_other_cells_are_not_perceived() -> None:
    seen = now([(-1, 0), (2, 0)], [(0, 0), (3, 0)], [0, 1])
    assert Motile(threshold=1e-6, delay_s=0.5).perceived(seen, np.ones((2, 2))).tolist() == [0.0, 0.0]


def test_an_unknown_past_position_gives_an_unknown_force() -> None:
    seen = now([(np.nan, np.nan), (2, 0)], [(0, 0), (3, 0)])
    force_pn = Motile(delay_s=0.5, threshold=1e-3).pull(seen).force_pn
    assert np.isnan(force_pn[0]).all()
    assert np.isfinite(force_pn[1]).all()


@given(st.floats(0.0, 2.0 * np.pi), st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=6))
def test_the_force_rotates_with_the_positions(angle_rad: float, place: list[tuple[float, float]]) -> None:
    turn = np.array([[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]])
    is_ = np.array(place) + 0.37 * np.arange(len(place))[:, None]
    was = is_ - np.array([0.6, 0.3])
    law = Motile(drive_pn=0.1, delay_s=0.5, threshold=0.05)
    straight = law.pull(now([*map(tuple, was)], [*map(tuple, is_)])).force_pn
    turned = law.pull(now([*map(tuple, was @ turn.T)], [*map(tuple, is_ @ turn.T)])).force_pn
    assert turned == pytest.approx(straight @ turn.T, abs=1e-9)


def test_a_law_without_a_delay_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a delay_s"):
        Motile(delay_s=None)
    assert "steered" in Motile().why_not_painted()
