"""Copies of edits that were unsaved when another experiment was opened or the window closed. They can be resumed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from PyQt6.QtGui import QUndoStack

from app.assembly.rig import Plan
from config.atomic import write_file
from config.reader import read, write
from config.refused import Refused

MOST = 20  # number of copies listed, newest first; older ones stay in the folder
FORM = "%Y-%m-%d %H:%M:%S"


@dataclass(eq=False)
class Unsaved:
    """The state of an edited experiment.

    Args:
        path: the file that was open.
        data: the experiment as plain data; it need not be valid.
        devices: edited settings of the rig that were not applied, by dotted key.
        plan: the plan in force; None: the plan of the file.
        saved: the data as opened or last saved; None: the data of the file.
        stack: the undo stack of the edits; None: they count as one edit.
        file: the file of the copy; None: not written yet.
        rig: title of the rig, of a copy read from a file; empty: see `plan`, or not known.
    """

    path: Path
    title: str
    data: dict[str, Any]
    devices: dict[str, Any]
    plan: Plan | None = None
    saved: dict[str, Any] | None = None
    stack: QUndoStack | None = None
    at: datetime = field(default_factory=datetime.now)
    file: Path | None = None
    rig: str = ""

    @property
    def name(self) -> str:
        """The name in the list."""
        day = "" if self.at.date() == datetime.now().date() else f"{self.at.day} {self.at:%b}, "
        return f"{self.title} · unsaved, {day}{self.at:%H:%M:%S}"


class Copies:
    """All copies of unsaved edits, newest first.

    Args:
        folder: the folder that stores them; None: they are lost when the window closes.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.all: list[Unsaved] = []
        self.unread: list[str] = []  # messages about copies that are not listed
        self._files: set[Path] = set()  # files read or written here; other files belong to another program
        files = sorted(folder.glob("*.yaml"), reverse=True) if folder is not None else []
        if len(files) > MOST:
            self.unread.append(f"{len(files) - MOST} older copies of edits are not listed; they stay in {folder}")
        for file in files[:MOST]:
            try:
                self.all.append(_read(file))
                self._files.add(file)
            except Refused as refused:
                self.unread.append(str(refused))

    def __iter__(self) -> Iterator[Unsaved]:
        return iter(self.all)

    def add(self, copy: Unsaved) -> None:
        """Add a copy, and remove an equal copy of the same file."""
        identity = (copy.path, copy.data, copy.devices)
        self.all = [other for other in self.all if (other.path, other.data, other.devices) != identity]
        self.all.insert(0, copy)

    def remove(self, copy: Unsaved) -> None:
        if copy in self.all:
            self.all.remove(copy)

    def keep(self) -> None:
        """Write the copies to the folder and delete files of resumed copies. Raises Refused, OSError if not written."""
        self.write()
        for file in self._files - {copy.file for copy in self.all}:
            with suppress(OSError):  # it is listed next time
                file.unlink(missing_ok=True)

    def write(self) -> None:
        """Write the copies that have no file yet, each as far as it can be written. Raises Refused, OSError."""
        errors: list[Refused | OSError] = []
        for copy in self.unwritten if self.folder is not None else ():
            file = self._free_path(copy)
            try:
                write_file(file, _to_yaml(copy), "a copy of edits", kind=None, own=True)
            except (Refused, OSError) as error:
                errors.append(error)
                continue
            copy.file = file
            self._files.add(file)
        if errors:
            raise errors[0]

    @property
    def unwritten(self) -> list[Unsaved]:
        """The copies that have no file yet."""
        return [copy for copy in self.all if copy.file is None]

    def _free_path(self, copy: Unsaved) -> Path:
        assert self.folder is not None
        names = (f"{copy.at:%Y-%m-%d_%H%M%S}{f'_{number}' if number else ''}.yaml" for number in range(1000))
        return next(path for name in names if not (path := self.folder / name).exists())


def _to_yaml(copy: Unsaved) -> str:
    header = {"title": copy.title, "opened": str(copy.path.absolute()), "at": f"{copy.at:{FORM}}"}
    header["rig"] = copy.plan.rig.title if copy.plan is not None else copy.rig
    return write({**header, "devices": copy.devices, "experiment": copy.data})


def _read(file: Path) -> Unsaved:
    """Read a copy. Raises Refused."""
    data = {"rig": "", **read(file).data}  # copies of older versions have no rig
    kinds = {"rig": str, "title": str, "opened": str, "at": str, "devices": dict, "experiment": dict}
    for name, kind in kinds.items():
        if not isinstance(data.get(name), kind):
            raise Refused(f"{file}: this is no copy of edits: {name} is {data.get(name)!r}")
    try:
        at = datetime.strptime(data["at"], FORM)
    except ValueError:
        raise Refused(f"{file}: this is no copy of edits: at is {data['at']!r}") from None
    path, title, rig = Path(data["opened"]), data["title"], data["rig"]
    return Unsaved(path, title, data["experiment"], data["devices"], at=at, file=file, rig=rig)
