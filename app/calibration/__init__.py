"""What was measured of a rig: the records, and how each of them is made."""
