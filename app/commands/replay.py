"""The verb `replay`: recorded frames through tracking, policy, limits, interlock and a simulated deflector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.assembly.replay_plan import plan_replay
from app.console.terminal import say
from app.running.headless import flown, new_run


def replay_recording(
    recording: Path,
    rig: Path | None,
    experiment: Path | None,
    sets: Sequence[str],
    *,
    out: Path | None,
    frames: bool,
    json: Path | None,
) -> int:
    """The verb `replay`. Returns 0, or 1 if the replay tripped or failed."""
    plan = plan_replay(recording, rig, experiment, sets)
    for sentence in plan.taken:
        say(sentence, error=sentence.startswith("note: "))
    say("A recorded particle can't react: what follows is what would have been sent.")
    return flown(plan, None, out or new_run(recording.stem), frames, json, source=str(recording))
