"""A checkpoint behind the Policy plug. It enters by the same door as a programmed law and is trusted no more:
the loop judges its forces, the limits clip them, the interlock decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from config.refused import Refused
from control.contract import Forces, Seen, State
from control.plant import Plant
from models.checkpoint import Card, load_checkpoint
from models.cloud import Cloud, cloud
from models.flight.onnx import OnnxFlight
from models.flight.pack import Flight, pack
from models.graph import all_edges, radius_edges

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WARM_UP = (1, 2, 7, 30, 100)  # particles in the clouds on which a policy is tried before it may fly
CLOSER = 0.8  # of the smallest distance that it was trained on: nearer than this it says so


@dataclass(frozen=True)
class LearnedPolicy:
    """Forces from a network on the graph of the trusted particles: float32, one thread. Its memory is what it said."""

    flight: Flight
    card: Card
    plant: Plant

    @property
    def longest_delay_s(self) -> float:
        return 0.0

    def start(self) -> tuple[str, ...]:
        return ()

    def step(self, memory: tuple[str, ...], seen: Seen) -> tuple[tuple[str, ...], Forces]:
        tracks = seen.tracks
        good = tracks.state == State.GOOD
        known = good & np.isin(tracks.species, self.card.species)
        withheld = tuple(
            (int(who), f"the checkpoint does not know species {kind}")
            for who, kind in zip(tracks.particle[good & ~known], tracks.species[good & ~known], strict=True)
        )
        place_um, cell = tracks.position_um[known], tracks.cell[known]
        said = outside(self.card, place_um, cell)
        force_pn = self.forces_pn(place_um, tracks.species[known], cell)
        began = tuple(one for one in said if one not in memory)
        return said, Forces(
            particle=tracks.particle[known],
            force_pn=force_pn,
            delay_s=np.full(len(force_pn), np.nan),
            carried=np.zeros(len(force_pn), np.bool_),
            withheld=withheld,
            notes=began,
        )

    def forces_pn(self, place_um: Floats, species: Ints, cell: Ints) -> Floats:
        """[N, 2] pN on particles at [N, 2] um. Each cell is seen alone: frames, too, are of one cell's particles."""
        force_pn = np.empty((len(place_um), 2))
        for rows in rows_of(cell):
            force_pn[rows] = self._alone_pn(place_um[rows], species[rows])
        return force_pn

    def _alone_pn(self, place_um: Floats, species: Ints) -> Floats:
        with torch.inference_mode():
            found = self.flight(cloud_of(self.card, place_um, species))
        per_answer = self.plant.kt_pn_um if self.card.units.answer == "kT/um" else 1.0
        return np.asarray(found.numpy(), np.float64) * (self.card.scale * per_answer)


def rows_of(cell: Ints) -> list[NDArray[np.bool_]]:
    """The rows [N] of each cell."""
    return [cell == one for one in np.unique(cell)]


def fly(
    path: Path | str, plant: Plant, runtime: Literal["eager", "onnx"] = "eager", card_sha256: str = ""
) -> LearnedPolicy:
    """The policy of a checkpoint, checked and warmed up; only that with this `card_sha256`, if there is one given.

    Raises Refused.
    """
    path = Path(path)
    torch.set_num_threads(1)  # a second thread in the control process costs tens of milliseconds under load
    network, card = load_checkpoint(path)
    if card_sha256 not in ("", card.card_sha256):
        raise Refused(
            f"{path}: the checkpoint is not the one that flew "
            f"(its card's SHA-256 begins with {card.card_sha256[:12]}, and was {card_sha256[:12]})"
        )
    refuse(card, path)
    eager = LearnedPolicy(pack(network, card), card, plant)
    policy = eager if runtime == "eager" else LearnedPolicy(OnnxFlight(path), card, plant)
    draw = np.random.default_rng(0)
    for count in WARM_UP:
        place_um = draw.uniform(0, 2.5 * np.sqrt(count), (count, 2))
        species = np.full(count, card.species[0], np.int64)
        force_pn = policy.forces_pn(place_um, species, np.zeros(count, np.int64))
        if not np.isfinite(force_pn).all():
            raise Refused(f"{path}: the network's answer for {count} particles is not finite")
        if policy is not eager and not alike(force_pn, eager.forces_pn(place_um, species, np.zeros(count, np.int64))):
            raise Refused(f"{path.with_suffix('.onnx')}: this is not the network of the card")
    return policy


def alike(some_pn: Floats, other_pn: Floats) -> bool:
    """Whether two answers [N, 2] differ by no more than what float32 loses."""
    return bool(np.abs(some_pn - other_pn).max() <= 1e-3 * np.abs(other_pn).max() + 1e-6)


def refuse(card: Card, path: Path) -> None:
    """What can't fly is refused here, in one sentence."""
    if card.units.length != "um" or card.units.answer not in ("pN", "kT/um"):
        raise Refused(
            f"{path}: the card's units are {card.units.length} and {card.units.answer}; "
            "a policy needs um, and pN or kT/um"
        )
    if card.dimension != 2:
        raise Refused(f"{path}: the network is for {card.dimension} dimensions, and a policy needs 2")
    if not card.species or card.scalars != len(card.species):
        raise Refused(
            f"{path}: the card names {len(card.species)} species for {card.scalars} scalars (one each is needed)"
        )
    if card.vectors or card.attributes:
        raise Refused(f"{path}: the network needs features that the instrument does not have (vectors or pairs)")
    if why := card.network.why_not(card.dimension, card.reach):
        raise Refused(f"{path}: {why}")


def cloud_of(card: Card, place_um: Floats, species: Ints) -> Cloud:
    """What the network sees of a cell: positions about their mean, a one-hot species, neighbours within its reach."""
    place_um = place_um - place_um.mean(axis=0)  # float32 then resolves picometres
    edges = all_edges(len(place_um)) if card.reach is None else radius_edges(place_um, card.reach)
    kinds = (species[:, None] == np.asarray(card.species)).astype(np.float32)  # [N, S]
    return cloud(torch.from_numpy(place_um.astype(np.float32)), edges, scalar=torch.from_numpy(kinds))


def outside(card: Card, place_um: Floats, cell: Ints) -> tuple[str, ...]:
    """How the fullest and the densest cell differ from all that the network was trained on, in words."""
    said = []
    trained = card.trained
    alone_um = [place_um[rows] for rows in rows_of(cell)]
    if any(len(one) > trained.points_most for one in alone_um):
        said.append(f"more particles than the policy was trained on ({trained.points_most})")
    if any(radius_edges(one, CLOSER * trained.nearest).shape[1] for one in alone_um):
        said.append(f"particles nearer to each other than the policy was trained on ({trained.nearest:.2f} um)")
    return tuple(said)
