"""Learned policies compared with the law that they imitate: nineteen particles in the simulated instrument.

    python -m benchmarks.learned_flight --seconds 60 --seeds 1 2 3 --out flights.json

For every policy and seed: mean |psi6| over particles with six neighbours, and the lattice constant, both over the
second half of the run. Continues after an interruption.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.plan import plan
from app.commands.verify import verify_run
from app.console.json_file import write_json
from app.running.headless import fly
from drivers.journal import read_run

Floats = NDArray[np.float64]

FOLDER = Path("config/experiments")
LEARNED = FOLDER / "learned_ring_crystal.yaml"
RING = "{kind: gaussian_ring, radius_um: 2.5, width_um: 0.3, depth_kt: 10}"
PROGRAMMED = f"{{kind: programmed, forces: [{{kind: pair, shape: {RING}}}]}}"
POLICIES = {
    "programmed": PROGRAMMED,
    "ponita": "{kind: learned, checkpoint: ../checkpoints/ring_ponita.json}",
    "fa_egnn": "{kind: learned, checkpoint: ../checkpoints/ring_fa_egnn.json}",
    "egnn": "{kind: learned, checkpoint: ../checkpoints/ring_egnn.json}",
}
RING_UM = 2.5
BOND_UM = 1.4 * RING_UM  # between the first and the second shell


def order(place_um: Floats) -> tuple[float, float, int]:
    """Mean |psi6| over particles with six neighbours, mean bond length, number of such particles; nan without any."""
    gap = place_um[:, None] - place_um[None]
    distance_um = np.hypot(gap[..., 0], gap[..., 1])
    near = (distance_um < BOND_UM) & (distance_um > 0)
    six = near.sum(axis=1) == 6
    angle = np.arctan2(gap[..., 1], gap[..., 0])
    psi = np.abs((np.exp(6j * angle) * near).sum(axis=1))[six] / 6
    return float(psi.mean()) if six.any() else np.nan, float(distance_um[near].mean()), int(six.sum())


def flight(policy: str, seed: int, seconds: float) -> dict[str, Any]:
    """One run, verified, and its results."""
    made = plan(LEARNED, None, [f"policy={POLICIES[policy]}", f"seed={seed}"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        done = fly(made, seconds, path, False, f"{policy}, seed {seed}")
        equal = verify_run(path, json=None) == 0
        with read_run(path) as run:
            half = [turn.tracks.position_um for turn in run.turns(len(run) // 2)]
    found = np.array([order(place_um) for place_um in half if len(place_um) > 6])
    return {
        "policy": policy, "seed": seed, "seconds": seconds, "psi6": float(np.nanmean(found[:, 0])),
        "lattice_um": float(np.nanmean(found[:, 1])), "six_neighbours": float(found[:, 2].mean()),
        "trips": done["trips"], "verified": equal, "policy_ms": done["stages_ms_a_frame"]["policy"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/learned_flight.json"))
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = json.loads(asked.out.read_text()) if asked.out.exists() else []
    done = {(row["policy"], row["seed"], row["seconds"]) for row in rows}
    for seed in asked.seeds:
        for policy in POLICIES:
            if (policy, seed, asked.seconds) not in done:
                rows.append(flight(policy, seed, asked.seconds))
                write_json(asked.out, rows)
                print({key: rows[-1][key] for key in ("policy", "seed", "psi6", "lattice_um", "trips", "verified")})


if __name__ == "__main__":
    main()
