"""Checkpoints are read back bit for bit; a bad checkpoint is refused in one sentence."""

from __future__ import annotations

import errno
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from config.refused import Refused
from control.contract import Seen, State, Tracks
from control.history import History
from control.plant import Plant
from control.potentials.gaussian_ring import GaussianRing
from models.checkpoint import Card, Trained, Units, fill, load_checkpoint, write
from models.flight.pack import pack
from models.learned import Floats, LearnedPolicy, fly, outside
from models.networks import AnyNetwork, EgnnSettings, FrameNetworkSettings, FrameSettings, PonitaSettings
from models.training import CloneTask
from tests.models.clouds import random_cloud, randomised


@pytest.fixture(autouse=True)
def single() -> None:
    torch.set_default_dtype(torch.float32)  # policies use float32


def card(network: AnyNetwork) -> Card:
    trained = Trained(task=CloneTask(shape=GaussianRing()), points_least=2, points_most=37, nearest=1.5, farthest=8.0,
                      data_sha256="0", seed=1, epochs=1)  # fmt: skip
    return Card(network=network, dimension=2, scalars=1, vectors=0, attributes=0, symmetry=network.symmetry(2),
                units=Units(length="um", answer="kT/um"), scale=2.0, reach=4.0, species=(0,), trained=trained,
                metrics={"test_mse": 0.1})  # fmt: skip


def made(folder: Path, network: AnyNetwork | None = None, **changes: object) -> Path:
    wanted = card(network or PonitaSettings(width=8, cutoff=4.0, length=2.0, radial=4))
    path = folder / "policy.json"
    write(randomised(wanted.network.build(wanted.shape)), replace(wanted, **changes), path)  # type: ignore[arg-type]
    return path


NETWORKS: tuple[AnyNetwork, ...] = (
    PonitaSettings(width=8, cutoff=4.0, length=2.0, grid=6),
    EgnnSettings(width=8, layers=2, cutoff=4.0, radial=5),
    FrameSettings(width=8, cutoff=4.0, frame="harmonic"),
)


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_full_disk_leaves_a_matching_pair_of_weights_and_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """For an error at either file."""
    path, other = made(tmp_path), PonitaSettings(width=6, cutoff=4.0, length=2.0, radial=4)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    calls: list[object] = []
    real = getattr(os, name)

    def full(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*given)

    with monkeypatch.context() as disk:
        disk.setattr(f"config.atomic.os.{name}", full)
        with pytest.raises(OSError, match="No space left"):
            made(tmp_path, other, scale=3.0)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before
    assert load_checkpoint(path)[1].scale == 2.0
    made(tmp_path, other, scale=3.0)
    assert load_checkpoint(path)[1].scale == 3.0


@pytest.mark.parametrize("network", NETWORKS)
def test_a_checkpoint_is_read_back_bit_for_bit(tmp_path: Path, network: AnyNetwork) -> None:
    wanted = card(network)
    before = randomised(network.build(wanted.shape))
    written = write(before, wanted, tmp_path / "policy.json")
    after, read = load_checkpoint(tmp_path / "policy.json")
    assert read == written
    for name, value in before.state_dict().items():
        assert torch.equal(after.state_dict()[name], value)
    seen = random_cloud(0, radius=4.0)
    seen = replace(seen, scalar=seen.scalar[:, :1], vector=seen.vector[:, :0]).to("cpu", torch.float32)
    assert torch.equal(after(seen).vector, before(seen).vector)


def changed_byte(path: Path) -> None:
    weights = path.with_suffix(".safetensors")
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(bytes(data))


def truncated(path: Path) -> None:
    weights = path.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])


def disguised_pickle(path: Path) -> None:
    path.with_suffix(".safetensors").write_bytes(pickle.dumps({"weight": [1.0]}))


def disguised_pickle_with_its_owndigest(path: Path) -> None:
    """Even with a forged digest on the card, no pickle is opened."""
    import hashlib

    from models.checkpoint import digest, read_card

    data = pickle.dumps({"weight": [1.0]})
    forged = replace(read_card(path), weights_sha256=hashlib.sha256(data).hexdigest())
    forge(path, replace(forged, card_sha256=digest(forged)))
    path.with_suffix(".safetensors").write_bytes(data)


def forge(path: Path, forged: Card) -> None:
    from config.reader import plain

    path.write_text(json.dumps(plain(forged)), encoding="utf-8")


def no_weights(path: Path) -> None:
    path.with_suffix(".safetensors").unlink()


def edited_card(path: Path) -> None:
    path.write_text(path.read_text().replace('"scale": 2.0', '"scale": 3.0'), encoding="utf-8")


def card_is_no_json(path: Path) -> None:
    path.write_text("{", encoding="utf-8")


def unknown_key(path: Path) -> None:
    text = json.loads(path.read_text())
    text["scales"] = 2.0
    path.write_text(json.dumps(text), encoding="utf-8")


BREAKS: dict[Callable[[Path], None], str] = {
    changed_byte: "not the weights of the card",
    truncated: "not the weights of the card",
    disguised_pickle: "not the weights of the card",
    disguised_pickle_with_its_owndigest: "not a safetensors file",
    no_weights: "no such file",
    edited_card: "changed after the training",
    card_is_no_json: "not YAML",
    unknown_key: "did you mean 'scale'",
}


@pytest.mark.parametrize("damage", BREAKS)
def test_a_broken_checkpoint_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = made(tmp_path)
    fly(path, Plant())
    damage(path)
    with pytest.raises(Refused, match=BREAKS[damage]) as refusal:
        fly(path, Plant())
    assert "policy" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"units": Units(length="1", answer="pN")}, "units are 1 and pN"),
        ({"units": Units(length="um", answer="um")}, "units are um and um"),
        ({"symmetry": "SE(2)"}, r"claims the symmetry SE\(2\), and its network has E\(2\)"),
        ({"species": ()}, "names 0 species for 1 scalars"),
        ({"species": (0, 1)}, "names 2 species for 1 scalars"),
    ],
)
def test_a_checkpoint_that_can_not_be_a_policy_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(Refused, match=said):
        fly(made(tmp_path, None, **changes), Plant())


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (EgnnSettings(width=8, layers=2), "'network.cutoff' is left out"),
        (EgnnSettings(width=8, layers=2, cutoff=4.1), "'network.cutoff' is 4.1, which is beyond"),
        (FrameNetworkSettings(width=8), "'network.kind' is fa_gnn, which has no cut-off"),
    ],
)
def test_a_network_with_a_jump_of_the_force_at_its_reach_is_refused(
    tmp_path: Path, network: AnyNetwork, said: str
) -> None:
    with pytest.raises(Refused, match=rf"policy\.json: {said}"):
        fly(made(tmp_path, network), Plant())


@pytest.mark.parametrize("network", NETWORKS)
def test_forces_vanish_continuously_at_the_reach(tmp_path: Path, network: AnyNetwork) -> None:
    policy, zero = fly(made(tmp_path, network), Plant()), np.zeros(2, np.int64)
    just_in, just_out = (policy.forces_pn(np.array([[0, 0], [x, 0.0]]), zero, zero) for x in (3.9999, 4.0001))
    near = policy.forces_pn(np.array([[0, 0], [2.0, 0]]), zero, zero)
    assert np.abs(just_in - just_out).max() < 1e-4 * np.abs(near).max()


def test_a_checkpoint_with_another_hash_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    fly(path, Plant(), card_sha256=load_checkpoint(path)[1].card_sha256)
    with pytest.raises(Refused, match=r"policy\.json: the checkpoint is not the one that flew"):
        fly(path, Plant(), card_sha256="0" * 64)


def test_weights_that_do_not_fit_the_network_of_the_card_are_refused(tmp_path: Path) -> None:
    wanted = card(EgnnSettings(width=8, layers=2, cutoff=4.0))
    other = card(EgnnSettings(width=9, layers=2, cutoff=4.0))
    write(other.network.build(other.shape), wanted, tmp_path / "policy.json")
    with pytest.raises(Refused, match="and the card's network has"):
        load_checkpoint(tmp_path / "policy.json")


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    wanted = card(EgnnSettings(width=8, layers=2, cutoff=4.0))
    network = wanted.network.build(wanted.shape)
    with torch.no_grad():
        next(network.parameters())[0] = float("nan")
    write(network, wanted, tmp_path / "policy.json")
    with pytest.raises(Refused, match="not finite"):
        load_checkpoint(tmp_path / "policy.json")


@pytest.mark.parametrize("kind", [torch.float64, torch.float8_e4m3fn, torch.complex64, torch.int64, torch.bool])
def test_weights_of_another_type_are_refused(tmp_path: Path, kind: torch.dtype) -> None:
    wanted = card(EgnnSettings(width=8, layers=2, cutoff=4.0))
    network = wanted.network.build(wanted.shape)
    found = {name: value.to(kind) for name, value in network.state_dict().items()}
    with pytest.raises(Refused, match=r"w: '.*' has numbers of type \w+ \(allowed: float32\)"):
        fill(network, found, Path("w"))


def test_a_checkpoint_not_named_by_its_card_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    with pytest.raises(Refused, match="named by its card"):
        fly(path.with_suffix(".safetensors"), Plant())
    with pytest.raises(Refused, match="no such file"):
        fly(tmp_path / "other.json", Plant())


def seen_of(place_um: Floats, **changes: Any) -> Seen:
    count = len(place_um)
    tracks = Tracks(1.0, np.arange(count) * 3, place_um, np.zeros(count, np.uint8), np.zeros(count, np.int64),
                    np.zeros(count, np.int64))  # fmt: skip
    return Seen(replace(tracks, **changes), History(0.1), 1.01, 0.02)


def crowd(count: int = 12) -> Floats:
    return np.random.default_rng(3).uniform(0, 9, (count, 2)) + 40.0


@pytest.fixture
def policy(tmp_path: Path) -> LearnedPolicy:
    return fly(made(tmp_path), Plant())


def test_a_learned_policy_gives_forces_for_trusted_particles_only(policy: LearnedPolicy) -> None:
    state = np.zeros(12, np.uint8)
    state[[2, 5]] = State.NEW
    _, forces = policy.step(policy.start(), seen_of(crowd(), state=state))
    assert forces.particle.tolist() == [3 * k for k in range(12) if k not in (2, 5)]
    _, fewer = policy.step(policy.start(), seen_of(np.delete(crowd(), [2, 5], 0)))
    assert np.array_equal(forces.force_pn, fewer.force_pn)
    assert np.abs(forces.force_pn).max() > 1e-6


def test_forces_scale_with_kt_and_are_invariant_under_translations(tmp_path: Path) -> None:
    path = made(tmp_path)
    cold, warm = fly(path, Plant(temperature_k=280.0)), fly(path, Plant(temperature_k=308.0))
    _, first = cold.step((), seen_of(crowd()))
    _, second = warm.step((), seen_of(crowd()))
    assert np.allclose(second.force_pn, 1.1 * first.force_pn, rtol=1e-12)
    _, moved = cold.step((), seen_of(crowd() + np.array([30.0, -20.0])))
    assert np.allclose(moved.force_pn, first.force_pn, rtol=1e-3, atol=1e-5 * np.abs(first.force_pn).max())


@pytest.mark.parametrize("network", [*NETWORKS, FrameSettings(width=8, cutoff=4.0, frame="gated")])
def test_particles_of_different_cells_do_not_interact(tmp_path: Path, network: AnyNetwork) -> None:
    policy = fly(made(tmp_path, network), Plant())
    cell = np.array([0, 1] * 6)
    _, both = policy.step((), seen_of(crowd(), cell=cell))
    for one in (0, 1):
        _, alone = policy.step((), seen_of(crowd()[cell == one]))
        assert np.array_equal(both.force_pn[cell == one], alone.force_pn)


def test_the_range_of_the_training_is_checked_cell_by_cell(policy: LearnedPolicy) -> None:
    """Two cells of thirty are not sixty particles, and particles of different cells are not near each other."""
    apart = np.array([[x, y] for x in range(6) for y in range(5)]) * 3.0
    place, cell = np.concatenate([apart, apart + 0.1]), np.array([0] * 30 + [1] * 30)
    assert outside(policy.card, place, cell) == ()
    assert len(outside(policy.card, place, np.zeros(60, np.int64))) == 2


def test_particles_of_an_unknown_species_get_no_light(policy: LearnedPolicy) -> None:
    species = np.zeros(12, np.int64)
    species[4] = 1
    _, forces = policy.step((), seen_of(crowd(), species=species))
    assert forces.withheld == ((12, "the checkpoint does not know species 1"),)
    assert 12 not in forces.particle


def test_input_outside_of_the_training_is_noted_once(policy: LearnedPolicy) -> None:
    near = crowd()
    near[1] = near[0] + 0.3
    memory, first = policy.step(policy.start(), seen_of(near))
    assert any("nearer to each other" in note for note in first.notes)
    memory, second = policy.step(memory, seen_of(near))
    assert second.notes == ()
    assert len(crowd(60)) > policy.card.trained.points_most
    _, third = policy.step(memory, seen_of(crowd(60)))
    assert any("more particles" in note for note in third.notes)


def test_without_particles_there_are_no_forces(policy: LearnedPolicy) -> None:
    _, forces = policy.step(policy.start(), seen_of(np.empty((0, 2))))
    assert len(forces.particle) == 0


def test_a_network_that_returns_nan_trips_the_loop(tmp_path: Path) -> None:
    from control.loop import not_finite

    network, card = load_checkpoint(made(tmp_path))
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    policy = LearnedPolicy(pack(network, card), card, Plant())
    _, forces = policy.step(policy.start(), seen_of(crowd()))
    assert not_finite(forces)


def test_the_weights_file_contains_only_tensors(tmp_path: Path) -> None:
    path = made(tmp_path)
    tensors = load_file(path.with_suffix(".safetensors"))
    assert {"grid", "blocks.0.convolution.calibrated"} <= tensors.keys()
    save_file(tensors, tmp_path / "again.safetensors")
    assert load_file(tmp_path / "again.safetensors").keys() == tensors.keys()
