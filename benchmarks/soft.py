"""Soft equivariance for kept and broken symmetries: errors, and those of a perceptron and an exact network.

    python -m benchmarks.soft field --seeds 1 2 3 4 5
    python -m benchmarks.soft inertia --seeds 1 2 3
    python -m benchmarks.soft cosine --seeds 1 2 3
    python -m benchmarks.soft forecast --seeds 1 2 3

Continues after an interruption; results in benchmarks/results/soft.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from app.console.json_file import write_json
from models.layers import perceptron
from models.soft.data import (
    Data,
    field,
    field_shapes,
    forecast,
    forecast_shapes,
    inertia,
    inertia_shapes,
    similarity,
    similarity_shapes,
)
from models.soft.discover import equivariance_error
from models.soft.fit import Recipe, fit
from models.soft.network import SoftPerceptron
from models.soft.representation import Representation

OUT = Path("benchmarks/results/soft.json")
FIELD = Recipe(epochs=200, learning_rate=5e-3, strength=0.1)
INERTIA = Recipe(epochs=100, batch=50, learning_rate=2e-3, strength=3.0, adjust=0.5, normalised=False)
FORECAST = Recipe(epochs=200, learning_rate=5e-3, strength=0.1)
COSINE = Recipe(epochs=160, learning_rate=3e-3, strength=0.1)


def compare(
    make: Callable[[int], Data], shapes: Any, hidden: Representation, recipe: Recipe, seed: int, baselines: bool
) -> dict[str, Any]:
    """A soft network and, with `baselines`, a perceptron and a network exactly equivariant to the first group."""
    into, out, groups = shapes
    train, valid, test = (make(3 * seed + part) for part in range(3))
    torch.manual_seed(seed)
    network = SoftPerceptron(into, out, hidden, groups)
    found = fit(network, train, valid, test, recipe, seed, free=(0,) if len(groups) > 2 else ())
    said: dict[str, Any] = {
        "test": found.test,
        "strength": {group.name: float(found.after[k]) for k, group in enumerate(groups)},
        "penalty": {group.name: float(found.penalty[k]) for k, group in enumerate(groups)},
        "error": {group.name: equivariance_error(network, group, into, out, test[0]) for group in groups},
    }
    if baselines:
        torch.manual_seed(seed)
        plain = perceptron(into.size, 64, 64, 64, out.size)
        said["perceptron"] = fit(plain, train, valid, test, recipe, seed).test
        torch.manual_seed(seed)
        exact = SoftPerceptron(into, out, hidden, groups)
        exact.project(0)
        said["exact"] = fit(exact, train, valid, test, recipe, seed, exact=0).test
    return said


def cases(which: str, seed: int) -> dict[str, Callable[[], dict[str, Any]]]:
    if which == "field":
        return {f"field eps={eps} delta={delta} seed={seed}": lambda eps=eps, delta=delta: compare(  # type: ignore[misc]
                    lambda number: field(eps, delta, 1000, number), field_shapes(),
                    Representation(2, scalars=24, vectors=12), FIELD, seed, True)
                for eps, delta in ((0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.6, 0.6))}  # fmt: skip
    if which == "inertia":
        return {f"inertia axis={axis} seed={seed}": lambda axis=axis: compare(  # type: ignore[misc]
                    lambda number: inertia(axis, -1.0, 1000, number), inertia_shapes(),
                    Representation(3, scalars=16, vectors=8, tensors=4), INERTIA, seed, False)
                for axis in range(3)}  # fmt: skip
    if which == "forecast":
        return {f"forecast drift={drift} seed={seed}": lambda drift=drift: compare(  # type: ignore[misc]
                    lambda number: forecast(drift, 1000, number), forecast_shapes(),
                    Representation(2, scalars=24, vectors=12), FORECAST, seed, True)
                for drift in (0.0, 0.6)}  # fmt: skip
    return {f"cosine radius={radius} lopsided={lopsided} seed={seed}":
                lambda radius=radius, lopsided=lopsided: compare(  # type: ignore[misc]
                    lambda number: similarity(radius, lopsided, 1000, number), similarity_shapes(),
                    Representation(3, scalars=24, vectors=12), COSINE, seed, True)
            for radius, lopsided in ((0.0, 0.0), (0.3, 0.0), (0.0, 0.5), (0.3, 0.5))}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("which", nargs="+", choices=["field", "inertia", "cosine", "forecast"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    known: dict[str, Any] = json.loads(OUT.read_text()) if OUT.exists() else {}
    for seed in asked.seeds:
        for which in asked.which:
            for name, run in cases(which, seed).items():
                if name not in known:
                    known[name] = run()
                    write_json(OUT, known)
                    print(name, known[name], flush=True)


if __name__ == "__main__":
    main()
