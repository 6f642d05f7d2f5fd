"""Forces and rings of light -> spots that one beam visits in turn, within its budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from control.contract import Command, Forces, State, Tracks
from control.plant import spot_largest_force, spot_stiffness
from control.potentials.painting import spots_on_ring

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class LightModel:
    """The beam model that the instrument uses, and how the beam is shared among spots.

    `trap_kt` is the depth of a steered trap; `depth_kt_per_mw` that of a spot that is lit continuously.
    """

    waist_um: float
    depth_kt_per_mw: float
    kt_pn_um: float
    power_mw: float  # available power
    trap_kt: float = 20.0
    dwell_s: float = 1e-4  # mean duration of a visit
    shortest_dwell_s: float = 2e-5
    settle_s: float = 0.0  # dark time of a jump between spots
    cycle_s: float = math.inf  # every spot is visited at least once in this time
    efficiency: Callable[[Floats], Floats] | None = None  # relative light at positions [M, 2] um; 1 in the centre

    @property
    def stiffness_pn_per_um(self) -> float:
        """Stiffness of a steered trap."""
        return self.stiffness_of(self.trap_kt)

    def stiffness_of(self, depth_kt: float) -> float:
        """Stiffness in pN/um at the centre of a spot of this depth."""
        return spot_stiffness(depth_kt * self.kt_pn_um, self.waist_um)

    def depth_kt(self, command: Command) -> Floats:
        """[M] mean depth of each spot over the cycle of a command."""
        number = len(command)
        cycle_s = command.dwell_s.sum() + (number * self.settle_s if number > 1 else 0.0)
        mean_mw = command.power_mw * command.dwell_s / max(cycle_s, self.shortest_dwell_s)
        if self.efficiency is not None and number:
            mean_mw = mean_mw * self.efficiency(command.position_um)
        return np.asarray(mean_mw * self.depth_kt_per_mw)

    @property
    def largest_force_pn(self) -> float:
        """Largest force of a steered trap."""
        return spot_largest_force(self.trap_kt * self.kt_pn_um, self.waist_um)


def allocate(light: LightModel, tracks: Tracks, forces: Forces) -> tuple[Command, tuple[str, ...]]:
    """(the spots for the forces and rings of a policy, notes on what was clipped).

    A force F becomes a trap at r + F/k, not farther than waist/2 from the particle's position (docs/predictions.md
    2.3 S, 2.2: a Gaussian spot pulls less beyond that). A ring becomes spots not farther apart than one waist (2.5).
    All spots share the beam, each for a time in proportion to its mean power (2.6). Only GOOD particles that are in
    `tracks` get a trap.
    """
    forces = trusted(tracks, forces)
    steered_um, clipped = _steer(light, tracks, forces)
    ring_um, ring_kt, ring_particle = _rings(light.waist_um, forces)
    position_um = np.concatenate([steered_um, ring_um])  # [M, 2]
    particle = np.concatenate([forces.particle, ring_particle])
    mean_mw = np.concatenate([np.full(len(steered_um), light.trap_kt), ring_kt]) / light.depth_kt_per_mw  # [M]
    if light.efficiency is not None:
        mean_mw = mean_mw / light.efficiency(position_um)
    notes = [clipped] if clipped else []
    if len(mean_mw) == 0:
        return Command(reason="no particle is to be steered"), tuple(notes)
    power_mw, dwell_s = _share(light, mean_mw)
    if power_mw.max() > light.power_mw:
        part = light.power_mw / power_mw.max()
        notes.append(f"power: {power_mw.max():.4g} mW asked of {light.power_mw:.4g}; all spots scaled to {part:.1%}")
        power_mw = power_mw * part
    return Command(position_um, power_mw, dwell_s, particle), tuple(notes)


def trusted(tracks: Tracks, forces: Forces) -> Forces:
    """The forces without those on particles that are not GOOD in `tracks`."""
    good = tracks.particle[tracks.state == State.GOOD]
    keep = np.isin(forces.particle, good)  # [N]
    if keep.all():
        return forces
    return replace(
        forces,
        particle=forces.particle[keep],
        force_pn=forces.force_pn[keep],
        delay_s=forces.delay_s[keep],
        carried=forces.carried[keep],
    )


def _steer(light: LightModel, tracks: Tracks, forces: Forces) -> tuple[Floats, str]:
    """(trap positions [N, 2], note on what was clipped)."""
    row = np.searchsorted(tracks.particle, forces.particle)
    offset_um = forces.force_pn / light.stiffness_pn_per_um  # [N, 2]
    length_um = np.hypot(offset_um[:, 0], offset_um[:, 1])
    reach_um = light.waist_um / 2.0
    too_far = length_um > reach_um * (1.0 + 1e-9)
    offset_um[too_far] *= (reach_um / length_um[too_far])[:, None]
    note = ""
    if too_far.any():
        largest_pn = float(np.hypot(*forces.force_pn[too_far].T).max())
        number = int(np.count_nonzero(too_far))
        note = f"{number} force{'s' * (number > 1)} clipped, the largest from {largest_pn:.3g} pN"
    return tracks.position_um[row] + offset_um, note


def _rings(waist_um: float, forces: Forces) -> tuple[Floats, Floats, Ints]:
    """(positions [K, 2], mean depths in kT [K], IDs [K]) of the spots of all rings."""
    if len(forces.ring_kt) == 0:
        return np.empty((0, 2)), np.empty(0), np.empty(0, np.int64)
    circles = {float(radius): circle(float(radius), waist_um) for radius in np.unique(forces.ring_radius_um)}
    spots = [circles[float(radius)] for radius in forces.ring_radius_um]
    count = np.array([len(spot) for spot in spots])
    position_um = np.concatenate([centre + spot for centre, spot in zip(forces.ring_um, spots, strict=True)])
    return position_um, np.repeat(forces.ring_kt / count, count), np.repeat(forces.ring_particle, count)


def circle(radius_um: float, waist_um: float) -> Floats:
    """Spots [n, 2] on a circle about the origin, at most one waist apart: 1.5 % ripple (docs/predictions.md 2.5)."""
    number = spots_on_ring(radius_um, waist_um)
    angle_rad = 2.0 * math.pi * np.arange(number) / number
    return radius_um * np.stack([np.cos(angle_rad), np.sin(angle_rad)], axis=1)


def _share(light: LightModel, mean_mw: Floats) -> tuple[Floats, Floats]:
    """(power during the visit [M], dwell time [M]) for these mean powers over one cycle, jumps included.

    A new command starts a new cycle. So that all spots get equally many visits during one command, an integer number
    of cycles fits into it: otherwise 16 spots of 0.11 ms, in commands of 10 ms, differ by 20 %.
    """
    number = len(mean_mw)
    share = mean_mw / mean_mw.sum()
    settle_s = light.settle_s if number > 1 else 0.0
    cycle_s = number * (light.dwell_s + settle_s)
    if math.isfinite(light.cycle_s):
        cycle_s = light.cycle_s / max(round(light.cycle_s / cycle_s), 1)
    lit_s = cycle_s - number * settle_s
    dwell_s = np.maximum(lit_s * share, light.shortest_dwell_s)
    cycle_s = dwell_s.sum() + number * settle_s
    return mean_mw * cycle_s / dwell_s, dwell_s
