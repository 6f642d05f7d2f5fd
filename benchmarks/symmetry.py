"""Symmetries that the verb `symmetry` finds through the whole simulated instrument, with hidden effects.

    python -m benchmarks.symmetry --seeds 1 2 3 [--cases nothing drift gradient] [--seconds 600]

A crystal of 50 particles (benchmarks/symmetry.yaml) runs headless, with images: without a hidden effect, with a drift
of 0.1 um/s along x, with light that is 3 % stronger per um along x. Continues after an interruption.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.assembly.plan import plan
from app.commands.symmetry import motion_of
from app.console.json_file import write_json
from app.running.headless import fly
from models.soft.motion import held_out, verdicts

EXPERIMENT = Path("benchmarks/symmetry.yaml")
OUT = Path("benchmarks/results/symmetry.json")
CASES = {
    "nothing": (),
    "drift": ("sample.drift_um_per_s=[0.1, 0.0]",),
    "gradient": ("sample.light_gradient_per_um=[0.03, 0.0]",),
}
TRANSLATIONS = {"translation along x", "translation along y"}
WANTED: dict[str, tuple[set[str], set[str]]] = {  # groups that must be broken, and kept
    "nothing": (set(), {"rotation", "reflection of x", "reflection of y", *TRANSLATIONS}),
    "drift": ({"rotation"}, {"reflection of y", *TRANSLATIONS}),
    "gradient": ({"translation along x"}, set()),
}


def flight(case: str, seed: int, seconds: float, sets: Sequence[str] = ()) -> dict[str, Any]:
    """One run, and the result of the verb."""
    settings = [*CASES[case], *sets]
    made = plan(EXPERIMENT, None, [*settings, f"seed={seed}"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        done = fly(made, seconds, path, False, f"{case}, seed {seed}")
        motion, lag_s = motion_of(path, None)
    found = verdicts(motion)
    said = {one.group: one.kept for one in found}
    broken, kept = WANTED[case]
    return {
        "case": case, "seed": seed, "seconds": seconds, "set": settings, "lag_s": lag_s, "turns": done["turns"],
        "trips": done["trips"], "displacements": len(motion.position_um),
        "held_out": {one.of: len(one.blocks) for one in held_out(motion)},
        "as_wanted": all(said[name] for name in kept) and not any(said[name] for name in broken),
        "groups": [asdict(one) for one in found],
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--set", nargs="*", default=[], help="key=value, as of the verb run")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else []
    done = [(row["case"], row["seed"], row["seconds"], row["set"]) for row in rows]
    for seed in asked.seeds:
        for case in asked.cases:
            if (case, seed, asked.seconds, [*CASES[case], *asked.set]) in done:
                continue
            rows.append(flight(case, seed, asked.seconds, asked.set))
            write_json(asked.out, rows)
            print(case, seed, "as wanted" if rows[-1]["as_wanted"] else "NOT as wanted",
                  {one["group"]: round(one["sigmas"], 1) for one in rows[-1]["groups"]}, flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
