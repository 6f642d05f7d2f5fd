"""Pure functions of the instrument: no files, no clock, no threads, no Qt, no torch. Layer 1."""
