"""What was measured already: one small file a check, so that an interrupted reproduction goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from app.reproduce.family import Found
from app.reproduce.measure import Outcome
from app.reproduce.verdict import Verdict
from config.reader import Document, write


def fingerprint(*settings: Any, rig: str) -> str:
    """Of all that decides an outcome: the settings, such as a check and its effort, the rig, and the program."""
    return sha256("\n".join([*(write(one) for one in settings), rig, _source()]).encode()).hexdigest()


def _source() -> str:
    """Of every line of the rooms that fly an experiment: a changed instrument is measured anew."""
    top = Path(__file__).parents[2]
    rooms = ("config", "control", "drivers", "tracking", "app/reproduce")
    digest = sha256()
    for path in sorted(path for room in rooms for path in (top / room).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def rig_text(document: Document) -> str:
    """The text of the rig file that a check names."""
    return (Path(document.source).parent / str(document.data["experiment"]["rig"])).read_text(encoding="utf-8")


def keep(folder: Path, name: str, mark: str, outcome: Outcome | Found) -> None:
    """Written beside its place and moved there: a file that is there is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"fingerprint": mark, **asdict(outcome)}, indent=1)
    half = folder / f"{name}.part"
    half.write_text(text + "\n", encoding="utf-8")
    half.replace(folder / f"{name}.json")


def kept(folder: Path, name: str, mark: str) -> dict[str, Any] | None:
    """What was measured before under the same mark, or None."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found if found.pop("fingerprint") == mark else None
    except (ValueError, KeyError, AttributeError):
        return None  # not a file of ours: it is measured again, and written anew


def outcome_of(found: dict[str, Any]) -> Outcome:
    """A check's outcome, as it was kept."""
    return Outcome(**{**found, "verdict": Verdict(**found["verdict"])})


def found_of(found: dict[str, Any]) -> Found:
    """A family's, as it was kept."""
    return Found(**{**found, "missed": tuple(found["missed"])})
