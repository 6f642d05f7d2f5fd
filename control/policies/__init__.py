"""The list page of programmed forces: what a law may be made of. A new one is one file, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.kinds import kinds
from control.policies.force_context import Force

if TYPE_CHECKING:
    AnyForce = Force
else:
    AnyForce = kinds(
        "forces",
        "control.policies.self_force:Self",
        "control.policies.pair:Pair",
        "control.policies.external:External",
        "control.policies.motile:Motile",
        plug=Force,
    )
