"""What the rows of a run have to look like before it is played: numbers of rows that are there, words that are known.

A run may come from anywhere. What is found here is refused before a turn is made of it; what only the reading of an
image shows is not found here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from config.words import quoted
from control.contract import Level, OrderKind, State
from drivers.journal.pack import EVENTS
from drivers.journal.tables import ENDS, Rows

LEAST_TURN_S = 1e-7  # of a run's mean turn: no loop is faster
LARGEST_PLACE = 1e9  # um, a kilometre from the origin; or px
PLACES = ("x_um", "y_um", "x_px", "y_px")
REASONS = ("reason", "allowed_reason", "sent_reason")
LEVELS = np.array([level.value for level in Level], "S8")
KINDS = {"events": np.array(EVENTS, "S16"), "orders": np.array([kind.value for kind in OrderKind], "S8")}
CONTINUES, CONTINUED = 0xC0, 0x80  # of a byte of UTF-8: the bits that say so, and what they are


def require_order(path: Path, turns: Rows, first: int, before: Any | None) -> None:
    """Raises Refused where turns do not count up by one, or the clock goes back.

    Args:
        turns: rows of `turns`.
        first: how many turns come before these.
        before: the row before these, if there is one. The first turn of a record that began in flight is not 0.
    """
    number, now_s = turns["turn"], turns["now_s"]
    start = int(number[0]) if before is None else int(before["turn"]) + 1
    counted = (number == start + np.arange(len(turns))) & (number >= 0)
    _refuse_any(path, ~counted, first, "its number is {}, and turns count up by one", number)
    back = np.diff(now_s, prepend=now_s[0] if before is None else before["now_s"]) < 0.0
    _refuse_any(path, back, first, "its now_s is {}, and the turn before is later", now_s)


def require_span(path: Path, turns: int, span_s: float) -> None:
    """Raises Refused where so many turns take less time than any loop needs."""
    if turns > 1 and span_s < (turns - 1) * LEAST_TURN_S:
        raise Refused(f"{path}: this run is damaged: by its now_s its {turns} turns take {span_s:g} s "
                      f"(allowed: at least {LEAST_TURN_S:g} s a turn)")  # fmt: skip


def require_pointers(
    path: Path, turns: Rows, first: int, before: Any | None, lengths: Mapping[str, int], images: int, kept: int
) -> int:
    """Raises Refused where a turn names a row of another table that is not its own, or a level that is none.

    Args:
        lengths: rows of every other table.
        images: images in the file. Without any, no turn has one; otherwise each turn with a frame has the next.
        kept: images of the turns before these.

    Returns:
        Images of the turns up to here.
    """
    _refuse_any(path, ~np.isin(turns["level"], LEVELS), first, "its level is {}", turns["level"])
    for table, end in ENDS.items():
        ends = turns[end]
        wrong = (np.diff(ends, prepend=0 if before is None else before[end]) < 0) | (ends > lengths[table])
        _refuse_any(
            path, wrong | (ends < 0), first, f"its {end} is {{}}, where '{table}' has {lengths[table]} rows", ends
        )
    for name in REASONS:
        row = turns[name]
        _refuse_any(path, (row < 0) | (row >= turns["texts_end"]), first, f"its {name} is text {{}}", row)
    seen = turns["has_frame"] != 0
    expected = np.where(seen, kept + np.cumsum(seen) - 1, -1) if images else np.full(len(turns), -1)
    wrong = (turns["image"] != expected) | (expected >= images)
    _refuse_any(path, wrong, first, "its image is {}, which is not the one that follows", turns["image"])
    return kept + int(np.count_nonzero(seen)) if images else 0


def require_texts(path: Path, text_bytes: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
    """Raises Refused where a text of the run is no UTF-8, or does not end within the others."""
    wrong = (np.diff(ends, prepend=0) < 0) | (ends < 0) | (ends > len(text_bytes))
    if not wrong.any():
        inside = ends < len(text_bytes)
        wrong[inside] = (text_bytes[ends[inside]] & CONTINUES) == CONTINUED
    if wrong.any():
        raise Refused(f"{path}: this run is damaged: text {int(np.argmax(wrong))} can't be read (its end in 'texts')")
    try:
        text_bytes.tobytes().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        row = int(np.searchsorted(ends, error.start, "right"))
        raise Refused(f"{path}: this run is damaged: text {row} can't be read (it is no UTF-8)") from None


def require_lines(path: Path, table: str, rows: Rows, texts: int) -> None:
    """Raises Refused where an event or an order is of no known kind, or has no text."""
    known = np.isin(rows["kind"], KINDS[table])
    wrong = ~known | (rows["text"] < 0) | (rows["text"] >= texts)
    if wrong.any():
        row = int(np.argmax(wrong))
        found = f"its text is {rows['text'][row]}" if known[row] else f"its kind is {quoted(rows['kind'][row])}"
        raise Refused(f"{path}: this run is damaged: row {row + 1} of '{table}': {found}")


def require_places(path: Path, tracks: Rows, first: int = 0) -> None:
    """Raises Refused where rows of `tracks` have a place that none can be, or a state that is none."""
    for name in PLACES:
        if name not in (tracks.dtype.names or ()):  # of a run from before there was this column
            continue
        found = tracks[name]
        wrong = ~((np.abs(found) <= LARGEST_PLACE) | np.isnan(found))
        _refuse_any_track(
            path, wrong, first, f"its {name} is {{}} (allowed: -{LARGEST_PLACE:g} to {LARGEST_PLACE:g})", found
        )
    wrong = ~np.isin(tracks["state"], [int(state) for state in State])
    _refuse_any_track(path, wrong, first, "its state is {}", tracks["state"])


def _refuse_any_track(path: Path, wrong: NDArray[np.bool_], first: int, why: str, found: NDArray[Any]) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        said = why.format(quoted(found[row]))
        raise Refused(f"{path}: this run is damaged: row {first + row + 1} of 'tracks': {said}")


def _refuse_any(path: Path, wrong: NDArray[np.bool_], first: int, why: str, found: NDArray[Any]) -> None:
    """Raises Refused with the first turn that is wrong; `{}` in `why` is what was found there."""
    if wrong.any():
        row = int(np.argmax(wrong))
        raise Refused(f"{path}: turn {first + row + 1} of this run is damaged: {why.format(quoted(found[row]))}")
