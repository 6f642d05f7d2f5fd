"""A motile particle: it is driven while its perception of the other particles is above, or below, a threshold."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Gt, Interval, settings
from control.policies.force_context import Floats, Force, Glow, Now, Pull
from control.potentials.constant import Constant
from control.theory.conditions import Conditions, PredictedQuantity


@settings
class Motile(Force):
    """A constant driving force along the particle's heading, switched by its perception of the other particles.

    The heading is the direction of its displacement over the last delay_s. The perception is a sum over all others in
    its cone of view: of 1 / (2 pi r) (vision: Lavergne, Wendehenne, Baeuerle and Bechinger, Science 364, 70 (2019)), or
    of exp(-r / length) (quorum sensing, with the full circle as its cone: Baeuerle, Fischer, Speck and Bechinger, Nat.
    Commun. 9, 3232 (2018)).
    """

    kind: Literal["motile"] = "motile"
    drive_pn: Annotated[float, Gt(0), Doc("the force that carries it")] = 0.1
    delay_s: Annotated[float | None, Gt(0), Doc("over which its heading is taken; it is needed")] = 0.5
    half_angle_deg: Annotated[float, Interval(gt=0, le=180), Doc("half of its cone of view; 180: all round")] = 180.0
    perceives: Annotated[
        Literal["vision", "quorum"], Doc("vision: others count 1 / (2 pi r), in 1/um; quorum: exp(-r / length)")
    ] = "vision"
    length_um: Annotated[float, Gt(0), Doc("of a quorum's signal")] = 5.0
    threshold: Annotated[float, Gt(0), Doc("of what is perceived")] = 0.1
    moves: Annotated[Literal["above", "below"], Doc("on which side of the threshold it moves")] = "above"

    def __post_init__(self) -> None:
        if self.delay_s is None:
            raise ValueError("a motile particle needs a delay_s: its heading is the way that it has come since then")

    @property
    def shape(self) -> Constant:  # type: ignore[override]
        """The driving force while it moves; its direction is the particle's heading."""
        return Constant(magnitude_pn=self.drive_pn)

    def pull(self, now: Now) -> Pull:
        displacement_um = now.position_um - now.past_um(self.delay_s)  # [N, 2]
        length_um = np.hypot(displacement_um[:, 0], displacement_um[:, 1])
        heading = displacement_um / np.where(length_um == 0.0, 1.0, length_um)[:, None]
        perceived = self.perceived(now, heading)
        moves = perceived >= self.threshold if self.moves == "above" else perceived < self.threshold
        return Pull(np.where(moves[:, None], self.drive_pn * heading, np.where(np.isnan(heading), np.nan, 0.0)))

    def perceived(self, now: Now, heading: Floats) -> Floats:
        """[N] perception: the sum over the other particles in the cone of view of each particle."""
        observer, observed = np.nonzero(now.cell[:, None] == now.cell[None])  # [P] pairs of one cell
        distinct = observer != observed
        observer, observed = observer[distinct], observed[distinct]
        offset_um = now.position_um[observed] - now.position_um[observer]  # [P, 2]
        distance_um = np.maximum(np.hypot(offset_um[:, 0], offset_um[:, 1]), 1e-9)
        cosine = (offset_um * heading[observer]).sum(axis=1) / distance_um
        inside: NDArray[np.bool_] = cosine >= math.cos(math.radians(self.half_angle_deg)) - 1e-12
        if self.perceives == "vision":
            weight = 1.0 / (2.0 * math.pi * distance_um)
        else:
            weight = np.exp(-distance_um / self.length_um)
        return np.bincount(observer, np.where(inside, weight, 0.0), minlength=len(now.particle)).astype(np.float64)

    def glow(self, now: Now) -> Glow:
        return Glow()

    def why_not_painted(self) -> str:
        return "light acts on everybody alike, so a particle that moves by itself needs mode: steered"

    def predict(self, conditions: Conditions) -> list[PredictedQuantity]:
        """Predictions for a particle under this force alone."""
        speed = conditions.speed_under_um_per_s(self.drive_pn)
        if math.isnan(speed):
            return [conditions.not_held("speed while it moves")]
        delay_s = self.delay_s or 0.0
        hidden = speed * delay_s < math.sqrt(4.0 * conditions.plant.diffusion_um2_per_s * delay_s)
        rows = [
            PredictedQuantity(
                "speed while it moves", f"{speed:.3g} µm/s", "F/γ(1 + z of the latency) along its own heading"
            )
        ]
        if hidden:
            rows.append(PredictedQuantity("heading", "hidden by diffusion", "vτ is below √(4Dτ)", True))
        return rows
