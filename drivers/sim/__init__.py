"""The simulated rig: one World, seen by a simulated sensor, deflector, laser and clock."""
