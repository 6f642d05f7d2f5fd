"""Digits: trained undistorted, tested after affine maps and homographies; an affine and a plain network.

    python -m benchmarks.digits --seeds 1 2 3

scikit-learn's digits, enlarged; nothing is downloaded. Results in benchmarks/results/digits.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from app.console.json_file import write_json
from models.lie.fit import accuracy, fit_classes
from models.lie.network import AffineNetwork, matched, random_warps, warped

PERSPECTIVE = 0.2  # largest tilt of a homography along each axis: relative change of the distance at the rim
OUT = Path("benchmarks/results/digits.json")


def digits() -> tuple[Tensor, Tensor]:
    """(images [1797, 1, 24, 24] in 0 .. 1, labels [1797])."""
    data = load_digits()
    image = torch.from_numpy(data.images).float()[:, None] / 16
    image = functional.interpolate(image, size=16, mode="bicubic", align_corners=False).clamp(0, 1)
    return functional.pad(image, (4, 4, 4, 4)), torch.from_numpy(data.target).long()


def run(seed: int, epochs: int, special: bool) -> dict[str, Any]:
    image, label = digits()
    order = torch.randperm(len(image), generator=torch.Generator().manual_seed(seed))
    train, test = order[:1200], order[1200:]
    bent = warped(image[test], random_warps(len(test), seed + 100))
    tilt = PERSPECTIVE * (2 * torch.rand(len(test), 2, generator=torch.Generator().manual_seed(seed + 200)) - 1)
    leaning = warped(image[test], random_warps(len(test), seed + 100), tilt)
    said: dict[str, Any] = {"seed": seed, "epochs": epochs, "group": "SL(2)" if special else "GL+(2)"}
    for name in ("affine", "plain"):
        torch.manual_seed(seed)
        network = AffineNetwork(10, special=special)
        chosen = network if name == "affine" else matched(10, network)
        began = time.process_time()
        fit_classes(chosen, image[train], label[train], epochs=epochs, seed=seed)
        seconds = time.process_time() - began
        if isinstance(chosen, AffineNetwork):
            chosen.freeze()
        straight, crooked = accuracy(chosen, image[test], label[test]), accuracy(chosen, bent, label[test])
        homography = accuracy(chosen, leaning, label[test])
        said[name] = {"unwarped": straight, "warped": crooked, "drop": straight - crooked,
                      "homography": homography, "homography_drop": straight - homography, "seconds": round(seconds, 1),
                      "parameters": sum(value.numel() for value in chosen.parameters())}  # fmt: skip
    for key, name in (("drop", "ratio"), ("homography_drop", "homography_ratio")):
        said[name] = said["affine"][key] / max(said["plain"][key], 1e-9)
    return said


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--special", action="store_true", help="SL(2) instead of GL+(2)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = json.loads(OUT.read_text()) if OUT.exists() else []
    for seed in asked.seeds:
        group = "SL(2)" if asked.special else "GL+(2)"
        if any((row["seed"], row["epochs"], row["group"]) == (seed, asked.epochs, group) for row in rows):
            continue
        rows.append(run(seed, asked.epochs, asked.special))
        print(rows[-1], flush=True)
        write_json(OUT, rows)


if __name__ == "__main__":
    main()
