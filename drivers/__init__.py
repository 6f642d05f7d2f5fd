"""Everything that touches the world: photons, volts, seconds, bytes, threads. Floor 2."""
