"""Darken the real devices of a plan over lines of our own: for a loop that has died, or a rig that never opened."""

from __future__ import annotations

from app.assembly.rig import Plan
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.laser import SimulatedLaser


def put_out(plan: Plan) -> str:
    """What came of it, in words; empty where the light ended with its program. Never raises."""
    rig = plan.rig
    if isinstance(rig.laser, SimulatedLaser) and isinstance(rig.deflector, SimulatedDeflector):
        return ""
    if rig.emulated is not None and rig.emulated.start:
        return "the emulated laser ended with the program that started it"
    from app.assembly import open_serial as serial_rig  # only rigs with serial devices import them

    return serial_rig.put_out(plan)
