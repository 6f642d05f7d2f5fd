"""The lists of policies and of programmed forces. A new one is one file, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.kinds import kinds, lazy

if TYPE_CHECKING:
    from control.policies.force_context import Force
    from control.policies.policy_settings import PolicySettings

    AnyForce = Force
    AnyPolicy = PolicySettings
else:

    def _forces():
        from control.policies.force_context import Force

        return kinds(
            "forces",
            "control.policies.self_force:Self",
            "control.policies.pair:Pair",
            "control.policies.external:External",
            "control.policies.motile:Motile",
            plug=Force,
        )

    def _policies():
        from control.policies.policy_settings import PolicySettings

        return kinds(
            "policies",
            "control.policies.programmed_law:Programmed",
            "control.policies.learned_law:Learned",
            "control.policies.python_law:PythonLaw",
            "control.policies.calibrating:Calibrating",
            plug=PolicySettings,
        )

    __getattr__ = lazy(AnyForce=_forces, AnyPolicy=_policies)
