"""Kinds of output files, recognised by their content: an output replaces only a file of its own kind.

config.atomic checks this when it replaces a file, app.console.output_files before the work starts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.refused import Refused
from config.words import quoted

LARGEST_JSON = 50_000_000  # bytes of a JSON file that may be replaced
LOOKED_AT = 1 << 16  # bytes that are read of files of other kinds
LONGEST_HEADER = 100_000_000  # bytes of a safetensors file's header
LOG_OF_TRAINING = b"epoch,seconds,learning_rate,train_mse,valid_mse"  # its first line
LINE_OF_NAMES = re.compile(rb'"?\w+"?(,"?\w+"?)+\r?(\n|$)')  # the first line of a CSV table
KEPT = re.compile(rb'\{\s*"fingerprint":')  # first bytes of reproduce's stored results, also of truncated ones
MARK = re.compile(rb"/dev/\S{1,200}\n?")
ONNX = re.compile(rb"\x08[\x01-\x7f][\x12\x1a\x22\x28\x32\x3a\x42]")  # its version, then another field of the model
NOTHING = "nothing"  # kind that no file has, so that no file is replaced
SOFTWARE = "Cybloids"  # generator named in reports and pictures
OLDER_REPORT = b"<style>\nbody { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem;"  # of older reports
PNG = b"\x89PNG\r\n\x1a\n"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _starts_with(*with_one_of: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.lstrip().lower().startswith(tuple(begin.lower() for begin in with_one_of))


def _is_json(data: bytes) -> bool:
    return _json(data) is not None


def _is_card(of: str) -> Callable[[bytes], bool]:
    """A test for cards whose `format` starts with `of`."""

    def holds(data: bytes) -> bool:
        card = _json(data)
        return isinstance(card, dict) and "weights_sha256" in card and str(card.get("format", "")).startswith(of)

    return holds


def _is_lines(data: bytes) -> bool:
    line = _json(data.lstrip().partition(b"\n")[0])
    return isinstance(line, dict) and "logged_ns" in line


def _is_tensors(data: bytes) -> bool:
    """Whether this is a safetensors file: 8 bytes with the length of the header, then the header in JSON."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= LONGEST_HEADER


def _is_state(data: bytes) -> bool:
    return _is_tensors(data) and data[8:].startswith(b'{"__metadata__"')


def _is_report(data: bytes) -> bool:
    generator = f'<meta name="generator" content="{SOFTWARE}">'.encode()
    return _starts_with(b"<!doctype html")(data) and (generator in data or OLDER_REPORT in data)


def _is_our_png(data: bytes) -> bool:
    return data.startswith(PNG) and b"tEXtSoftware\0" + SOFTWARE.encode() in data


def _is_svg(data: bytes) -> bool:
    return data.lstrip().startswith((b"<?xml", b"<svg")) and b"<svg" in data


def _json(data: bytes) -> Any:
    """The data as JSON; None if it is not JSON, or null, which no output contains."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


KINDS: dict[str, tuple[Callable[[bytes], bool], int]] = {  # by the name in messages: (test, bytes it needs)
    "JSON": (_is_json, LARGEST_JSON),
    "the card of a network": (_is_card("cybloids network"), LARGEST_JSON),
    "the card of a classifier": (_is_card("cybloids classifier"), LARGEST_JSON),
    "the weights of a checkpoint": (_is_tensors, LOOKED_AT),
    "the state of a training": (_is_state, LOOKED_AT),
    "the log of a training": (_starts_with(LOG_OF_TRAINING), LOOKED_AT),
    "an ONNX file": (lambda data: ONNX.match(data) is not None, LOOKED_AT),
    "a log in JSON lines": (_is_lines, LOOKED_AT),
    "the mark of an emulator's link": (lambda data: MARK.fullmatch(data) is not None, LOOKED_AT),
    "what reproduce keeps": (lambda data: KEPT.match(data) is not None, LOOKED_AT),
    "HTML": (_starts_with(b"<!doctype html", b"<html"), LOOKED_AT),
    "Markdown (a .md file)": (_starts_with(b"#"), LOOKED_AT),
    "a CSV table": (lambda data: LINE_OF_NAMES.match(data) is not None, LOOKED_AT),
    "a Parquet table": (_starts_with(b"PAR1"), LOOKED_AT),
    "a TIFF": (_starts_with(*TIFF), LOOKED_AT),
    "an NPY file": (_starts_with(b"\x93NUMPY"), LOOKED_AT),
    "a PNG": (_starts_with(PNG), LOOKED_AT),
    "a report that Cybloids has made": (_is_report, LOOKED_AT),
    "a PNG that Cybloids has made": (_is_our_png, LOOKED_AT),
    "a PDF": (_starts_with(b"%PDF"), LOOKED_AT),
    "a JPEG": (_starts_with(b"\xff\xd8\xff"), LOOKED_AT),
    "an SVG": (_is_svg, LOOKED_AT),
    "EPS": (_starts_with(b"%!PS"), LOOKED_AT),
    NOTHING: (lambda data: False, LOOKED_AT),
    "a WebP": (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", LOOKED_AT),
}
BY_ENDING = {
    ".json": "JSON", ".html": "HTML", ".md": "Markdown (a .md file)", ".csv": "a CSV table",
    ".parquet": "a Parquet table", ".safetensors": "the weights of a checkpoint", ".onnx": "an ONNX file",
    ".npy": "an NPY file", ".tif": "a TIFF", ".tiff": "a TIFF", "": "a PNG", ".png": "a PNG", ".pdf": "a PDF",
    ".jpg": "a JPEG", ".jpeg": "a JPEG", ".svg": "an SVG", ".eps": "EPS", ".ps": "EPS", ".webp": "a WebP",
}  # fmt: skip


def require_kind(name: str, path: Path, kind: str = "") -> None:
    """Raises Refused if the file at `path` is not of this kind; missing and empty files are accepted.

    Args:
        name: of the option or output, for the message; "": the message has only the path.
        kind: key of KINDS; "": by the ending of the path. NOTHING refuses every file that is not empty.

    Raises OSError if the file can't be read.
    """
    if not path.is_file():
        return
    label = f"{name}: '{quoted(path, 200)}'" if name else f"'{quoted(path, 200)}'"
    kind = kind or BY_ENDING.get(path.suffix.lower(), "")
    matches, most = KINDS.get(kind, (None, LOOKED_AT))
    with path.open("rb") as file:
        data = file.read(most + 1)
    if not data.strip() and len(data) <= most:
        return
    if most == LARGEST_JSON and len(data) > most:
        raise Refused(f"{label} is too large to be replaced (allowed: {most / 1e6:g} MB); "
                      "name another file")  # fmt: skip
    ending_fits = kind != "Markdown (a .md file)" or path.suffix.lower() == ".md"  # YAML comments look like headings
    if matches is None or not matches(data) or not ending_fits:
        what = f"not {kind}" if kind not in ("", NOTHING) else "there already"
        raise Refused(f"{label} is {what}, and it is left as it is; name another file")
