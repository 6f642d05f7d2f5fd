"""Experiments with known outcome: predictions of physics, measured through the loop of the instrument."""
