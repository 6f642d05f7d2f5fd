"""What was measured already: one small file a check, so that an interrupted reproduction goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from app.reproduce.check import Check, Effort
from app.reproduce.measure import Outcome
from app.reproduce.verdict import Verdict
from config.reader import Document, write


def fingerprint(check: Check, effort: Effort, rig: str) -> str:
    """Of all that decides an outcome: the check, how much is measured, the rig, the source of the program."""
    return sha256("\n".join([write(check), write(effort), rig, _source()]).encode()).hexdigest()


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


def keep(folder: Path, check: Check, mark: str, outcome: Outcome) -> None:
    """Written beside its place and moved there: a file that is there is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"fingerprint": mark, **asdict(outcome)}, indent=1)
    half = folder / f"{check.name}.part"
    half.write_text(text + "\n", encoding="utf-8")
    half.replace(folder / f"{check.name}.json")


def kept(folder: Path, check: Check, mark: str) -> Outcome | None:
    """What was measured before under the same mark, or None."""
    path = folder / f"{check.name}.json"
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["fingerprint"] != mark:
            return None
        return Outcome(Verdict(**found["verdict"]), found["turns"], found["spent_s"], found["figure"])
    except (ValueError, KeyError, TypeError):
        return None  # not a file of ours: it is measured again, and written anew
