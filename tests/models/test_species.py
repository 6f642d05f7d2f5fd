"""The classifier plug: labels by majority, bounded price, ages, the gone forgotten; patches as they are said."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.lie.fit import accuracy, fit_classes
from models.lie.network import AffineNetwork
from models.lie.patches import KINDS, blurred, crooked, draw_patches, straight
from models.lie.species import Labels, PatchClassifier, normalised


class Reads(nn.Module):
    """Says what the middle pixel holds."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, image: Tensor) -> Tensor:
        self.asked += len(image)
        return torch.nn.functional.one_hot((image[:, 0, 4, 4] > 0.5).long(), 2).float()


def patches(kinds: list[int]) -> np.ndarray:
    made = np.zeros((len(kinds), 9, 9), np.uint8)
    made[:, 2, 2] = 100
    made[:, 4, 4] = 200 * np.array(kinds)
    return made


def test_labels_follow_the_majority_and_have_an_age() -> None:
    plug = PatchClassifier(Reads(), a_step=10)
    memory, who = plug.start(), np.array([3, 8])
    for kinds in ([0, 1], [0, 1], [1, 1]):
        memory, species = plug.step(memory, who, patches(kinds))
    assert species.tolist() == [0, 1]
    memory, species = plug.step(memory, who, patches([1, 1]))
    assert species.tolist() == [1, 1]  # two against two: the later ones
    assert memory.age(who).tolist() == [0, 0]
    assert memory.age(np.array([99])).tolist() == [-1]


def test_the_price_of_a_step_is_bounded_and_everybody_is_looked_at() -> None:
    network = Reads()
    plug = PatchClassifier(network, a_step=4)
    memory, who = plug.start(), np.arange(10)
    for _ in range(3):
        memory, _ = plug.step(memory, who, patches([1] * 10))
    assert network.asked == 12
    assert memory.species(who).tolist() == [1] * 10
    assert int(memory.age(who).max()) <= 2


def test_the_gone_are_forgotten() -> None:
    plug = PatchClassifier(Reads())
    memory, _ = plug.step(plug.start(), np.array([1, 2]), patches([1, 1]))
    memory, _ = plug.step(memory, np.array([2]), patches([1]))
    assert set(memory.looks) == {2}
    memory, none = plug.step(memory, np.empty(0, np.int64), patches([]))
    assert len(none) == 0
    assert memory.looks == {}
    assert Labels().species(np.array([5])).tolist() == [0]


def test_patches_are_normalised_whatever_their_light() -> None:
    image = draw_patches(torch.tensor([0, 1, 2]), straight(3), noise=0.0)[:, 0].numpy()
    plain, bright = normalised(image), normalised(200 * image + 30)
    assert np.abs(plain - bright).max() < 1e-4


def test_kinds_differ_and_optics_bend_them() -> None:
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


def test_a_short_training_tells_the_kinds_apart() -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(1)
    kind = torch.arange(240) % 3
    image = torch.from_numpy(normalised(draw_patches(kind, straight(240), seed=2)[:, 0].numpy()))
    network = AffineNetwork(3, width=4, deep=8, group=3, special=True)
    fit_classes(network, image, kind, epochs=6, batch=24)
    network.freeze()
    again = torch.from_numpy(normalised(draw_patches(kind, straight(240), seed=3)[:, 0].numpy()))
    assert accuracy(network, again, kind) > 0.6
