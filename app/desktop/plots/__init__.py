"""Plots of observables and potentials."""
