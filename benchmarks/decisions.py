"""Time of one decision of a learned policy (N = 100, one thread), and of the papers' equations in the same run.

From positions to forces, with the graph: packed as in a run, and as in the papers (benchmarks/transcriptions).

python -m benchmarks.decisions --out benchmarks/results/decisions.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.console.json_file import write_json
from benchmarks import transcriptions
from models.cloud import cloud
from models.data.task import FeatureCounts
from models.flight.pack import pack
from models.graph import radius_edges
from models.networks import AnyNetwork, EgnnSettings, FrameSettings, PonitaSettings

Floats = NDArray[np.float64]

POINTS, REACH_UM, SPACING_UM = 100, 4.5, 2.5
WARM_UP = 50  # calls; a policy is warmed up before it is armed
CASES: tuple[tuple[str, AnyNetwork, Callable[..., Tensor]], ...] = (
    ("egnn", EgnnSettings(width=32, layers=2, cutoff=REACH_UM, radial=24), transcriptions.egnn),
    ("fa_egnn", FrameSettings(width=32, layers=2, cutoff=REACH_UM, radial=24), transcriptions.gated_frames),
    (
        "ponita",
        PonitaSettings(width=32, layers=2, grid=8, cutoff=REACH_UM, radial=24, length=2.5),
        transcriptions.ponita,
    ),
)
SPACE = PonitaSettings(width=32, layers=2, grid=12, cutoff=REACH_UM, radial=24, length=2.5)


def crystal(points: int = POINTS) -> Floats:
    """[N, 2] um: a disordered crystal, longer than wide, so that the frames are fully trusted."""
    draw = np.random.default_rng(0)
    rows = max(1, round(np.sqrt(points / 2)))
    index = np.arange(points)
    place = np.stack([index // rows + (index % rows) / 2, (index % rows) * 0.866], 1) * SPACING_UM
    return np.asarray(place - place.mean(0) + draw.normal(0, 0.3, place.shape))


def gas(points: int = POINTS) -> Floats:
    """[N, 3] um: random points in space, with about twelve neighbours each."""
    side = (points * 4.19 * REACH_UM**3 / 12) ** (1 / 3)
    return np.asarray(np.random.default_rng(0).uniform(0, side, (points, 3)))


def compare(
    network: nn.Module, transcription: Callable[..., Tensor], shape: FeatureCounts, repeats: int
) -> dict[str, float]:
    """Times from positions to forces of both, ten calls of each in turn, so that other load affects both equally.

    Times are the processor time of this thread, which excludes other programs, and wall time.
    """
    place = crystal() if shape.dimension == 2 else gas()
    kind = torch.eye(shape.scalars)[torch.from_numpy(np.random.default_rng(1).integers(0, shape.scalars, len(place)))]
    answer = pack(network, shape)

    def fast() -> Tensor:
        return answer(cloud(torch.from_numpy(place).float(), radius_edges(place, REACH_UM), scalar=kind))

    def plain() -> Tensor:
        position = torch.from_numpy(place).float()
        return transcription(network, cloud(position, transcriptions.edges(position, REACH_UM), scalar=kind))

    spans: dict[str, list[tuple[float, float]]] = {"": [], "plain_": []}
    with torch.inference_mode():
        apart = float((fast() - plain()).norm() / plain().norm())
        for _ in range(WARM_UP):
            fast(), plain()
        for _ in range(repeats // 10):
            spans["plain_"] += spans_ms(plain, 10)
            spans[""] += spans_ms(fast, 10)
    found: dict[str, float] = {}
    for clock, name in ((0, ""), (1, "wall_")):
        for part in (50, 99):
            times = {who: float(np.percentile([span[clock] for span in both], part)) for who, both in spans.items()}
            found |= {f"{who}{name}p{part}_ms": value for who, value in times.items()}
            found[f"{name}ratio_p{part}"] = times["plain_"] / times[""]
    return found | {"relative_difference": apart}


def spans_ms(answer: Callable[[], object], repeats: int) -> list[tuple[float, float]]:
    """Processor time of this thread, and wall time, of each call."""
    spans = []
    for _ in range(repeats):
        began = time.thread_time(), time.perf_counter()
        answer()
        spans.append((1e3 * (time.thread_time() - began[0]), 1e3 * (time.perf_counter() - began[1])))
    return spans


def shape_of(species: int, dimension: int = 2) -> FeatureCounts:
    return FeatureCounts(dimension=dimension, scalars=species, vectors=0, attributes=0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = {}
    cases = [(f"{name}{more}", wanted, plain, shape_of(species)) for species, more in ((1, ""), (2, ", two species"))
             for name, wanted, plain in CASES]  # fmt: skip
    for name, wanted, plain, shape in [*cases, ("ponita in space", SPACE, transcriptions.ponita, shape_of(1, 3))]:
        found[name] = compare(wanted.build(shape).eval(), plain, shape, asked.repeats)
        print(name, {key: round(value, 7 if "diff" in key else 3) for key, value in found[name].items()})
    if asked.out is not None:
        edges = radius_edges(crystal(), REACH_UM).shape[1]
        write_json(asked.out, {"points": POINTS, "edges": edges, **found})


if __name__ == "__main__":
    main()
