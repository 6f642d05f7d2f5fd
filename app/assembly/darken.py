"""Darken the real devices of a plan over connections of our own: of a loop that has died, a rig that never opened."""

from __future__ import annotations

from app.assembly.rig import Plan


def put_out(plan: Plan) -> str:
    """What came of it, in words; empty where the light ended with its program. Never raises."""
    rig = plan.rig
    if rig.laser.simulated and rig.deflector.simulated:
        return ""
    if rig.emulated is not None and rig.emulated.start:
        return "the emulated laser ended with the program that started it"
    from app.assembly import open_real  # only rigs with real devices import it

    return open_real.put_out(plan)
