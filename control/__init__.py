"""The instrument as mathematics: no files, no clock, no threads, no Qt, no torch. Floor 1."""
