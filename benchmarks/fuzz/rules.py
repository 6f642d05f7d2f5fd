"""Rules for every input, and the command line in this process, checked against them."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from random import Random
from typing import Protocol

LONGEST_SENTENCE = 600  # characters
SECONDS = 2.0  # processor time beyond that of sound input
MEMORY = 1 << 30  # bytes beyond the memory of the process before the case
NASTY = (
    "nan",
    "inf",
    "-inf",
    "1e308",
    "-1e308",
    "1e-300",
    "-1",
    "0",
    "9223372036854775808",
    "0x" + "f" * 400,
    "9" * 5000,
    "x" * 20000,
    "",
    "²",
    "\x1b[31mred\x1b[0m",
    "\udcff",
    "a\u202eb",
    "&a [*a]",
    "!!binary aGk=",
    "2020-01-01",
    "null",
    "true",
    "[" * 2000,
    "{a: {b: [1, 2]}}",
    "~",
    "-",
    "../..",
    "/dev/zero",
    "1:2:3",
    "\n",
    "é" * 300,
)


class Broken(Exception):
    """A broken rule, in one sentence."""


class Domain(Protocol):
    """One kind of input."""

    name: str
    folder: Path  # with the files of `prepare`, for all cases

    def prepare(self) -> None:
        """Make sound input, and compile all code that a case may need: this time does not count for a case."""
        ...

    def case(self, chance: Random, folder: Path) -> float:
        """Try one broken input, in a new folder. Returns the processor time (s) that sound input takes.

        Raises Broken, or any exception that the program does not catch.
        """
        ...


def verb(*words: str | Path) -> int:
    """Run the command line in this process. Returns its exit code. Raises Broken."""
    import main

    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["main.py", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main.main()
            except SystemExit as ended:
                code = int(ended.code or 0)
    finally:
        sys.argv = before
    said = without_notes(err.getvalue())
    if code not in (0, 1, 2):
        raise Broken(f"the exit code is {code}")
    if code == 2 and not said.startswith("cybloids: "):
        raise Broken(f"exit code 2 without a sentence: {said[:200]!r}")
    if len(said) > LONGEST_SENTENCE * 3 or (code == 2 and len(said) > LONGEST_SENTENCE):
        raise Broken(f"{len(said)} characters were said: {said[:200]!r}")
    for text in (out.getvalue(), said):
        printable(text)
        if "Traceback" in text:
            raise Broken(f"a traceback was printed: {text[-300:]!r}")
    return code


def without_notes(said: str) -> str:
    """The text after the leading notes, one per line, that precede the opening of a run. Raises Broken."""
    lines = said.splitlines(keepends=True)
    while lines and lines[0].startswith("note: "):
        if len(lines[0]) > LONGEST_SENTENCE:
            raise Broken(f"a note of {len(lines[0])} characters: {lines[0][:200]!r}")
        printable(lines.pop(0))
    return "".join(lines)


def printable(text: str) -> None:
    """Raises Broken for control characters and surrogates."""
    for one in text:
        if one != "\n" and (ord(one) < 32 or 127 <= ord(one) < 160 or "\ud800" <= one <= "\udfff"):
            raise Broken(f"a control character is printed: {text[:200]!r}")


def sentence(error: BaseException) -> None:
    """Raises Broken unless the text of a refusal is a bounded sentence."""
    text = f"{error}"
    printable(text)
    if not text or len(text) > LONGEST_SENTENCE:
        raise Broken(f"a refusal of {len(text)} characters: {text[:200]!r}")


def flipped(chance: Random, data: bytes) -> bytes:
    """The same bytes truncated, or with some of them changed, inserted or left out."""
    changed = bytearray(data)
    if chance.random() < 0.25:
        return bytes(changed[: chance.randrange(len(changed) + 1)])
    start = 0 if chance.random() < 0.5 else chance.randrange(max(len(changed), 1))
    span = min(len(changed), start + chance.choice((16, 256, 4096, len(changed) or 1)))
    for _ in range(chance.choice((1, 1, 2, 5, 30))):
        if span > start:
            changed[chance.randrange(start, span)] = chance.choice((0, 255, 128, chance.randrange(256)))
    if chance.random() < 0.1:
        at, length = chance.randrange(max(len(changed), 1)), chance.randrange(1, 64)
        changed[at : at + length] = bytes(chance.randrange(256) for _ in range(chance.randrange(64)))
    return bytes(changed)


def special(chance: Random, folder: Path) -> Path:
    """A path without a sound file: empty, binary, a folder, a pipe, a device, missing, a loop of links, a long name."""
    import os

    kind = chance.choice(("empty", "binary", "folder", "pipe", "device", "missing", "long", "zeros", "link"))
    path = folder / f"{kind}{chance.choice(('.yaml', '.h5', '.json', '.tif', '.png', '.avi', '.csv', '.parquet', ''))}"
    if kind == "empty":
        path.touch()
    elif kind == "binary":
        path.write_bytes(chance.randbytes(chance.randrange(1, 5000)))
    elif kind == "zeros":
        path.write_bytes(bytes(chance.randrange(1, 100_000)))
    elif kind == "folder":
        path.mkdir(exist_ok=True)
    elif kind == "pipe" and hasattr(os, "mkfifo"):
        if not path.exists():
            os.mkfifo(path)
    elif kind == "device" and os.name == "posix":
        return Path("/dev/zero")
    elif kind == "link" and os.name == "posix":
        if not path.is_symlink():
            path.symlink_to(path)
    elif kind == "long":
        return folder / ("x" * 20000)
    return path
