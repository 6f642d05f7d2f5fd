"""What was measured already: one small file a check, so that an interrupted reproduction goes on where it stopped."""

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
    """Of all that decides an outcome: the settings, such as a check and its effort, the rig, and the program."""
    return sha256("\n".join([*(write(one) for one in settings), rig, _source()]).encode()).hexdigest()


def _source() -> str:
    """Of every line that flies an experiment: a changed instrument is measured anew."""
    digest = sha256()
    for path in sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sources(top: Path = Path(__file__).parents[2]) -> list[Path]:
    """All files that fly an experiment or measure it: every room but the networks and the window."""
    rooms = ("config", "control", "drivers", "tracking", "app")
    found = sorted(path for room in rooms for path in (top / room).rglob("*.py"))
    return [path for path in found if not path.is_relative_to(top / "app" / "desktop")]


def rig_text(document: Document) -> str:
    """The text of the rig file that a check names."""
    return (Path(document.source).parent / str(document.data["experiment"]["rig"])).read_text(encoding="utf-8")


def keep(folder: Path, name: str, mark: str, outcome: Outcome | Found) -> None:
    """Written beside its place and moved there: a file that is there is whole."""
    text = json.dumps({"fingerprint": mark, **asdict(outcome)}, indent=1)
    write_file(folder / f"{name}.json", text + "\n", kind=KEPT)


def files_of(folder: Path, names: Iterable[str]) -> dict[str, tuple[Path, str | None]]:
    """The files that are kept of these checks or families, each with its kind, by what a sentence calls them."""
    return {f"what is kept of {name}": (folder / f"{name}.json", KEPT) for name in names}


def kept(folder: Path, name: str, mark: str, make: Callable[[dict[str, Any]], T]) -> T | None:
    """What was measured before under the same mark, or None."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return make(found) if found.pop("fingerprint") == mark else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None  # not a file of ours: it is measured again, and written anew


def figure_of(folder: Path, name: str) -> bytes | None:
    """The picture of a family that was kept; None where there is none. Raises Refused for a file that is broken."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        return base64.b64decode(json.loads(path.read_text(encoding="utf-8"))["figure"], validate=True)
    except (ValueError, KeyError, TypeError, OSError):
        raise Refused(f"{path}: this is not what reproduce --families keeps; without it, it is measured anew") from None


def figure_sha256(figure: str | bytes) -> str:
    """Of a picture, in base64 or as it is."""
    return sha256(base64.b64decode(figure) if isinstance(figure, str) else figure).hexdigest()


def outcome_of(found: dict[str, Any]) -> Outcome:
    """A check's outcome, as it was kept."""
    return Outcome(**{**found, "verdict": CheckVerdict(**found["verdict"])})


def found_of(found: dict[str, Any]) -> Found:
    """A family's, as it was kept."""
    return Found(**{**found, "missed": tuple(found["missed"])})
