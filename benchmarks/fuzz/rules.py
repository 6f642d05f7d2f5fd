"""What no input may do, and the command line in this process, held to it."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from random import Random
from typing import Protocol

LONGEST_SENTENCE = 600  # characters
SECONDS = 2.0  # of the processor, beyond what sound input takes
MEMORY = 1 << 30  # bytes, beyond what the process had before
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
    """A rule that was not kept, in one sentence."""


class Domain(Protocol):
    """One kind of input."""

    name: str
    folder: Path  # with what `prepare` made, for all cases

    def prepare(self) -> None:
        """Sound input, and every path compiled that a case may take: what this costs is no case's own."""
        ...

    def case(self, chance: Random, folder: Path) -> float:
        """One broken input, in a new folder. Answers the processor's seconds that sound input takes.

        Raises Broken, or anything that the program lets through.
        """
        ...


def verb(*words: str | Path) -> int:
    """The command line in this process; its exit code. Raises Broken."""
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
    """What was said after the notes that come before a run is opened; each note is a line of its own."""
    lines = said.splitlines(keepends=True)
    while lines and lines[0].startswith("note: "):
        if len(lines[0]) > LONGEST_SENTENCE:
            raise Broken(f"a note of {len(lines[0])} characters: {lines[0][:200]!r}")
        printable(lines.pop(0))
    return "".join(lines)


def printable(text: str) -> None:
    """Raises Broken for what a terminal would obey."""
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
    """The same bytes cut off, or some of them changed, doubled or left out."""
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
    """A path at which there is no sound file: empty, binary, a folder, a pipe, a device, missing, named badly."""
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
