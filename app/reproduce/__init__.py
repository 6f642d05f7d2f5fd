"""The physics, proved by the instrument's own loop: experiments whose outcome is known, measured and judged."""
