"""A particle is carried only if there is a direction to the middle region; all forces are finite."""

from __future__ import annotations

import numpy as np
import pytest

from control.allocate import LightModel, allocate
from control.contract import DARK, Forces, Seen, State, Tracks
from control.history import History
from control.loop import not_finite
from control.policies.keep_in_field import KeepInField, Kept

LIGHT = LightModel(waist_um=1.0, depth_kt_per_mw=1.0, kt_pn_um=0.004, power_mw=50.0)


class Nothing:
    """A law without forces."""

    longest_delay_s = 0.0

    def start(self) -> None:
        return None

    def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
        return None, Forces()


def carried(margin_um: float, *place_um: tuple[float, float]) -> tuple[Tracks, Forces]:
    kept = Kept(Nothing(), KeepInField(margin_um=margin_um, release_um=1.0), LIGHT, (-5.0, -5.0), (5.0, 5.0))
    count = len(place_um)
    tracks = Tracks(0.0, np.arange(count), np.array(place_um), np.full(count, State.GOOD, np.uint8))
    return tracks, kept.step(kept.start(), Seen(tracks, History(1.0), 0.0, 0.01, DARK))[1]


@pytest.mark.parametrize("place_um", [(0.0, 0.0), (1.0, -1.0), (0.3, 0.9)])
def test_a_particle_in_the_middle_region_is_not_carried(place_um: tuple[float, float]) -> None:
    tracks, wanted = carried(6.0, place_um, (4.0, 0.0))
    assert wanted.particle.tolist() == [1]
    assert np.isfinite(wanted.force_pn).all()
    assert not_finite(wanted) == ()
    command, _ = allocate(LIGHT, tracks, wanted)
    assert np.isfinite(command.position_um).all()
    assert len(command) == 1


def test_a_direction_whose_square_underflows_is_used() -> None:
    kept = Kept(Nothing(), KeepInField(), LIGHT, (-5.0, -5.0), (5.0, 5.0))
    wanted = kept.carry(Forces(), np.array([0]), np.array([[3e-200, 4e-200]]), ())
    reach_pn = LIGHT.stiffness_pn_per_um * LIGHT.waist_um / 2.0
    np.testing.assert_allclose(wanted.force_pn, [[0.6 * reach_pn, 0.8 * reach_pn]])
