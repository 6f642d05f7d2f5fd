"""All kinds of input."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzz.files import Checkpoints, Runs, Tables, Videos
from benchmarks.fuzz.forbidden import Forbidden
from benchmarks.fuzz.known import Known
from benchmarks.fuzz.planted import Planted
from benchmarks.fuzz.rules import Domain
from benchmarks.fuzz.serials import Replies
from benchmarks.fuzz.texts import CommandLines, ExtremeNumbers, Formulas, Settings

NAMES = (
    "formulas", "yaml", "lines", "videos", "runs", "checkpoints", "tables", "replies", "bounds", "forbidden", "known",
)  # fmt: skip


def domains(base: Path) -> list[Domain]:
    """All kinds of input, each with its own folder; `planted` is for the test of the harness."""
    kinds: tuple[type, ...] = (
        Formulas, Settings, CommandLines, Videos, Runs, Checkpoints, Tables, Replies, ExtremeNumbers, Forbidden,
        Known, Planted,
    )  # fmt: skip
    return [kind(base / "sound" / kind.__name__.lower()) for kind in kinds]
