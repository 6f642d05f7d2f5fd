"""Species by look: learned from recorded runs, classified live, recorded with their age, and replayed identically."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import main
from app.assembly.rig import EXPERIMENTS
from app.commands.run import run_experiment
from app.commands.species import LEAST_PX, checked_names, joined, learn_species, patches
from app.commands.verify import verify_run
from config.refused import Refused
from control.contract import State
from drivers.journal import Journal, Run, read_run
from drivers.journal.tidy import tidy_tracks
from models.lie.card import AffineShape, read_classifier
from tests.drivers.turns import header, plausible
from tracking.patches import cut

SORTED = EXPERIMENTS / "species_by_look.yaml"


def fly(out: Path, seconds: float, *sets: str, armed: bool = True) -> None:
    run_experiment(SORTED, None, list(sets), seconds=seconds, seed=5, out=out, frames=True, json=None, armed=armed)


def test_the_species_example_classifies_acts_and_verifies(tmp_path: Path) -> None:
    run = tmp_path / "sorted.h5"
    fly(run, 1.2, "tracking.classifier.looks_a_frame=4")
    with read_run(run) as recorded:
        tracks = tidy_tracks(recorded)
        turns = list(recorded.turns())
    last = tracks[tracks.frame == tracks.frame.max()]
    counts = np.bincount(last.species[last.species >= 0], minlength=3)
    assert np.abs(counts - 4).max() <= 1  # four of each; one look in thirty is wrong, and errors may repeat
    assert last.species_age.max() <= 3  # 12 particles, 4 looks a frame
    first = turns[0]
    assert (first.tracks.species_age == -1).sum() == len(first.tracks) - 4
    unlit = {who for who, why in turns[3].withheld if why == "its species is not known"}
    assert not unlit & set(turns[3].allowed.particle.tolist())
    pulled = last.sort_values("particle").species.to_numpy()
    wanted = turns[-1].wanted
    force = dict(zip(wanted.particle.tolist(), np.hypot(*wanted.force_pn.T).tolist(), strict=True))
    who = last.sort_values("particle").particle.tolist()
    assert all((force.get(one, 0.0) > 0) == (kind in (0, 1)) for one, kind in zip(who, pulled, strict=True))
    assert verify_run(run, json=None) == 0


def test_species_are_learned_from_runs_of_one_species_each(tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float32)
    runs = []
    for look in ("shell", "halo"):
        runs.append(tmp_path / f"{look}.h5")
        fly(runs[-1], 0.3, "tracking.classifier=null", f"sample.species=[{{look: {look}}}]", armed=False)
    out, said = tmp_path / "kinds.json", tmp_path / "said.json"
    learn_species(runs, out, names=(), patch_px=28, epochs=6, seed=1, json=said)
    found = json.loads(said.read_text())
    assert found["species"] == ["shell", "halo"]
    assert found["held_out_error"] < 0.2
    fly(tmp_path / "named.h5", 0.3, f"tracking.classifier.checkpoint={out}", "sample.species=[{look: shell}]")
    with read_run(tmp_path / "named.h5") as recorded:
        species = list(recorded.turns())[-1].tracks.species
    assert (species == 0).mean() > 0.7


def test_patches_are_chosen_before_images_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All patches of a long run would not fit into memory."""
    path, chance = tmp_path / "run.h5", np.random.default_rng(1)
    journal = Journal(path, header(height_px=64, width_px=70), True, wait_s=30.0)
    wanted, whose = [], []
    for number in range(60):
        turn = plausible(number, particles=4)
        assert turn.frame is not None
        image = chance.integers(0, 255, (64, 70), np.uint8)
        place_px, state = chance.uniform(5.0, 60.0, (4, 2)), chance.integers(0, 4, 4).astype(np.uint8)
        tracks = replace(turn.tracks, position_px=place_px, state=state)
        journal.write(replace(turn, frame=replace(turn.frame, image=image), tracks=tracks))
        patch, whole = cut(image, place_px, 20)
        good = whole & np.isin(state, (State.GOOD, State.UNSORTED))
        wanted.append(patch[good])
        whose.append(tracks.particle[good])
    journal.close()
    reads: list[int] = []
    image_of = Run.image

    def counted(run: Run, row: int) -> Any:
        reads.append(row)
        return image_of(run, row)

    monkeypatch.setattr(Run, "image", counted)
    monkeypatch.setattr("app.commands.species.FEWEST", 10)
    every = np.concatenate(wanted)
    for most in (7, 1500):
        reads.clear()
        found, particle = patches(path, 20, most)
        rows = np.unique(np.linspace(0, len(every) - 1, most).round().astype(np.int64))
        assert np.array_equal(found, every[rows])
        assert np.array_equal(particle, np.concatenate(whose)[rows])
        assert 0 < len(reads) <= min(most, 60)


def test_invalid_input_is_refused_in_one_sentence(tmp_path: Path) -> None:
    run = tmp_path / "dark.h5"
    fly(run, 0.05, "tracking.classifier=null", "sample.number=1", "sample.arrangement=one", armed=False)
    out = tmp_path / "no.json"
    with pytest.raises(Refused, match="at least two species"):
        learn_species([run], out, names=(), patch_px=28, epochs=1, seed=1, json=None)
    with pytest.raises(Refused, match="3 names for 1 runs"):
        learn_species([run], out, names=("a", "b", "c"), patch_px=28, epochs=1, seed=1, json=None)
    other = tmp_path / "other.h5"
    fly(other, 0.1, "tracking.classifier=null", "sample.number=1", "sample.arrangement=one", armed=False)
    with pytest.raises(Refused, match="too few to learn from"):
        learn_species([run, other], out, names=("a", "b"), patch_px=28, epochs=1, seed=1, json=None)
    copy = Path(shutil.copy(run, tmp_path / "copy.h5"))
    for again in (run, copy):
        with pytest.raises(Refused, match="are the same recording; each may be given once"):
            learn_species([run, again], out, names=("a", "b"), patch_px=28, epochs=1, seed=1, json=None)
    assert not out.exists()
    with pytest.raises(Refused, match="missing"):
        fly(run, 0.05, f"tracking.classifier.checkpoint={tmp_path / 'missing.json'}")


def test_a_species_of_one_particle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The particle is held out, and no patch would remain for training."""
    patch, out = np.zeros((120, 28, 28)), tmp_path / "no.json"
    found = {"x": np.zeros(120, np.int64), "y": np.arange(120) % 2}
    monkeypatch.setattr("app.commands.species.patches", lambda path, size_px, most: (patch, found[path.stem]))
    with pytest.raises(Refused, match="all 120 patches of 'a' are of one particle"):
        learn_species([Path("x"), Path("y")], out, names=("a", "b"), patch_px=28, epochs=1, seed=1, json=None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--patch-px=0", "--patch-px: found 0 (allowed: 19 to 128)"),
        ("--patch-px=-5", "--patch-px: found -5 (allowed: 19 to 128)"),
        ("--patch-px=18", "--patch-px: found 18 (allowed: 19 to 128)"),
        ("--patch-px=5000", "--patch-px: found 5000 (allowed: 19 to 128)"),
        ("--epochs=0", "--epochs: found 0 (allowed: 1 to 1000000)"),
        ("--epochs=-1", "--epochs: found -1 (allowed: 1 to 1000000)"),
        ("--seed=-1", "--seed: found -1 (allowed: 0 to 4294967295)"),
        ("--out=k.txt", "--out k.txt: a checkpoint is named by its card, a .json file"),
        ("--json=kinds.json", "--json: 'kinds.json' is --out too; each needs a file of its own"),
        ("--names=a, ", "--names: name 2 of 2 is blank"),
        ("--names= a ,a", "species: runs of at least two species are needed"),
    ],
)
def test_options_are_bounded_before_anything_is_written(
    option: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = '{"format": "cybloids classifier 1", "weights_sha256": "of a card"}'
    Path("kinds.json").write_text(before)
    monkeypatch.setattr("sys.argv", ["main.py", "species", "a.h5", "b.h5", "--out", "kinds.json", option])
    assert main.main() == 2
    assert capsys.readouterr().err == f"cybloids: {said}\n"
    assert Path("kinds.json").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["kinds.json"]


CHECKPOINTS = EXPERIMENTS.parent / "checkpoints"


@pytest.mark.parametrize(
    ("card", "weights", "said"),
    [
        ("ring_egnn", "ring_egnn", "law.json' is not the card of a classifier, and it is left as it is"),
        ("species/by_look", "ring_egnn", "law.safetensors: these are not the weights of the card beside them"),
        ("", "ring_egnn", "law.safetensors: there are weights without their card"),
    ],
)
def test_a_trained_law_is_not_replaced_by_a_classifier(
    card: str, weights: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "law.json"
    out.write_bytes((CHECKPOINTS / f"{card}.json").read_bytes() if card else b"")
    shutil.copy(CHECKPOINTS / f"{weights}.safetensors", out.with_suffix(".safetensors"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    found = {"x": np.arange(120) % 2, "y": np.arange(120) % 3}
    monkeypatch.setattr(
        "app.commands.species.patches", lambda path, size_px, most: (np.zeros((120, 28, 28)), found[path.stem])
    )
    with pytest.raises(Refused, match=re.escape(said)):
        learn_species([Path("x"), Path("y")], out, names=("a", "b"), patch_px=28, epochs=1, seed=1, json=None)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_classifier_replaces_a_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_default_dtype(torch.float32)
    out = tmp_path / "law.json"
    for ending in (".json", ".safetensors"):
        shutil.copy(CHECKPOINTS / f"species/by_look{ending}", out.with_suffix(ending))
    found = {"x": np.arange(120) % 2, "y": np.arange(120) % 3}
    patch = np.random.default_rng(1).random((120, 28, 28))
    monkeypatch.setattr("app.commands.species.patches", lambda path, size_px, most: (patch, found[path.stem]))
    learn_species([Path("x"), Path("y")], out, names=("a", "b"), patch_px=28, epochs=1, seed=1, json=None)
    assert read_classifier(out)[1].species == ("a", "b")


def test_names_are_stripped_of_spaces() -> None:
    runs = [Path("a.h5"), Path("b.h5")]
    assert checked_names(runs, (" bead", "shell ")) == ("bead", "shell")
    assert checked_names(runs, ()) == ("a", "b")


def test_the_smallest_patch_is_that_of_the_network() -> None:
    network = AffineShape().build(2).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 1, LEAST_PX, LEAST_PX)).shape == (1, 2)
        with pytest.raises(RuntimeError):
            network(torch.rand(1, 1, LEAST_PX - 1, LEAST_PX - 1))


def test_particles_of_different_runs_are_different() -> None:
    patch = np.zeros((3, 4, 4))
    _, whose = joined([(patch, np.array([0, 1, 1])), (patch, np.array([0, 0, 2]))])
    assert whose.tolist() == [0, 1, 1, 2, 2, 3]
    _, whose = joined([(patch, np.array([-(2**63), 2**63 - 1, 0]))] * 2)
    assert sorted(whose.tolist()) == [0, 1, 2, 3, 4, 5]
