"""Darken the real devices of a plan over new connections: after a loop has died, or if the rig did not open."""

from __future__ import annotations

from app.assembly.rig import Plan


def put_out(plan: Plan) -> str:
    """Darken the devices. Return the outcome in words; empty if laser and deflector are simulated. Never raises."""
    rig = plan.rig
    if rig.laser.simulated and rig.deflector.simulated:
        return ""
    if rig.emulated is not None and rig.emulated.start:
        return "the emulated laser ended with the program that started it"
    from app.assembly import open_real  # only rigs with real devices import it

    return open_real.put_out(plan)
