"""colloid2d: benefit of a built-in symmetry if the data have it, and its cost if not. Can be interrupted.

    python -m benchmarks.colloids                  # all missing variants and networks
    python -m benchmarks.colloids --seeds 1 2 3

Twenty particles (hexagonal patches: 19) of two kinds in the plane, in seven variants (models/data/colloid); the
target is the mean velocity over a frame, without noise. Checkpoints and logs go to runs/colloids; results to
benchmarks/results/colloids.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from app.console.json_file import write_json
from models.checkpoint import load_checkpoint
from models.data.colloid import REACH, Variant
from models.data.task import Task
from models.evaluate import broken_symmetry, spread
from models.networks import AnyNetwork, EgnnSettings, FrameSettings, PlainSettings, PonitaSettings
from models.train import Trainer
from models.training import ColloidTask, Training

VARIANTS: dict[str, tuple[Variant, str]] = {
    "homogeneous": ("h", "E(2)"),
    "hexagonal": ("H", "E(2)"),
    "hydrodynamic": ("R", "E(2)"),
    "chiral": ("c", "SE(2)"),
    "laser": ("l", "O(2) about the beam"),
    "drift": ("d", "translations, one reflection"),
    "tilt": ("t", "one reflection"),
}
CROWD, PATCH = 20, 19  # particles; a patch has complete shells: otherwise it has a principal axis
SIZE: dict[str, Any] = {"width": 32, "layers": 2, "cutoff": REACH, "radial": 16}
NETWORKS: dict[str, tuple[AnyNetwork, int]] = {  # settings and epochs
    "plain": (PlainSettings(**SIZE), 30),
    "egnn": (EgnnSettings(**SIZE), 30),
    "fa_principal": (FrameSettings(frame="principal", **SIZE), 15),
    "fa_gated": (FrameSettings(**SIZE), 15),
    "ponita": (PonitaSettings(**SIZE), 20),
    "ponita_se2": (PonitaSettings(group="SE", **SIZE), 20),
}
CHECKPOINTS = Path("runs/colloids")
OUT = Path("benchmarks/results/colloids.json")


def row(name: str, variant: str, seed: int, task: Task) -> dict[str, Any]:
    """One training, and its errors on the test examples."""
    network, epochs = NETWORKS[name]
    path = CHECKPOINTS / f"{variant}-{name}-{epochs}-{seed}.json"
    wanted = Training(
        title=f"colloid2d {variant}, {name}", task=task_of(variant), network=network, out=str(path), seed=seed,
        epochs=epochs, batch=30, learning_rate=3e-3,
    )  # fmt: skip
    card = Trainer(wanted, task, path).run()
    rotation, reflection = broken_symmetry(load_checkpoint(path)[0], task)
    return {
        "variant": variant, "network": name, "seed": seed, "epochs": epochs,
        "parameters": round(card.metrics["parameters"]), "minutes": round(card.metrics["minutes"], 2),
        "error": card.metrics["test_mse"] ** 0.5 / spread(task), "rotation": rotation, "reflection": reflection,
        "data_sha256": task.sha256,
    }  # fmt: skip


def task_of(variant: str) -> ColloidTask:
    points = PATCH if variant == "hexagonal" else CROWD
    return ColloidTask(variant=VARIANTS[variant][0], points=points, target="displacement")


def table(rows: list[dict[str, Any]]) -> str:
    """Errors relative to the spread of the target, means over seeds: one line per variant, one column per network."""
    lines = [f"| variant | keeps | {' | '.join(NETWORKS)} |", "|---|---|" + "---|" * len(NETWORKS)]
    for variant, (_, keeps) in VARIANTS.items():
        cells = []
        for name in NETWORKS:
            found = [one["error"] for one in rows if (one["variant"], one["network"]) == (variant, name)]
            cells.append(f"{sum(found) / len(found):.4f}" if found else "")
        lines.append(f"| {variant} | {keeps} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = json.loads(OUT.read_text()) if OUT.exists() else []
    for seed in asked.seeds:
        for variant in asked.variants:
            done = {one["network"] for one in rows if (one["variant"], one["seed"]) == (variant, seed)}
            missing = [name for name in asked.networks if name not in done]
            task = task_of(variant).make() if missing else None
            for name in missing:
                assert task is not None
                rows.append(row(name, variant, seed, task))
                write_json(OUT, rows)
                print({key: rows[-1][key] for key in ("variant", "network", "seed", "error", "minutes")}, flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
