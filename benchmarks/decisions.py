"""How long a learned policy takes to decide: N = 100, one thread, beside the papers' equations in the same run.

python -m benchmarks.decisions --out benchmarks/results/decisions.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks import transcriptions
from models.cloud import Cloud, cloud
from models.data.task import Shape
from models.graph import radius_edges
from models.networks import AnyNetwork, EgnnSettings, FrameSettings, PonitaSettings

Floats = NDArray[np.float64]

POINTS, REACH_UM, SPACING_UM = 100, 4.5, 2.5
SHAPE = Shape(dimension=2, scalars=1, vectors=0, attributes=0)
CASES: tuple[tuple[str, AnyNetwork, Callable[..., Tensor]], ...] = (
    ("egnn", EgnnSettings(width=32, layers=2, cutoff=REACH_UM, radial=24), transcriptions.egnn),
    ("fa_egnn", FrameSettings(width=32, layers=2, cutoff=REACH_UM, radial=24), transcriptions.gated_frames),
    (
        "ponita",
        PonitaSettings(width=32, layers=2, grid=8, cutoff=REACH_UM, radial=24, length=2.5),
        transcriptions.ponita,
    ),
)


def scene(points: int = POINTS) -> Cloud:
    """A disordered crystal, longer than wide, so that frames have their say in full."""
    draw = np.random.default_rng(0)
    rows = max(1, round(np.sqrt(points / 2)))
    index = np.arange(points)
    place = np.stack([index // rows + (index % rows) / 2, (index % rows) * 0.866], 1) * SPACING_UM
    place = place - place.mean(0) + draw.normal(0, 0.3, place.shape)
    return cloud(torch.from_numpy(place).float(), radius_edges(place, REACH_UM), scalar=torch.ones(points, 1))


def spans_ms(answer: Callable[[], object], repeats: int) -> Floats:
    spans = []
    for _ in range(repeats):
        began = time.perf_counter()
        answer()
        spans.append(1e3 * (time.perf_counter() - began))
    return np.array(spans)


def compare(network: nn.Module, transcription: Callable[..., Tensor], seen: Cloud, repeats: int) -> dict[str, float]:
    """Both by turns, a few calls at a time, so that the machine's other work meets both alike."""
    with torch.inference_mode():
        difference = (network(seen).vector[:, 0] - transcription(network, seen)).norm()
        apart = float(difference / network(seen).vector.norm())
        ours, plain = [], []
        for _ in range(repeats // 10):
            plain.append(spans_ms(lambda: transcription(network, seen), 10))
            ours.append(spans_ms(lambda: network(seen), 10))
    fast, slow = np.concatenate(ours), np.concatenate(plain)
    return {
        "p50_ms": float(np.percentile(fast, 50)), "p99_ms": float(np.percentile(fast, 99)),
        "plain_p50_ms": float(np.percentile(slow, 50)), "plain_p99_ms": float(np.percentile(slow, 99)),
        "ratio_p50": float(np.percentile(slow, 50) / np.percentile(fast, 50)), "relative_difference": apart,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    seen = scene()
    found = {}
    for name, wanted, transcription in CASES:
        network = wanted.build(SHAPE).eval()
        found[name] = compare(network, transcription, seen, asked.repeats)
        print(name, {key: round(value, 7 if "diff" in key else 3) for key, value in found[name].items()})
    if asked.out is not None:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps({"points": POINTS, "edges": len(seen.receiver), **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
