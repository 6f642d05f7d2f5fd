"""Is a run file what was written? The first damage, in words."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from config.refused import Refused
from drivers.journal.pack import image_hash, links
from drivers.journal.read import Run
from drivers.journal.tables import Rows
from drivers.journal.write import TURN_TABLES, whole


def check(run: Run) -> str | None:
    """None if every byte of the record is as written; else one sentence with the first turn or dataset that is not."""
    if not run.header_is_whole():
        return f"{run.path}: the header is not what was written"
    if not run.memory_is_whole():
        return f"{run.path}: the memory that the record begins with is not what was written"
    if not run.corrections_are_whole:
        return f"{run.path}: 'corrections', with which it was corrected, is not what was written"
    if axis := run.changed_axis():
        return f"{run.path}: '{axis}' is not what was written"
    try:
        return _turns(run) or (_digests(run) if run.ended_cleanly else None)
    except Refused as error:
        return str(error)


def _turns(run: Run) -> str | None:
    chain = run.first_link()
    for turns, tables, begins in run.batches():
        for row, found in zip(turns, links(chain, turns, tables, begins), strict=True):
            if found != row["hash"].tobytes():
                return f"{run.path}: turn {row['turn']} is not what was written{_where(run)}"
            problem = _image(run, row)
            if problem:
                return problem
            chain = found
    return None


def _image(run: Run, row: Any) -> str | None:
    if row["image"] < 0:
        return None
    with suppress(Refused):  # the file's own checksum found it first
        if image_hash(run.image(int(row["image"]))) == row["image_hash"].tobytes():
            return None
    return f"{run.path}: turn {row['turn']}: frame {row['frame']} in 'frames' is not what was written"


def _where(run: Run) -> str:
    """The tables that a cleanly closed run can name."""
    if not run.ended_cleanly:
        return ""
    found, written, _ = run.digests()
    names = [table for table, now, then in zip(TURN_TABLES, found, written, strict=True) if now != then]
    return f" (in {', '.join(names)})" if names else ""


def _digests(run: Run) -> str | None:
    found, written, digest = run.digests()
    for table, now, then in zip(TURN_TABLES, found, written, strict=True):
        if now != then:
            return f"{run.path}: the entry of '{table}' in 'digests' is not what was written"
    if whole(run.header, found) != digest:
        return f"{run.path}: the digest of the whole, in 'digest', is not what was written"
    return None


def same_contents(a: Run, b: Run) -> str | None:
    """None if two runs hold the same, dataset by dataset, the wall-clock stamp aside; else the first difference."""
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
    if a.tobytes() == b.tobytes():
        return None
    if len(a) != len(b) or a.dtype.names is None:
        return f"'{table}': the rows of the turns differ in number or text"
    for name in a.dtype.names:
        differ = [left.tobytes() != right.tobytes() for left, right in zip(a[name], b[name], strict=True)]
        if any(differ):
            at = differ.index(True)
            return f"'{table}': turn {a['turn'][at]}: {name} is {a[name][at]} and {b[name][at]}"
    return f"'{table}': the rows differ"


def _different_fields(a: Run, b: Run) -> list[str]:
    ours, theirs = vars(a.header), vars(b.header)
    return [name for name in ours if name not in ("started", "corrections") and ours[name] != theirs[name]]
