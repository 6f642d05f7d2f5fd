"""The simulated rig: one World with a simulated camera, deflector, laser and clock."""
