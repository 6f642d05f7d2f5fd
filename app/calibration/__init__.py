"""Calibration of a rig: the measurements and their records."""
