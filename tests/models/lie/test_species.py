"""The classifier plug: labels by majority, bounded cost, ages, removal of lost particles; and the simulated patches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from config.refused import Refused
from control.contract import UNKNOWN
from models.lie.fit import accuracy, fit_classes
from models.lie.learn import learn
from models.lie.network import AffineNetwork
from models.lie.patches import KINDS, blurred, crooked, draw_patches, straight
from models.lie.species import PatchClassifier, SpeciesMemory, normalised, open_classifier


class Reads(nn.Module):
    """A classifier that returns the value of the middle pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, image: Tensor) -> Tensor:
        self.asked += len(image)
        return torch.log_softmax(torch.nn.functional.one_hot((image[:, 0, 4, 4] > 0.5).long(), 2).float(), 1)


def patches(kinds: list[int]) -> np.ndarray:
    made = np.zeros((len(kinds), 9, 9), np.uint8)
    made[:, 2, 2] = 100
    made[:, 4, 4] = 200 * np.array(kinds)
    return made


ALL = np.ones(9, np.bool_)


def test_labels_follow_the_majority_and_have_an_age() -> None:
    plug = PatchClassifier(Reads(), a_step=10)
    memory, who = plug.start(), np.array([3, 8])
    for kinds in ([0, 1], [0, 1], [1, 1]):
        memory, species, age = plug.step(memory, who, patches(kinds), ALL[:2])
    assert species.tolist() == [0, 1]
    memory, species, age = plug.step(memory, who, patches([1, 1]), ALL[:2])
    assert species.tolist() == [1, 1]  # two and two: the later ones
    assert age.tolist() == [0, 0]
    assert memory.age(np.array([99])).tolist() == [-1]


def test_each_frame_classifies_a_fixed_number_oldest_labels_first() -> None:
    network = Reads()
    plug = PatchClassifier(network, a_step=2)
    memory, who = plug.start(), np.arange(5)
    ages = []
    for _ in range(3):
        memory, species, age = plug.step(memory, who, patches([1] * 5), ALL[:5])
        ages.append(age.tolist())
    assert network.asked == 6
    assert ages == [[0, 0, -1, -1, -1], [1, 1, 0, 0, -1], [0, 2, 1, 1, 0]]
    assert species.tolist() == [1] * 5


def test_edge_patches_and_uncertain_labels_are_unknown() -> None:
    plug = PatchClassifier(Reads(), a_step=2)
    _, species, age = plug.step(plug.start(), np.arange(3), patches([1, 1, 1]), np.array([False, True, True]))
    assert species.tolist() == [UNKNOWN, 1, 1]
    assert age.tolist() == [-1, 0, 0]
    never = PatchClassifier(Reads(), sure=0.99)  # the network returns e / (1 + e)
    _, species, age = never.step(never.start(), np.arange(2), patches([1, 0]), ALL[:2])
    assert species.tolist() == [UNKNOWN, UNKNOWN]
    assert age.tolist() == [0, 0]


def test_labels_of_lost_particles_and_of_another_network_are_dropped() -> None:
    plug = PatchClassifier(Reads(), name="one")
    memory, _, _ = plug.step(plug.start(), np.array([1, 2]), patches([1, 1]), ALL[:2])
    memory, _, _ = plug.step(memory, np.array([2]), patches([1]), ALL[:1])
    assert set(memory.looks) == {2}
    other, species, _ = replace(plug, name="two").step(memory, np.array([2]), patches([0]), ALL[:1])
    assert other.looks == {2: (0,)}
    assert species.tolist() == [0]
    memory, none, _ = plug.step(memory, np.empty(0, np.int64), patches([]), ALL[:0])
    assert len(none) == 0
    assert memory.looks == {}
    assert SpeciesMemory().species(np.array([5])).tolist() == [UNKNOWN]


def test_a_checkpoint_is_read_back_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float32)
    kind = torch.arange(60) % 3
    image = draw_patches(kind, straight(60), seed=2)[:, 0].numpy()
    whose = np.arange(20)
    seen = [(image[kind.numpy() == k], whose) for k in range(3)]
    path = tmp_path / "kinds.json"
    card = learn(seen, path, names=KINDS, patch_px=24, epochs=1, seed=1, data_sha256="none")
    plug = open_classifier(path, 16, 7, 0.0)
    assert plug.patch_px == 24
    assert card.patches == (20, 20, 20)
    again = open_classifier(path, 16, 7, 0.0)
    here = np.arange(10)
    one, two = (p.step(p.start(), here, image[:10], ALL.repeat(2)[:10])[1] for p in (plug, again))
    assert one.tolist() == two.tolist()
    text = path.read_text()
    path.write_text(text.replace('"seed": 1', '"seed": 2'))
    with pytest.raises(Refused, match="changed after the training"):
        open_classifier(path, 16, 7, 0.0)
    path.write_text(text)
    weights = path.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(Refused, match="not the weights of the card"):
        open_classifier(path, 16, 7, 0.0)


def test_patches_are_normalised_for_any_brightness() -> None:
    image = draw_patches(torch.tensor([0, 1, 2]), straight(3), noise=0.0)[:, 0].numpy()
    plain, bright = normalised(image), normalised(200 * image + 30)
    assert np.abs(plain - bright).max() < 1e-4


def test_images_depend_on_the_species_and_the_optics() -> None:
    kind = torch.arange(3)
    made = draw_patches(kind, straight(3), noise=0.0, seed=1)
    assert made.shape == (3, 1, 24, 24)
    assert float(torch.pdist(made.flatten(1)).min()) > 2
    bent = crooked(500, 1)
    assert float((torch.linalg.det(bent) - 1).abs().max()) < 1e-5
    singular = torch.linalg.svdvals(bent)
    assert float((singular[:, 0] / singular[:, 1]).max()) > 1.4
    soft = blurred(made[:, 0], 2.0)
    assert float(soft.std()) < float(made.std())
    assert len(KINDS) == 3


def test_a_short_training_distinguishes_the_species() -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(1)
    kind = torch.arange(240) % 3
    image = torch.from_numpy(normalised(draw_patches(kind, straight(240), seed=2)[:, 0].numpy()))
    network = AffineNetwork(3, width=4, deep=8, group=3, special=True)
    fit_classes(network, image, kind, epochs=6, batch=24)
    network.freeze()
    again = torch.from_numpy(normalised(draw_patches(kind, straight(240), seed=3)[:, 0].numpy()))
    assert accuracy(network, again, kind) > 0.6
