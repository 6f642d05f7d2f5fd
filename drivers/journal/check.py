"""Checks a run file against its hashes, and names the first damage."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from config.refused import Refused
from drivers.journal import memory
from drivers.journal.pack import image_hash, links
from drivers.journal.read import Run
from drivers.journal.tables import Rows
from drivers.journal.write import TURN_TABLES, whole


def check(run: Run) -> str | None:
    """None if every byte of the record is as written; else one sentence with the first damaged turn or dataset."""
    if not run.data.header_is_whole():
        return f"{run.path}: the header is not what was written"
    if run.memory and not memory.is_whole(run.memory):
        return f"{run.path}: the memory that the record begins with is not what was written"
    if not run.corrections_are_whole:
        return f"{run.path}: 'corrections', with which it was corrected, is not what was written"
    if axis := run.data.changed_axis(run.header):
        return f"{run.path}: '{axis}' is not what was written"
    try:
        return _turns(run) or (_digests(run) if run.ended_cleanly else None)
    except Refused as error:
        return str(error)


def _turns(run: Run) -> str | None:
    """The first turn whose hash differs; None if there is none."""
    chain = memory.first_link(run.header.seal(), run.memory)
    for turns, tables, begins in run.batches():
        for row, link in zip(turns, links(chain, turns, tables, begins), strict=True):
            if link != row["hash"].tobytes():
                return f"{run.path}: turn {row['turn']} is not what was written{_where(run)}"
            problem = _image(run, row)
            if problem:
                return problem
            chain = link
    return None


def _image(run: Run, row: Any) -> str | None:
    """The damage of a turn's image; None if there is none."""
    if row["image"] < 0:
        return None
    with suppress(Refused):  # HDF5's own checksum failed
        if image_hash(run.image(int(row["image"]))) == row["image_hash"].tobytes():
            return None
    return f"{run.path}: turn {row['turn']}: frame {row['frame']} in 'frames' is not what was written"


def _where(run: Run) -> str:
    """The damaged tables, for a run that ended cleanly; else empty."""
    if not run.ended_cleanly:
        return ""
    digests, recorded, _ = run.data.digests()
    names = [
        table for table, computed, stored in zip(TURN_TABLES, digests, recorded, strict=True) if computed != stored
    ]
    return f" (in {', '.join(names)})" if names else ""


def _digests(run: Run) -> str | None:
    """The first damaged digest; None if there is none."""
    digests, recorded, digest = run.data.digests()
    for table, computed, stored in zip(TURN_TABLES, digests, recorded, strict=True):
        if computed != stored:
            return f"{run.path}: the entry of '{table}' in 'digests' is not what was written"
    if whole(run.header, digests) != digest:
        return f"{run.path}: the digest of the whole, in 'digest', is not what was written"
    return None


def same_contents(a: Run, b: Run) -> str | None:
    """None if two runs have the same contents except for `started`; else the first difference."""
    if a.header.seal() != b.header.seal():
        return f"the headers differ ({', '.join(_different_fields(a, b))})"
    if a.memory != b.memory:
        return "the memories that the records begin with differ"
    if len(a) != len(b):
        return f"{a.path} has {len(a)} turns, {b.path} has {len(b)}"
    for (turns_a, tables_a, _), (turns_b, tables_b, _) in zip(a.batches(), b.batches(), strict=True):
        for table, rows in {**tables_a, "turns": turns_a}.items():
            problem = _rows(table, rows, {**tables_b, "turns": turns_b}[table])
            if problem:
                return problem
        for row in turns_a["image"]:
            if row >= 0 and not np.array_equal(a.image(int(row)), b.image(int(row))):
                return f"'frames': image {row} differs"
    return None


def _rows(table: str, a: Rows, b: Rows) -> str | None:
    """The first difference between two batches of rows; None if there is none."""
    if a.tobytes() == b.tobytes():
        return None
    if len(a) != len(b) or a.dtype.names is None:
        return f"'{table}': the rows of the turns differ in number or text"
    for name in a.dtype.names:
        differs = [left.tobytes() != right.tobytes() for left, right in zip(a[name], b[name], strict=True)]
        if any(differs):
            first = differs.index(True)
            return f"'{table}': turn {a['turn'][first]}: {name} is {a[name][first]} and {b[name][first]}"
    return f"'{table}': the rows differ"


def _different_fields(a: Run, b: Run) -> list[str]:
    fields_a, fields_b = vars(a.header), vars(b.header)
    return [name for name in fields_a if name not in ("started", "corrections") and fields_a[name] != fields_b[name]]
