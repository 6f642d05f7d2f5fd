"""Species of particles through optics never trained on: an affine network, a plain one of its size, mass and size.

    python -m benchmarks.species --seeds 1 2 3

Trained on straight patches; tested on sheared (0.3), stretched (1.4) and blurred ones, in results/species.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.lie.fit import accuracy, fit_classes
from models.lie.network import AffineNetwork, matched
from models.lie.patches import crooked, draw_patches, straight
from models.lie.species import normalised

OUT = Path("benchmarks/results/species.json")


def patches(count: int, seed: int, bent: bool) -> tuple[Tensor, Tensor]:
    kind = torch.arange(count) % 3
    optics = crooked(count, seed) if bent else straight(count)
    image = draw_patches(kind, optics, blur_px=1.5 if bent else 0.0, seed=seed)
    return torch.from_numpy(normalised(image[:, 0].numpy())), kind


def mass_and_size(image: Tensor) -> Tensor:
    """[B, 2] trackpy's mass and radius of gyration."""
    value = image[:, 0].clamp(min=0)
    line = torch.arange(value.shape[1]) - (value.shape[1] - 1) / 2
    mass = value.sum((1, 2))
    square = (line[:, None] ** 2 + line[None] ** 2)[None]
    return torch.stack([mass, ((value * square).sum((1, 2)) / mass).sqrt()], 1)


def by_threshold(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> float:
    """Accuracy of the nearest class in (mass, size), in units of their spread within a class."""
    known, asked = mass_and_size(train[0]), mass_and_size(test[0])
    middle = torch.stack([known[train[1] == kind].mean(0) for kind in range(3)])
    spread = torch.stack([known[train[1] == kind].std(0) for kind in range(3)]).mean(0)
    nearest = (((asked[:, None] - middle) / spread) ** 2).sum(2).argmin(1)
    return float((nearest == test[1]).float().mean())


def run(seed: int, epochs: int) -> dict[str, Any]:
    train, test, plain = patches(900, seed, False), patches(900, seed + 100, True), patches(300, seed + 200, False)
    said: dict[str, Any] = {"seed": seed, "threshold_error": 1 - by_threshold(train, test)}
    for name in ("affine", "plain"):
        torch.manual_seed(seed)
        made = AffineNetwork(3, special=True)
        network = made if name == "affine" else matched(3, made)
        fit_classes(network, *train, epochs=epochs, batch=30, seed=seed)
        if isinstance(network, AffineNetwork):
            network.freeze()
        said[f"{name}_error"] = 1 - accuracy(network, *test)
        said[f"{name}_straight_error"] = 1 - accuracy(network, *plain)
        spans = []
        with torch.inference_mode():
            for _ in range(20):
                began = time.perf_counter()
                network(test[0][:16])
                spans.append(1e3 * (time.perf_counter() - began))
        said[f"{name}_ms_16_patches"] = float(np.median(spans))
    return said


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=12)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = json.loads(OUT.read_text()) if OUT.exists() else []
    for seed in asked.seeds:
        rows.append(run(seed, asked.epochs))
        print(rows[-1], flush=True)
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
