"""The ways in which a person uses the instrument. Floor 3."""
