"""A potential about every other particle, now or in the past; reciprocal only if its matrix is symmetric."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np

from config.fields import Doc, Gt, settings
from control.policies.force_context import Force, Glow, Now, Pull
from control.potentials import AnyShape
from control.theory.conditions import Conditions, Foreseen, minimum


@settings
class Pair(Force):
    """Each particle feels the shape, centred where each of the others is or was."""

    kind: Literal["pair"] = "pair"
    shape: AnyShape
    delay_s: Annotated[float | None, Gt(0), Doc("mean age of the centres; left out: the newest positions seen")] = None
    matrix: Annotated[
        tuple[tuple[float, ...], ...],
        Doc("strength by species: the row feels the column; an unsymmetric one breaks Newton's third law on purpose"),
    ] = ((1.0,),)

    about_others: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.matrix or any(len(row) != len(self.matrix) for row in self.matrix):
            raise ValueError("the species matrix needs as many columns as rows")

    def pull(self, now: Now) -> Pull:
        feels, acts = np.nonzero(now.cell[:, None] == now.cell[None])  # [P] pairs of one cell
        others = feels != acts
        feels, acts = feels[others], acts[others]
        offset_um = now.position_um[feels] - now.past_um(self.delay_s)[acts]  # [P, 2]
        force_pn = self.shape.force_pn(offset_um, kt_pn_um=now.plant.kt_pn_um, time_s=now.seen.effect_s)
        matrix = np.asarray(self.matrix)
        species = np.minimum(now.species, len(matrix) - 1)  # a species that the matrix does not name acts as its last
        strength = matrix[species[feels], species[acts]]  # [P]
        # a source without a known past does not act; it is withheld from light by its own self force, if it has one
        known = (strength != 0.0) & np.isfinite(offset_um).all(axis=1)
        pull_pn = np.where(known[:, None], strength[:, None] * force_pn, 0.0)
        total_pn = np.zeros_like(now.position_um)
        np.add.at(total_pn, feels, pull_pn)
        return Pull(total_pn)

    def glow(self, now: Now) -> Glow:
        return Glow(now.particle, now.past_um(self.delay_s))

    def why_not_painted(self) -> str:
        if len({value for row in self.matrix for value in row}) > 1:
            return "light acts on all species alike, so a species matrix of unlike numbers needs mode: steered"
        return ""

    def predict(self, conditions: Conditions) -> list[Foreseen]:
        """What a particle does that feels this force alone."""
        shape, plant = self.shape, conditions.plant
        if not shape.central:
            return []
        at_um, stiffness = minimum(shape, plant)
        if stiffness <= 0 or at_um < 1e-3:
            return []
        delay_s = self.delay_s or conditions.age_s
        kappa = plant.rate_hz(stiffness)
        z = kappa * delay_s
        bond_um = math.sqrt(plant.diffusion_um2_per_s / kappa * (1.0 + z))
        said = [
            Foreseen("lattice constant", f"{at_um:.3g} µm", "the potential's minimum (P23)"),
            Foreseen("z = κτ", f"{z:.3g}", "κ of the minimum times the age of what was seen"),
            Foreseen("bond, rms", f"{1e3 * bond_um:.3g} nm", "√(D(1 + z)/κ), one bond (P21)"),
        ]
        if at_um < plant.diameter_um:
            said.append(Foreseen("contact", "the ring is inside the particle", f"d = {plant.diameter_um:g} µm", True))
        return said
