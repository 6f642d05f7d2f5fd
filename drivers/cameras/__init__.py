"""The list page of cameras: a new one is one file, and one line here."""

from __future__ import annotations

from drivers.sim.camera import SimulatedCamera

AnyCamera = SimulatedCamera
