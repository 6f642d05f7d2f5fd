"""Closed forms of the physics, with which the measurements of the instrument are compared.

The numbers P1 to P34 are those of docs/predictions.md, section 3. Everything is per axis (1D) unless stated otherwise;
rate_hz is kappa = stiffness / drag, and z = rate_hz delay_s.
"""
