"""From YAML to an open instrument: Plan, Machine, Instrument, and their parts."""
