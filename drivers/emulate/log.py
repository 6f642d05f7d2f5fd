"""The log of an emulator: JSON lines in a file, each of them whole or not at all, or on standard output."""

from __future__ import annotations

import json
import os
import sys
import time
from io import FileIO
from pathlib import Path
from typing import Any


class Log:
    """Appends lines. An error of the file names it, and leaves no part of a line and no empty file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._new = self._half = False
        self._file: FileIO | None = None
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._new = not os.path.lexists(path)
        self._file = path.open("a+b", buffering=0)
        size = self._file.seek(0, os.SEEK_END)
        if size:
            self._file.seek(size - 1)
            self._half = self._file.read(1) != b"\n"  # of an emulator that was killed: what follows begins a line

    def write(self, said: dict[str, Any]) -> None:
        """One line, with the time. Raises OSError."""
        line = json.dumps({**said, "logged_ns": time.monotonic_ns()}) + "\n"
        if self._file is None:
            sys.stdout.write(line)
            sys.stdout.flush()
            return
        data, end, done = b"\n" * self._half + line.encode(), self._file.seek(0, os.SEEK_END), 0
        try:
            while done < len(data):
                done += self._file.write(data[done:]) or 0
        except OSError as error:  # of a disk that is full: it names no file
            if done:
                self._file.truncate(end)
            error.filename = str(self._path)
            raise
        self._half = False

    def close(self) -> None:
        """A file that was made here and has no line goes again."""
        if self._file is None:
            return
        empty = self._new and self._file.seek(0, os.SEEK_END) == 0
        self._file.close()
        self._file = None
        if empty and self._path is not None:
            self._path.unlink(missing_ok=True)
