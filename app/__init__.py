"""The ways in which a person uses the instrument: packages with one direction of imports. Floor 3."""
