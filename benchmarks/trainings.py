"""Train every benchmark that is not yet trained, one after another, and write one table. Can be interrupted.

    python -m benchmarks.trainings                 # all
    python -m benchmarks.trainings nbody --seeds 1 2 3

A longer run adds a line to the table and never changes an old one.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from config.atomic import write_file
from config.reader import build, read
from models.checkpoint import read_card
from models.data.task import Task
from models.evaluate import spread
from models.train import Trainer
from models.training import Training

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def train(config: Path, seed: int, epochs: int | None, device: str) -> None:
    """One training, unless its checkpoint exists."""
    wanted: Training = build(read(config), Training)
    changes: dict[str, Any] = {"seed": seed, "device": device}
    if epochs is not None:
        changes["epochs"] = epochs
    wanted = replace(wanted, **changes)
    out = config.parent / wanted.out
    path = out.with_name(f"{out.stem}-{wanted.epochs}-{seed}.json").resolve()
    if not path.exists():
        task: Task = wanted.task.make()
        card = Trainer(wanted, task, path).run()
        print(f"{wanted.title}, seed {seed}: test {card.metrics['test_mse']:.5f}, {card.metrics['minutes']:.1f} min")


def table() -> str:
    """Table of all trainings, one line each. Test errors are those of the weights with the best validation."""
    lines = ["| task | network | parameters | epochs | best | minutes | seed | test MSE | RMS / spread |",
             "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    spreads: dict[str, float] = {}
    for path in sorted(RESULTS.glob("*/*.json")):
        card = read_card(path)
        trained, metrics = card.trained, card.metrics
        task = repr(trained.task)
        if task not in spreads:
            spreads[task] = spread(trained.task.make())
        relative = metrics["test_mse"] ** 0.5 / spreads[task]
        size, best = round(metrics["parameters"]), round(metrics["best_epoch"])
        cells = (
            trained.task.kind, card.network.kind, size, trained.epochs, best, f"{metrics['minutes']:.1f}",
            trained.seed, f"{metrics['test_mse']:.5f}", f"{relative:.4f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("which", nargs="*", default=["nbody"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for seed in asked.seeds:
        for which in asked.which:
            folder = HERE / which
            for config in sorted(folder.glob("*.yaml")) if folder.is_dir() else [Path(which)]:
                train(config, seed, asked.epochs, asked.device)
                write_file(RESULTS / "trainings.md", table(), kind=None)
    print(table())


if __name__ == "__main__":
    main()
