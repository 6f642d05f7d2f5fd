"""Validation of the physics by the loop of the instrument: experiments with known outcome, measured and judged."""
