"""What one command may ask for. The last word of control/; the guard in drivers/ has the very last."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from control.contract import Command


@dataclass(frozen=True)
class Limits:
    """The field that the beam may visit, and the laser power it may carry."""

    low_um: tuple[float, float]
    high_um: tuple[float, float]
    power_mw: float

    def clip(self, command: Command) -> tuple[Command, tuple[str, ...]]:
        """The part of the command that is allowed, and what was taken from it."""
        notes: list[str] = []
        inside = ((command.position_um >= self.low_um) & (command.position_um <= self.high_um)).all(axis=1)  # [M]
        if not inside.all():
            notes.append(f"{np.count_nonzero(~inside)} spots outside of the field were left out")
            command = replace(
                command,
                position_um=command.position_um[inside],
                power_mw=command.power_mw[inside],
                dwell_s=command.dwell_s[inside],
                particle=command.particle[inside],
            )
        if (command.power_mw > self.power_mw).any():
            notes.append(f"power clipped from {command.power_mw.max():.4g} to {self.power_mw:.4g} mW")
            command = replace(command, power_mw=np.minimum(command.power_mw, self.power_mw))
        return command, tuple(notes)


def doubts_about(command: Command) -> tuple[str, ...]:
    """What in a command puts the beam in doubt: numbers that are not finite, or negative."""
    found = []
    if not (np.isfinite(command.position_um).all() and np.isfinite(command.power_mw).all()):
        found.append("a spot's position or power is not finite")
    if not np.isfinite(command.dwell_s).all() or (command.dwell_s <= 0).any():
        found.append("a spot's dwell is not a positive time")
    if (command.power_mw < 0).any():
        found.append("a spot's power is negative")
    return tuple(found)
