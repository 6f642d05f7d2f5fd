"""A learned policy from a checkpoint, with the interface Policy. Its forces pass the same checks as those of programmed
laws: the loop's checks, the limits and the interlock."""

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

WARM_UP = (1, 2, 7, 30, 100)  # numbers of particles in the clouds that a policy must process before it is used
CLOSER = 0.8  # of the smallest trained distance: closer particles are reported


@dataclass(frozen=True)
class LearnedPolicy:
    """Forces of a network on the graph of the GOOD particles: float32, one thread.

    Its memory holds the sentences of the last turn (`outside`), so that each is reported once, when it begins.
    """

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
        is_known = good & np.isin(tracks.species, self.card.species)
        unknown = good & ~is_known
        withheld = tuple(
            (int(particle), f"the checkpoint does not know species {kind}")
            for particle, kind in zip(tracks.particle[unknown], tracks.species[unknown], strict=True)
        )
        place_um, cell = tracks.position_um[is_known], tracks.cell[is_known]
        sentences = outside(self.card, place_um, cell)
        force_pn = self.forces_pn(place_um, tracks.species[is_known], cell)
        began = tuple(sentence for sentence in sentences if sentence not in memory)
        return sentences, Forces(
            particle=tracks.particle[is_known],
            force_pn=force_pn,
            delay_s=np.full(len(force_pn), np.nan),
            carried=np.zeros(len(force_pn), np.bool_),
            withheld=withheld,
            notes=began,
        )

    def forces_pn(self, place_um: Floats, species: Ints, cell: Ints) -> Floats:
        """[N, 2] pN on particles at [N, 2] um. Each cell is evaluated alone, with its own frames (`models.frames`)."""
        force_pn = np.empty((len(place_um), 2))
        for rows in rows_of(cell):
            force_pn[rows] = self._alone_pn(place_um[rows], species[rows])
        return force_pn

    def _alone_pn(self, place_um: Floats, species: Ints) -> Floats:
        """[N, 2] pN on the particles of one cell."""
        with torch.inference_mode():
            vector = self.flight(cloud_of(self.card, place_um, species))
        per_answer = self.plant.kt_pn_um if self.card.units.answer == "kT/um" else 1.0
        return np.asarray(vector.numpy(), np.float64) * (self.card.scale * per_answer)


def rows_of(cell: Ints) -> list[NDArray[np.bool_]]:
    """Row masks [N], one per cell."""
    return [cell == value for value in np.unique(cell)]


def fly(
    path: Path | str, plant: Plant, runtime: Literal["eager", "onnx"] = "eager", card_sha256: str = ""
) -> LearnedPolicy:
    """The policy of a checkpoint, checked and tried out. With `card_sha256`, another checkpoint is refused.

    Raises Refused.
    """
    path = Path(path)
    torch.set_num_threads(1)  # a second thread in the control process delays turns by tens of ms under load
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
    """Whether two results [N, 2] agree within float32 precision."""
    return bool(np.abs(some_pn - other_pn).max() <= 1e-3 * np.abs(other_pn).max() + 1e-6)


def refuse(card: Card, path: Path) -> None:
    """Raises Refused for a network that can't be a policy."""
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
    """Input of the network for one cell: positions about their mean, one-hot species, edges within its reach."""
    place_um = place_um - place_um.mean(axis=0)  # for picometre resolution in float32
    edges = all_edges(len(place_um)) if card.reach is None else radius_edges(place_um, card.reach)
    kinds = (species[:, None] == np.asarray(card.species)).astype(np.float32)  # [N, S]
    return cloud(torch.from_numpy(place_um.astype(np.float32)), edges, scalar=torch.from_numpy(kinds))


def outside(card: Card, place_um: Floats, cell: Ints) -> tuple[str, ...]:
    """One sentence each if a cell has more particles than the training data, or clearly closer ones (CLOSER)."""
    sentences = []
    trained = card.trained
    alone_um = [place_um[rows] for rows in rows_of(cell)]
    if any(len(cell_um) > trained.points_most for cell_um in alone_um):
        sentences.append(f"more particles than the policy was trained on ({trained.points_most})")
    if any(radius_edges(cell_um, CLOSER * trained.nearest).shape[1] for cell_um in alone_um):
        sentences.append(f"particles nearer to each other than the policy was trained on ({trained.nearest:.2f} um)")
    return tuple(sentences)
