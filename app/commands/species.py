"""The verb `species`: trains a classifier of species on recorded runs with one species each."""

from __future__ import annotations

import filecmp
import hashlib
import json as json_text
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.console.json_file import write_json
from app.console.output_files import checkpoint_files, require_files
from app.console.terminal import say
from config.refused import Refused
from config.words import quoted
from control.contract import State
from drivers.journal import Run, read_run
from tracking.patches import cut

FEWEST = 100  # least number of patches of a run
MOST = 1500  # largest number of patches of a species, divided evenly among its runs
LEAST_PX, MOST_PX = 19, 128  # width of a patch; the network's kernels need at least 19
ROWS = 1024  # rows of tracks that are processed at once
MOST_SEED = 2**32 - 1


def learn_species(
    runs: Sequence[Path], out: Path, *, names: Sequence[str], patch_px: int, epochs: int, seed: int, json: Path | None
) -> int:
    """Train on runs with one species each, given by its name. Raises Refused before anything is written."""
    check_options(out, patch_px=patch_px, epochs=epochs, seed=seed, json=json)
    names = checked_names(runs, names)
    check_recordings(runs)
    species = tuple(dict.fromkeys(names))
    species_patches = [
        joined(
            [
                patches(path, patch_px, MOST // names.count(species_name))
                for path, name in zip(runs, names, strict=True)
                if name == species_name
            ]
        )
        for species_name in species
    ]
    require_two(species, [particle_ids for _, particle_ids in species_patches])
    from models.lie.learn import learn  # here, since torch takes seconds to import

    data = hashlib.sha256(b"".join(patch.tobytes() for patch, _ in species_patches)).hexdigest()
    card = learn(species_patches, out, names=species, patch_px=patch_px, epochs=epochs, seed=seed, data_sha256=data)
    results: dict[str, Any] = {"checkpoint": str(out), "species": list(species), **card.metrics}
    say("\n".join(f"{key}: {value}" for key, value in results.items()))
    if json is not None:
        write_json(json, results)
    return 0


def check_options(out: Path, *, patch_px: int, epochs: int, seed: int, json: Path | None) -> None:
    """Raises Refused for options that allow no training, or a checkpoint that can't be opened again."""
    if out.suffix != ".json" or out.is_dir():
        raise Refused(f"--out {out}: a checkpoint is named by its card, a .json file")
    require_files({}, checkpoint_files(out, "classifier"), json)
    require_weights_of(out)
    if not LEAST_PX <= patch_px <= MOST_PX:
        raise Refused(f"--patch-px {patch_px}: a patch may be {LEAST_PX} to {MOST_PX} px wide")
    if epochs < 1:
        raise Refused(f"--epochs {epochs}: at least one pass over the patches is needed")
    if not 0 <= seed <= MOST_SEED:
        raise Refused(f"--seed {seed}: a seed may be 0 to {MOST_SEED}")


def require_weights_of(card: Path) -> None:
    """Raises Refused if the weights beside a card do not have the hash that it states, or have no card."""
    weights = card.with_suffix(".safetensors")
    if not weights.exists():
        return
    if not card.exists() or not (stated := card.read_bytes().strip()):
        raise Refused(f"{weights}: there are weights without their card, and they are left as they are; "
                      "name another --out")  # fmt: skip
    with weights.open("rb") as file:
        weights_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if weights_sha256 != json_text.loads(stated).get("weights_sha256"):
        raise Refused(f"{weights}: these are not the weights of the card beside them, and they are left as they are; "
                      "name another --out")  # fmt: skip


def checked_names(runs: Sequence[Path], names: Sequence[str]) -> tuple[str, ...]:
    """A name for each run, without surrounding blanks; if none are given, the file names. Raises Refused."""
    names = tuple(name.strip() for name in names) or tuple(path.stem for path in runs)
    if len(names) != len(runs):
        raise Refused(f"species: {len(names)} names for {len(runs)} runs")
    if not all(names):
        raise Refused(f"--names: name {names.index('') + 1} of {len(names)} is blank")
    if len(set(names)) < 2:
        raise Refused("species: runs of at least two species are needed")
    return names


def check_recordings(runs: Sequence[Path]) -> None:
    """Raises Refused for a recording that is given twice, also as a copy."""
    files = [path for path in runs if path.is_file()]
    for number, path in enumerate(files):
        for other in files[:number]:
            if filecmp.cmp(other, path, shallow=False):
                raise Refused(f"species: {other} and {path} are the same recording; each may be given once")


def require_two(species: Sequence[str], particle_ids: Sequence[NDArray[np.int64]]) -> None:
    """Raises Refused if all patches of a species show one particle: one is held out, and none would be left."""
    for name, ids in zip(species, particle_ids, strict=True):
        if len(np.unique(ids)) < 2:
            raise Refused(f"species: all {len(ids)} patches of '{quoted(name)}' are of one particle, and at least two "
                          "particles are needed: one is held out")  # fmt: skip


def joined(runs: Sequence[tuple[NDArray[Any], NDArray[np.int64]]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(patches, particle IDs) of several runs; the IDs of different runs are made different."""
    # IDs in a damaged run may be huge
    ranks = [np.unique(particle_ids, return_inverse=True)[1] for _, particle_ids in runs]
    first = np.cumsum([0, *(int(rank.max(initial=-1)) + 1 for rank in ranks)])
    particle_ids = [rank + start for rank, start in zip(ranks, first, strict=False)]
    return np.concatenate([patch for patch, _ in runs]), np.concatenate(particle_ids)


def patches(path: Path, size_px: int, most: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(patches [N, size, size] of a run's trusted particles that lie within the image, their particle IDs [N]).

    At most `most` patches, evenly spread over the run. Only these and one image are in memory.

    Raises Refused for a run without frames, or with fewer than FEWEST patches.
    """
    with read_run(path) as run:
        if not run.keep_frames:
            raise Refused(f"{path}: the run has no frames in it; record it with --frames")
        run.require_turns()
        position_px = np.stack([run.column("tracks", name) for name in ("x_px", "y_px")], 1)
        good = np.flatnonzero(_usable(run, position_px, size_px))
        if len(good) < FEWEST:
            raise Refused(f"{path}: {len(good)} patches of particles are too few to learn from (at least {FEWEST})")
        chosen = good[np.unique(np.linspace(0, len(good) - 1, most).round().astype(np.int64))]
        turn = np.searchsorted(run.column("turns", "tracks_end"), chosen, "right")
        image = run.column("turns", "image")
        cuts = [
            cut(run.image(int(image[turn_row])), position_px[chosen[turn == turn_row]], size_px)[0]
            for turn_row in np.unique(turn)
        ]
        return np.concatenate(cuts), run.column("tracks", "particle")[chosen]


def _usable(run: Run, position_px: NDArray[np.float64], size_px: int) -> NDArray[np.bool_]:
    """Mask of the rows of `tracks` with trusted particles (GOOD, UNSORTED) whose patch lies within the image."""
    if not run.image_count:
        return np.zeros(len(position_px), np.bool_)
    blank = np.zeros((run.header.height_px, run.header.width_px), np.uint8)
    rows = range(0, len(position_px), ROWS)
    inside = [np.empty(0, np.bool_), *(cut(blank, position_px[row : row + ROWS], size_px)[1] for row in rows)]
    return np.concatenate(inside) & np.isin(run.column("tracks", "state"), (State.GOOD, State.UNSORTED))
