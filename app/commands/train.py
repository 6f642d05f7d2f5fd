"""The verb `train`: trains a network with a settings file."""

from __future__ import annotations

from pathlib import Path

from app.console.json_file import write_json
from app.console.output_files import checkpoint_files, require_files, require_folder
from app.console.terminal import say_values
from config.reader import build, read

TRAINED = Path("runs/trained")


def train_network(config: Path, out: Path | None = None, *, json: Path | None) -> int:
    """Train with a settings file, or continue an interrupted training. Raises Refused.

    The checkpoint's card is `out`, or the path in the file, or by default runs/trained with the file's name.
    """
    from models.board import folder_of
    from models.train import (
        Trainer,
        require_own,
        require_possible,
        state_of,
    )  # torch is imported only where it is used
    from models.training import Training

    training: Training = build(read(config), Training)
    path = out or (config.parent / training.out if training.out else TRAINED / f"{config.stem}.json")
    require_possible(training, path)
    outputs: dict[str, tuple[Path, str | None]] = {
        **checkpoint_files(path),
        "the training's state": (state_of(path), "the state of a training"),
        "the training's log": (path.with_suffix(".csv"), "the log of a training"),
    }
    require_files({"the input 'config'": config}, outputs, json)
    require_own(training, path)
    if (curves := folder_of(path)) is not None:
        require_folder("the training's curves", curves)
    card = Trainer(training, training.task.make(), path).run()
    results = {"checkpoint": str(path), "epochs": card.trained.epochs, **card.metrics}
    say_values(f"{training.title}: {path}", results)
    if json is not None:
        write_json(json, results)
    return 0
