"""The list page of deflectors: a new one is one file, and one line here."""

from __future__ import annotations

from drivers.sim.deflector import SimulatedDeflector

AnyDeflector = SimulatedDeflector
