"""The list page of lasers: a new one is one file, and one line here."""

from __future__ import annotations

from drivers.sim.laser import SimulatedLaser

AnyLaser = SimulatedLaser
