"""Work and heat where the light pauses, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from app.analysis.findings import heat_rate
from app.analysis.heat import work_and_heat

KAPPA_HZ, D, FRAME_S, DEPTH_KT = 25.0, 0.1, 0.01, 4000.0
WAIST_UM = math.sqrt(4.0 * DEPTH_KT * D / KAPPA_HZ)  # so wide that the spot is harmonic: kappa = 4 U D / (kT w^2)
LIT, DARK = 20, 8  # frames in a cycle


def blinking(cycles: int, many: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(tracks, commands, turns) of particles in one spot. A cycle has LIT frames with light and DARK frames without."""
    chance, number = np.random.default_rng(6), cycles * (LIT + DARK) + 1
    lit = np.arange(number) % (LIT + DARK) < LIT
    keep = math.exp(-KAPPA_HZ * FRAME_S)
    place = np.zeros((number, many, 2))
    place[0] = math.sqrt(D / KAPPA_HZ) * chance.normal(size=(many, 2))
    for n in range(1, number):  # exact steps; the light is that of the preceding frame
        spread = D / KAPPA_HZ * (1.0 - keep**2) if lit[n - 1] else 2.0 * D * FRAME_S
        place[n] = (keep if lit[n - 1] else 1.0) * place[n - 1] + math.sqrt(spread) * chance.normal(size=(many, 2))
    turn = np.arange(number)
    seen = pd.DataFrame({"frame": np.repeat(turn, many), "time_s": FRAME_S * np.repeat(turn, many),
                         "particle": np.tile(np.arange(many), number),
                         "x_um": place[..., 0].ravel(), "y_um": place[..., 1].ravel()})  # fmt: skip
    spots = pd.DataFrame({"command": "sent", "turn": turn[lit], "effect_s": FRAME_S * turn[lit], "x_um": 0.0,
                          "y_um": 0.0, "power_mw": DEPTH_KT, "dwell_s": 1e-4})  # fmt: skip
    return seen, spots, pd.DataFrame({"turn": turn, "sent_effect_s": FRAME_S * turn})


def test_the_heat_of_a_blinking_trap_is_the_energy_gained_in_the_dark() -> None:
    """2 kappa t_dark kT per cycle for both axes: k/2 2 D t_dark each. Regression: 0, because dark turns were not
    counted."""
    found = work_and_heat(*blinking(16, 300), waist_um=WAIST_UM, depth_kt_per_mw=1.0, diffusion_um2_per_s=D)
    assert found["lasted_s"].to_numpy() == pytest.approx(FRAME_S)
    seconds = found["lasted_s"].sum()
    power, error = heat_rate(found[np.isfinite(found["heat_kt"])])
    expected = 2.0 * KAPPA_HZ * DARK / (LIT + DARK)
    assert error < 0.05 * expected  # from blocks of two cycles each
    assert power == pytest.approx(expected, abs=4.0 * error)
    assert found["work_kt"].sum() / seconds == pytest.approx(expected, abs=4.0 * error)


def test_a_missing_turn_does_not_change_the_heat_rate() -> None:
    """Regression: work per change times the frame rate was 1.25 times too large when a fifth of the turns was lost."""
    seen, spots, turns = blinking(5, 50)
    lost = turns["turn"][turns["turn"] % (LIT + DARK) % 5 == 3]
    kept = spots[~spots["turn"].isin(lost)], turns[~turns["turn"].isin(lost)]
    every, fewer = (
        work_and_heat(seen, *light, waist_um=WAIST_UM, depth_kt_per_mw=1.0, diffusion_um2_per_s=D).dropna()
        for light in ((spots, turns), kept)
    )
    assert len(fewer) < 0.85 * len(every)  # the light of a lost turn is that of the preceding turn
    assert heat_rate(fewer)[0] == pytest.approx(heat_rate(every)[0], rel=1e-12)


def test_darkness_acts_before_light_that_is_due_later() -> None:
    """The light of the second turn is due at 25 ms and is switched off at 20 ms: it does no work."""
    seen = pd.DataFrame({"frame": range(5), "time_s": np.arange(5) * FRAME_S, "particle": 0, "x_um": 0.1, "y_um": 0.0})
    spots = pd.DataFrame({"command": "sent", "turn": [0, 1], "effect_s": [0.005, 0.025], "x_um": [0.0, 0.2],
                          "y_um": 0.0, "power_mw": 4.0, "dwell_s": 1e-4})  # fmt: skip
    turns = pd.DataFrame({"turn": [0, 1, 2], "sent_effect_s": [0.005, 0.025, 0.020]})
    work = work_and_heat(seen, spots, turns, waist_um=0.6, depth_kt_per_mw=5.0, diffusion_um2_per_s=0.0)
    assert work["time_s"].tolist() == [0.020]
    assert work["work_kt"].tolist() == pytest.approx([20.0 * math.exp(-2.0 * 0.1**2 / 0.36)])
    assert work["lasted_s"].tolist() == pytest.approx([0.015])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8])
def test_the_heat_of_light_that_changes_between_two_frames(share: float) -> None:
    """A trap jumps back and forth by 0.2 um, without noise: the heat is the exact energy loss of the relaxation. A
    straight path between frames misses some 15 % of it; with the curvature of the path the error is of the next
    order."""
    number, way_um, at_um = 60, 0.2, np.zeros(61)
    lost_kt, before_um, trap_um = 0.0, 0.0, 0.0
    for n in range(number):
        middle_um = trap_um + (at_um[n] - trap_um) * math.exp(-KAPPA_HZ * share * FRAME_S)
        if n > 1:  # from the second command on
            lost_kt += 0.5 * KAPPA_HZ / D * ((before_um - trap_um) ** 2 - (middle_um - trap_um) ** 2)
        before_um, trap_um = middle_um, way_um * (n // 2 % 2)
        at_um[n + 1] = trap_um + (middle_um - trap_um) * math.exp(-KAPPA_HZ * (1.0 - share) * FRAME_S)
    turn = np.arange(number)
    seen = pd.DataFrame({"frame": range(number + 1), "time_s": FRAME_S * np.arange(number + 1), "particle": 0,
                         "x_um": at_um, "y_um": 0.0})  # fmt: skip
    effect_s = FRAME_S * (turn + share)
    spots = pd.DataFrame({"command": "sent", "turn": turn, "effect_s": effect_s, "x_um": way_um * (turn // 2 % 2),
                          "y_um": 0.0, "power_mw": DEPTH_KT, "dwell_s": 1e-4})  # fmt: skip
    turns = pd.DataFrame({"turn": turn, "sent_effect_s": effect_s})
    found_kt, straight_kt = (
        work_and_heat(
            seen, spots, turns, waist_um=WAIST_UM, depth_kt_per_mw=1.0, diffusion_um2_per_s=d
        )["heat_kt"].sum()
        for d in (D, 0.0)
    )  # fmt: skip
    assert abs(found_kt - lost_kt) < 0.12 * abs(straight_kt - lost_kt)
    assert found_kt == pytest.approx(lost_kt, rel=0.02)
