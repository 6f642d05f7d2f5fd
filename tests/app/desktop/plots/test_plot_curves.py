"""Curves use the times of the frames, not the frame rate set for the camera."""

from __future__ import annotations

import numpy as np
import pytest

from app.analysis.predicted_motion import predicted_msd_um2
from app.desktop.plots.plot_curves import Measurement, msd, speed
from config.reader import build, parse
from control.allocate import LightModel
from control.contract import State, Tracks
from control.experiment import Experiment
from control.plant import Plant
from control.theory.conditions import Conditions

ASKED_HZ, CAME_HZ, SPEED_UM_PER_S = 30.0, 20.0, 2.0
MEANS = Conditions(Plant(), LightModel(0.6, 5.0, Plant().kt_pn_um, 200.0), 0.015, 1.0 / ASKED_HZ)


def measured() -> Measurement:
    """A particle of constant velocity; the camera is set to 30 frames per second and gives 20."""
    shape = "{kind: annular, radius_um: 1.0, stiffness_pn_per_um: 0.9}"
    text = f"{{title: t, policy: {{kind: programmed, forces: [{{kind: self, delay_s: 0.5, shape: {shape}}}]}}}}"
    law: Experiment = build(parse(text, "t"), Experiment)
    one = np.zeros(1, np.int64)
    tracks = tuple(
        Tracks(n / CAME_HZ, one, np.array([[SPEED_UM_PER_S * n / CAME_HZ, 0.0]]), np.full(1, State.GOOD), one, one)
        for n in range(100)
    )
    return Measurement(tracks, law, MEANS, law)


def test_lags_and_predictions_use_the_measured_frame_rate() -> None:
    """Regression: with the rate set for the camera, the lags were wrong, and the hold of the prediction too short."""
    of = measured()
    assert of.conditions is not None
    assert of.conditions.hold_s == pytest.approx(1.0 / CAME_HZ)
    found, _, predicted = msd(of).curves
    assert found.y == pytest.approx((SPEED_UM_PER_S * found.x) ** 2)
    assert found.x[0] == pytest.approx(1.0 / CAME_HZ)
    assert of.law is not None
    right = predicted_msd_um2(of.law, of.conditions, found.x)
    assert right is not None
    assert predicted.y == pytest.approx(right)
    found, _ = speed(of).curves
    assert found.y is not None
    known = found.y[np.isfinite(found.y)]
    assert len(known) == 90
    assert known == pytest.approx(SPEED_UM_PER_S)
