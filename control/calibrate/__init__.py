"""What the instrument is, from what it saw: stiffness, diffusion, maps, latency, power and drift. Pure mathematics.

Traces are [T] or [T, ...] on an even grid of frames, nan where a particle was not seen; lengths in um, times in s.
"""
