"""The log of an emulator: JSON lines in a file, each complete or missing, or on standard output."""

from __future__ import annotations

import json
import os
import sys
import time
from io import FileIO
from pathlib import Path
from typing import Any


class Log:
    """Appends lines. An error names the file, and leaves neither part of a line nor an empty file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._new = self._incomplete = False
        self._file: FileIO | None = None
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._new = not os.path.lexists(path)
        self._file = path.open("a+b", buffering=0)
        size = self._file.seek(0, os.SEEK_END)
        if size:
            self._file.seek(size - 1)
            self._incomplete = self._file.read(1) != b"\n"  # by an emulator that was killed: a new line is begun

    def write(self, record: dict[str, Any]) -> None:
        """Write one line, with the time. Raises OSError."""
        line = json.dumps({**record, "logged_ns": time.monotonic_ns()}) + "\n"
        if self._file is None:
            sys.stdout.write(line)
            sys.stdout.flush()
            return
        data, end, done = b"\n" * self._incomplete + line.encode(), self._file.seek(0, os.SEEK_END), 0
        try:
            while done < len(data):
                done += self._file.write(data[done:]) or 0
        except OSError as error:  # errors of full disks do not name the file
            if done:
                self._file.truncate(end)
            error.filename = str(self._path)
            raise
        self._incomplete = False

    def close(self) -> None:
        """Close the file; delete it if it is new and empty."""
        if self._file is None:
            return
        empty = self._new and self._file.seek(0, os.SEEK_END) == 0
        self._file.close()
        self._file = None
        if empty and self._path is not None:
            self._path.unlink(missing_ok=True)
