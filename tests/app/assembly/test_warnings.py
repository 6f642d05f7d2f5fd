"""Warnings about a plan before its flight."""

import pytest

from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.assembly.warnings import warnings_of

PAINTED = "mode=landscape"
DELAY = "policy.forces.0.delay_s"
NARROW = "{kind: gaussian_ring, radius_um: 1.0, width_um: 0.05, depth_kt: 20}"


@pytest.mark.parametrize(
    ("name", "sets", "said"),
    [
        ("annular_activity", (), ""),
        ("annular_activity", (PAINTED,), ""),
        ("annular_activity", (PAINTED, f"{DELAY}=0.05"), "saddle node"),
        ("annular_activity", (PAINTED, "trap.predict=true"), "trap.predict is of mode steered"),
        ("ring_crystal", (), ""),
        ("ring_crystal", (PAINTED,), "7 particles need"),
        ("ring_crystal", ("trap.depth_kt=400",), "7 particles need 560 mW"),
        ("annular_activity", (PAINTED, f"policy.forces.0.shape={NARROW}"), "misses"),
    ],
)  # fmt: skip
def test_warnings(name: str, sets: tuple[str, ...], said: str) -> None:
    found = warnings_of(plan(EXPERIMENTS / f"{name}.yaml", None, sets))
    assert any(said in text for text in found) if said else found == ()
