"""Emulated galvo and laser: child processes behind pseudo-terminals, whose light acts on the simulated world."""
