"""The verb `run`: an experiment without a window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.assembly.plan import plan
from app.running.headless import flown, new_run


def run_experiment(
    experiment: Path,
    rig: Path | None,
    sets: Sequence[str],
    *,
    seconds: float | None,
    seed: int | None,
    out: Path | None,
    frames: bool,
    json: Path | None,
    armed: bool = True,
) -> int:
    """The verb `run`. Returns 0, or 1 if the run tripped, failed or made fewer than half of its turns."""
    seeded = [*sets, f"seed={seed}"] if seed is not None else sets
    run_plan = plan(experiment, rig, seeded)
    out = out or new_run(experiment.stem)
    return flown(run_plan, run_plan.experiment.seconds if seconds is None else seconds, out, frames, json, armed=armed)
