"""From YAML to an open instrument: Plan, Machine, Instrument, and what they are made of."""
