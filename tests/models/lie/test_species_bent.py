"""Short version of benchmarks/species: trained with perfect optics, tested out of focus, through camera and tracker."""

from __future__ import annotations

import pytest
import torch

from benchmarks.species import BENT, LOOKS, STRAIGHT, by_threshold, collected
from models.lie.card import AffineShape
from models.lie.fit import accuracy, fit_classes
from models.lie.network import matched


@pytest.mark.slow
def test_species_are_classified_under_a_defocus_absent_from_training() -> None:
    torch.set_default_dtype(torch.float32)
    train = collected(81, 3, 1, STRAIGHT)
    bent = collected(91, 1, 1, BENT["defocus 0.4 um"])
    torch.manual_seed(15)
    affine = AffineShape(width=6, deep=12).build(len(LOOKS))
    plain = matched(len(LOOKS), affine)
    error = []
    for network in (affine, plain):
        fit_classes(network, train[0], train[1], epochs=9, seed=15, shift=1)
        error.append(1 - accuracy(network, bent[0], bent[1]))
    assert error[0] <= 0.5 * error[1]
    assert error[0] <= 0.5 * by_threshold(train, bent)
