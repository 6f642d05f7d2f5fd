"""Emulators: a galvo and a laser, each a process of its own behind a pseudo-terminal, whose light the World feels."""
