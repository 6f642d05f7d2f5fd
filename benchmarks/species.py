"""Species through the whole simulated instrument, with optics that are not in the training data.

    python -m benchmarks.species --seeds 1 2 3

Simulated camera, tracker, patches. Three kinds of particles that differ in shape, with brightnesses and sizes that
overlap; trained with perfect optics, tested with sheared, stretched, tilted and defocused ones. Compared are an affine
network, a plain one of its size, and thresholds on trackpy's mass and size. Results in benchmarks/results/species.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.console.json_file import write_json
from config.geometry import Affine
from drivers.sim.bench import open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.sample import MixtureSpecies, Sample
from models.lie.card import AffineShape
from models.lie.fit import accuracy, fit_classes
from models.lie.network import AffineNetwork, matched
from models.lie.species import normalised
from tracking.patches import cut
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker

OUT = Path("benchmarks/results/species.json")
LOOKS = ("shell", "corona", "halo")
STRAIGHT: dict[str, Any] = {}
BENT: dict[str, dict[str, Any]] = {
    "shear 0.3": {"true_shear": 0.3},
    "stretch 1.4": {"true_stretch": 1.4, "true_stretch_deg": 30.0},
    "tilt 2 deg": {"true_tilt_deg": 2.0},
    "defocus 0.4 um": {"true_defocus_um": 0.4},
    "all": {"true_shear": 0.3, "true_stretch": 1.4, "true_stretch_deg": 120.0, "true_tilt_deg": 1.0,
            "true_defocus_um": 0.3},
}  # fmt: skip
UM_PER_PX = 0.1
SIZE_PX = 28
A_STEP = 16  # classifications per frame
TRACKING = Tracking(diameter_px=15, separation_px=13, minmass=250, search_px=8)

Patches = tuple[Tensor, Tensor, NDArray[np.float64]]  # images, kinds, mass and size


def seen(look: str, seed: int, frames: int, optics: dict[str, Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Patches [N, 28, 28] that the tracker cuts from frames 0.2 s apart, and mass and size [N, 2]."""
    camera = SimulatedCamera(fps=50, exposure_s=0.002, readout_s=0.002, width_px=448, height_px=448, peak_counts=60.0,
                             read_noise_counts=2.0, size_spread=0.1, light_spread=0.4, **optics)  # fmt: skip
    sample = Sample(number=80, arrangement="hexagonal", spacing_um=3.8, disturbance_um=0.3, diameter_um=1.0,
                    drag_pn_s_per_um=0.018, species=(MixtureSpecies(look=look),))  # type: ignore[arg-type]  # fmt: skip
    tracker = LinkingTracker(TRACKING, Affine.scale("px", "um", UM_PER_PX))
    patches, numbers = [], []
    with open_bench(sample, camera, um_per_px=UM_PER_PX, seed=seed) as bench:
        memory = tracker.start()
        for number in range(10 * (frames - 1) + 1):
            frame = bench.camera.read()
            if number % 10 or frame is None:
                continue
            memory, tracks = tracker.step(memory, frame)
            patch, whole = cut(frame.image, tracks.position_px, SIZE_PX)
            patches.append(patch[whole])
            numbers.append(np.column_stack([tracks.mass, tracks.size_px])[whole])
    return np.concatenate(patches), np.concatenate(numbers)


def collected(seed: int, worlds: int, frames: int, optics: dict[str, Any]) -> Patches:
    images, kinds, numbers = [], [], []
    for world in range(worlds):
        for kind, look in enumerate(LOOKS):
            patch, number = seen(look, 100 * seed + 3 * world + kind, frames, optics)
            images.append(normalised(patch))
            kinds.append(np.full(len(patch), kind))
            numbers.append(number)
    return (torch.from_numpy(np.concatenate(images)), torch.from_numpy(np.concatenate(kinds)), np.concatenate(numbers))


def by_threshold(train: Patches, test: Patches) -> float:
    """Error of the nearest class in (mass, size), in units of their spread within a class."""
    kind, known, asked = train[1].numpy(), train[2], test[2]
    middle = np.array([known[kind == one].mean(0) for one in range(len(LOOKS))])
    spread = np.mean([known[kind == one].std(0) for one in range(len(LOOKS))], axis=0)
    nearest = (((asked[:, None] - middle) / spread) ** 2).sum(2).argmin(1)
    return float((nearest != test[1].numpy()).mean())


def milliseconds(network: nn.Module, image: Tensor) -> float:
    spans = []
    with torch.inference_mode():
        for _ in range(30):
            began = time.perf_counter()
            network(image)
            spans.append(1e3 * (time.perf_counter() - began))
    return float(np.median(spans))


def run(seed: int, epochs: int) -> dict[str, Any]:
    train = collected(1000 + 10 * seed, 6, 2, STRAIGHT)
    tests = {name: collected(5000 + 10 * seed, 2, 2, optics) for name, optics in {"straight": {}, **BENT}.items()}
    said: dict[str, Any] = {"seed": seed, "epochs": epochs, "patches": len(train[0]), "load": _load()}
    said["threshold"] = {name: by_threshold(train, test) for name, test in tests.items()}
    for name in ("affine", "plain"):
        torch.manual_seed(seed)
        made = AffineShape().build(len(LOOKS))
        network: nn.Module = made if name == "affine" else matched(len(LOOKS), made)
        fit_classes(network, train[0], train[1], epochs=epochs, seed=seed, shift=1)
        if isinstance(network, AffineNetwork):
            network.freeze()
        said[name] = {key: 1 - accuracy(network, test[0], test[1]) for key, test in tests.items()}
        said[f"{name}_ms_{A_STEP}_patches"] = milliseconds(network, train[0][:A_STEP])
        said[f"{name}_ms_100_patches"] = milliseconds(network, train[0][:100])
        said[f"{name}_parameters"] = sum(value.numel() for value in network.parameters())
    mean = {name: float(np.mean([said[name][key] for key in BENT])) for name in ("affine", "plain", "threshold")}
    said["bent"] = mean
    said["over_plain"], said["over_threshold"] = mean["affine"] / mean["plain"], mean["affine"] / mean["threshold"]
    return said


def _load() -> float:
    import os

    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = json.loads(asked.out.read_text()) if asked.out.exists() else []
    for seed in asked.seeds:
        if any(row["seed"] == seed and row["epochs"] == asked.epochs for row in rows):
            continue
        rows.append(run(seed, asked.epochs))
        print(rows[-1], flush=True)
        write_json(asked.out, rows)


if __name__ == "__main__":
    main()
