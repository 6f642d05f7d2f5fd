"""Limits on one command: the last check in control/. The guard in drivers/ checks again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from control.contract import Command


@dataclass(frozen=True)
class Limits:
    """The field that the beam may visit, and its largest power."""

    low_um: tuple[float, float]
    high_um: tuple[float, float]
    power_mw: float

    def clip(self, command: Command) -> tuple[Command, tuple[str, ...]]:
        """(the allowed part of the command, notes on what was removed or clipped)."""
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
    """Doubts about a command: values that are not finite, negative powers, dwell times that are not positive."""
    doubts = []
    if not (np.isfinite(command.position_um).all() and np.isfinite(command.power_mw).all()):
        doubts.append("a spot's position or power is not finite")
    if not np.isfinite(command.dwell_s).all() or (command.dwell_s <= 0).any():
        doubts.append("a spot's dwell is not a positive time")
    if (command.power_mw < 0).any():
        doubts.append("a spot's power is negative")
    return tuple(doubts)
