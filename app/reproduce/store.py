"""Stored results: one small file for each check, so that an interrupted reproduction continues where it stopped."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from app.reproduce.family import Found
from app.reproduce.measure import Outcome
from app.reproduce.verdict import CheckVerdict
from config.atomic import write_file
from config.reader import Document, write
from config.refused import Refused

T = TypeVar("T")
KEPT = "what reproduce keeps"  # a kind of config.output_kinds


def fingerprint(*settings: Any, rig: str) -> str:
    """SHA-256 of everything that determines an outcome: settings (such as check and effort), rig, and program."""
    return sha256("\n".join([*(write(setting) for setting in settings), rig, _source()]).encode()).hexdigest()


def _source() -> str:
    """SHA-256 of all source files of an experiment: after a change of the program, everything is measured again."""
    digest = sha256()
    for path in sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sources(top: Path = Path(__file__).parents[2]) -> list[Path]:
    """All source files that run or measure an experiment: all packages except the networks and the window."""
    packages = ("config", "control", "drivers", "tracking", "app")
    paths = sorted(path for package in packages for path in (top / package).rglob("*.py"))
    return [path for path in paths if not path.is_relative_to(top / "app" / "desktop")]


def rig_text(document: Document) -> str:
    """The text of the rig file that a check names."""
    return (Path(document.source).parent / str(document.data["experiment"]["rig"])).read_text(encoding="utf-8")


def keep(folder: Path, name: str, mark: str, outcome: Outcome | Found) -> None:
    """Store an outcome atomically: an existing file is always complete."""
    text = json.dumps({"fingerprint": mark, **asdict(outcome)}, indent=1)
    write_file(folder / f"{name}.json", text + "\n", kind=KEPT)


def files_of(folder: Path, names: Iterable[str]) -> dict[str, tuple[Path, str | None]]:
    """The stored files of these checks or families, each with its kind, by their names in messages."""
    return {f"what is kept of {name}": (folder / f"{name}.json", KEPT) for name in names}


def kept(folder: Path, name: str, mark: str, make: Callable[[dict[str, Any]], T]) -> T | None:
    """The stored outcome with the same fingerprint `mark`, or None."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return make(data) if data.pop("fingerprint") == mark else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None  # not a file of this program: measure again and replace it


def figure_of(folder: Path, name: str) -> bytes | None:
    """The stored picture of a family; None if there is none. Raises Refused for a damaged file."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        return base64.b64decode(json.loads(path.read_text(encoding="utf-8"))["figure"], validate=True)
    except (ValueError, KeyError, TypeError, OSError):
        raise Refused(f"{path}: this is not what reproduce --families keeps; without it, it is measured anew") from None


def figure_sha256(figure: str | bytes) -> str:
    """SHA-256 of a picture, given in base64 or as bytes."""
    return sha256(base64.b64decode(figure) if isinstance(figure, str) else figure).hexdigest()


def outcome_of(data: dict[str, Any]) -> Outcome:
    """The outcome of a check from its stored data."""
    return Outcome(**{**data, "verdict": CheckVerdict(**data["verdict"])})


def family_result_of(data: dict[str, Any]) -> Found:
    """The result of a family from its stored data."""
    return Found(**{**data, "missed": tuple(data["missed"])})
