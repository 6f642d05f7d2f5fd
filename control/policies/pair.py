"""A potential about every other particle, now or in the past; reciprocal only if its matrix is symmetric."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from config.fields import Doc, Gt, settings
from control.policies.now import Glow, Now, Pull
from control.potentials import AnyShape


@settings
class Pair:
    """Each particle feels the shape, centred where each of the others is or was."""

    kind: Literal["pair"] = "pair"
    shape: AnyShape
    delay_s: Annotated[float | None, Gt(0), Doc("mean age of the centres; left out: the newest positions seen")] = None
    matrix: Annotated[
        tuple[tuple[float, ...], ...],
        Doc("strength by species: the row feels the column; an unsymmetric one breaks Newton's third law on purpose"),
    ] = ((1.0,),)

    def __post_init__(self) -> None:
        if not self.matrix or any(len(row) != len(self.matrix) for row in self.matrix):
            raise ValueError("the species matrix needs as many columns as rows")

    def pull(self, now: Now) -> Pull:
        offset_um = now.position_um[:, None] - now.past_um(self.delay_s)[None]  # [N, N, 2]
        force_pn = self.shape.force_pn(offset_um, kt_pn_um=now.plant.kt_pn_um, time_s=now.seen.effect_s)
        matrix = np.asarray(self.matrix)
        species = np.minimum(now.species, len(matrix) - 1)  # a species that the matrix does not name acts as its last
        strength = matrix[species[:, None], species[None]]  # [N, N]
        strength = np.where(now.cell[:, None] == now.cell[None], strength, 0.0)
        np.fill_diagonal(strength, 0.0)
        # a source without a known past does not act; it is withheld from light by its own self force, if it has one
        acts = (strength != 0.0) & np.isfinite(offset_um).all(axis=2)
        return Pull(np.where(acts[..., None], strength[..., None] * force_pn, 0.0).sum(axis=1))

    def glow(self, now: Now) -> Glow:
        return Glow(now.particle, now.past_um(self.delay_s))

    def why_not_painted(self) -> str:
        if len({value for row in self.matrix for value in row}) > 1:
            return "light acts on all species alike, so a species matrix of unlike numbers needs mode: steered"
        return ""
