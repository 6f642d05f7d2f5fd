"""Unit suffixes of the names of numbers."""

import pytest

from config.units import unit_of


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("radius_um", "µm"),
        ("stiffness_pn_per_um", "pN/µm"),
        ("drag_pn_s_per_um", "pN s/µm"),
        ("kt_pn_um", "pN µm"),
        ("um_per_px", "µm/px"),
        ("depth_kt_per_mw", "kT/mW"),
        ("diffusion_um2_per_s", "µm²/s"),
        ("number", ""),
        ("exposure_s", "s"),
    ],
)
def test_unit_of(name: str, unit: str) -> None:
    assert unit_of(name) == unit
