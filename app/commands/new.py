"""The verb `new`: a folder with rigs, experiments and networks to edit."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from app.assembly.rig import EXPERIMENTS, RIGS
from app.console.terminal import say
from config.refused import Refused
from config.words import quoted

CHECKPOINTS = EXPERIMENTS.parent / "checkpoints"
KINDS = (".yaml", ".json", ".safetensors")
BEGIN = "experiments/annular_activity.yaml"


def new_folder(folder: Path) -> None:
    """Copy the files that come with the program into `folder`, all or none, and print the next steps.

    Raises Refused if the folder exists and is not empty, or can't be made.
    """
    try:
        names = _copied(folder)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Refused(f"{quoted(folder, 200)}: this folder can't be made ({reason})") from None
    for name in names:
        say(folder / name)
    say(f"Edit them. Then, in {folder}: cybloids run {BEGIN}, or cybloids desktop --experiment {BEGIN}")


def _copied(folder: Path) -> list[str]:
    """Copy the files; returns the names of the folders made in `folder`. Raises Refused, OSError."""
    exists = folder.is_dir()
    if exists and any(folder.iterdir()):
        raise Refused(f"{quoted(folder, 200)}: this folder is not empty (needed: a new one, or an empty one)")
    parent = folder.absolute() if exists else folder.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    part = parent / f".{secrets.token_hex(8)}.part"
    part.mkdir()
    try:
        names = _fill(part)
        if exists:
            _move(part, folder, names)
        else:
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return names


def _fill(part: Path) -> list[str]:
    """Copy the files into `part`; returns the names of the folders in it."""
    for source, relative in _files():
        target = part / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return sorted(entry.name for entry in part.iterdir())


def _files() -> Iterator[tuple[Path, Path]]:
    """(file of the program, its path in the new folder). Checks and families of experiments are not copied."""
    config = EXPERIMENTS.parent
    sources = [*RIGS.glob("*"), *EXPERIMENTS.glob("*"), *CHECKPOINTS.rglob("*")]
    for source in sorted(sources):
        if source.suffix in KINDS and not source.name.endswith(".state.safetensors"):
            yield source, source.relative_to(config)


def _move(part: Path, folder: Path, names: list[str]) -> None:
    """Move the folders of `part` into the empty `folder`: all of them, or none if one can't be moved."""
    moved: list[str] = []
    try:
        for name in names:
            os.rename(part / name, folder / name)
            moved.append(name)
    except BaseException:
        for name in moved:
            os.rename(folder / name, part / name)
        raise
