"""The verbs `train` and `evaluate`: networks, and what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.console.json_file import write_json
from app.console.output_files import require_files, require_folder
from app.console.terminal import say
from config.reader import build, read

TRAINED = Path("runs/trained")
DIGITS = "other last digits than those trained on (another processor or NumPy?), with the same error"


def train_network(config: Path, out: Path | None = None, *, json: Path | None) -> int:
    """Train by a settings file, or go on with a training that was interrupted. Raises Refused.

    The checkpoint's card is `out`, or what the file says, or of the file's name in runs/trained.
    """
    from models.board import folder_of
    from models.train import (
        Trainer,
        require_own,
        require_possible,
        state_of,
    )  # torch is imported only where it is used
    from models.training import Training

    wanted: Training = build(read(config), Training)
    path = out or (config.parent / wanted.out if wanted.out else TRAINED / f"{config.stem}.json")
    require_possible(wanted, path)
    made: dict[str, tuple[Path, str | None]] = {
        **checkpoint_files(path),
        "the training's state": (state_of(path), "the state of a training"),
        "the training's log": (path.with_suffix(".csv"), "the log of a training"),
    }
    require_files({"the input 'config'": config}, made, json)
    require_own(wanted, path)
    if (curves := folder_of(path)) is not None:
        require_folder("the training's curves", curves)
    card = Trainer(wanted, wanted.task.make(), path).run()
    said = {"checkpoint": str(path), "epochs": card.trained.epochs, **card.metrics}
    return _tell(f"{wanted.title}: {path}", said, json)


def checkpoint_files(card: Path, of: str = "network") -> dict[str, tuple[Path, str | None]]:
    """The two files of a checkpoint of a network or a classifier, each with its kind, by what a sentence calls them."""
    return {
        "the checkpoint": (card, f"the card of a {of}"),
        "the checkpoint's weights": (card.with_suffix(".safetensors"), "the weights of a checkpoint"),
    }


def evaluate_network(checkpoint: Path, *, json: Path | None, onnx: bool = False) -> int:
    """Errors on data made anew, symmetry and speed of a checkpoint; with `onnx` it is also written as ONNX.

    Raises Refused.
    """
    from models.evaluate import evaluate

    files = {said: path for said, (path, _) in checkpoint_files(checkpoint).items()}
    written = {"the checkpoint as ONNX": checkpoint.with_suffix(".onnx")}
    made = {said: (path, "an ONNX file") for said, path in written.items() if onnx}
    require_files(files if onnx else {**files, **written}, made, json)
    if onnx:
        from models.checkpoint import load_checkpoint
        from models.flight.onnx import write_onnx

        write_onnx(*load_checkpoint(checkpoint), checkpoint)
    found = evaluate(checkpoint)
    said = {
        "network": found.card.network.kind,
        "symmetry": found.card.symmetry,
        "data": "as trained on" if found.same_data else DIGITS,
        f"valid_rms_{found.card.units.answer}": found.valid,
        f"test_rms_{found.card.units.answer}": found.test,
        "test_rms_over_spread": found.relative,
        "broken_by_rotations": found.rotation,
        "broken_by_reflections": found.reflection,
        "decision_ms": found.decision_ms,
    }
    return _tell(f"{checkpoint}", said, json)


def _tell(title: str, said: dict[str, Any], json: Path | None) -> int:
    say(title)
    for name, value in said.items():
        say(f"  {name.replace('_', ' '):24} {value:.4g}" if isinstance(value, float) else f"  {name:24} {value}")
    if json is not None:
        write_json(json, said)
    return 0
