"""Devices, their simulation, recordings and run files: all code with hardware, clocks, files or threads. Layer 2."""
