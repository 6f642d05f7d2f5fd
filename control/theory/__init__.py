"""Closed-form predictions of the physics, with which the measurements are compared.

The numbers P1 to P34 are those of the physics brief, section 3. All quantities are per axis (1D) unless stated
otherwise; rate_hz is kappa = stiffness / drag, and z = rate_hz delay_s.
"""
