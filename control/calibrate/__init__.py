"""Calibration from measurements: stiffness, diffusion, maps, latency, power and drift. Pure functions.

Traces are [T] or [T, ...] on an even grid of frames, nan where a particle was not detected; um and s.
"""
