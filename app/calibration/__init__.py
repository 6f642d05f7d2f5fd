"""Calibrations of a rig: what they measure and how."""
