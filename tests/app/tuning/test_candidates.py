"""Kept and rejected candidates in one image."""

from __future__ import annotations

import numpy as np
import pytest

from app.tuning.candidates import candidates
from tracking.settings import Tracking


def test_a_faint_spot_is_a_rejected_candidate() -> None:
    y, x = np.mgrid[:64, :64]
    image = np.full((64, 64), 20.0)
    for column, row, peak in ((16, 20, 180.0), (44, 40, 25.0)):
        image += peak * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 8.0)
    found = candidates(Tracking(diameter_px=9, minmass=1000.0), image.astype(np.uint8))
    assert found.kept_px == pytest.approx(np.array([[16.0, 20.0]]), abs=0.3)
    assert np.hypot(*(found.rejected_px - (44, 40)).T).min() < 1.0
    assert np.hypot(*(found.rejected_px - (16, 20)).T).min() > 5.0


def test_an_empty_image_has_no_candidates() -> None:
    found = candidates(Tracking(), np.zeros((64, 64), np.uint8))
    assert len(found.kept_px) == len(found.rejected_px) == 0
