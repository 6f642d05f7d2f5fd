"""Closed forms of the physics: what every measurement of the instrument is held against.

The numbers P1 to P34 are those of docs/predictions.md, section 3. Everything is per axis (1D) unless it says otherwise;
rate_hz is kappa = stiffness / drag, and z = rate_hz delay_s.
"""
