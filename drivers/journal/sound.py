"""Checks the rows of `turns` in a run before it is played: rows of other tables that exist, valid levels, rising times.

A run file may come from any source. Damage found here is refused before a Turn is made; damage of an image is found
when that image is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from config.words import quoted
from control.contract import Level
from drivers.journal.tables import ENDS, Rows
from drivers.journal.trust import LAST_FRAME

LEAST_TURN_S = 1e-7  # least mean duration of a turn; no loop is faster
TICK_S = 0.02  # resolution of a computer's clock: it may stand still for this time while frames come
REASONS = ("reason", "allowed_reason", "sent_reason")
LEVELS = np.array([level.value for level in Level], "S8")
LIT_LEVELS = np.array([Level.PROBING.value, Level.ARMED.value], "S8")
MOST_TEXT_BYTES = 1 << 24  # of one text; the settings of an APPLY have 4 million characters at most
TEXTS_PIECE_BYTES = 1 << 20  # of the texts that are checked at once
CONTINUES, CONTINUED = 0xC0, 0x80  # bits that mark a continuation byte of UTF-8, and their value


def require_order(path: Path, turns: Rows, first: int, before: Any | None) -> None:
    """Raises Refused if turns do not count up by one, or the clock goes back.

    Args:
        turns: rows of `turns`.
        first: number of turns before these.
        before: the row before these, or None. The first turn of a record that began in flight is not 0.
    """
    number, now_s = turns["turn"], turns["now_s"]
    start = int(number[0]) if before is None else int(before["turn"]) + 1
    in_order = (number == start + np.arange(len(turns))) & (number >= 0)
    _refuse_any(path, ~in_order, first, "its number is {}, and turns count up by one", number)
    is_earlier = np.diff(now_s, prepend=now_s[0] if before is None else before["now_s"]) < 0.0
    _refuse_any(path, is_earlier, first, "its now_s is {}, and the turn before is later", now_s)


def require_span(path: Path, turns: int, span_s: float) -> None:
    """Raises Refused if the turns take less time than LEAST_TURN_S each."""
    if turns > 1 and span_s < (turns - 1) * LEAST_TURN_S:
        raise Refused(f"{path}: this run is damaged: by its now_s its {turns} turns take {span_s:g} s "
                      f"(allowed: at least {LEAST_TURN_S:g} s a turn)")  # fmt: skip


def require_pointers(
    path: Path, turns: Rows, first: int, before: Any | None, lengths: Mapping[str, int], images: int, images_before: int
) -> int:
    """Raises Refused if a turn refers to rows of another table that are not its own, or has no valid level.

    Args:
        lengths: number of rows of every other table.
        images: number of images in the file. Without any, no turn has one; else each turn with a frame has the next.
        images_before: number of images of the turns before these.

    Returns:
        Number of images of the turns up to here.
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
    has_frame = turns["has_frame"] != 0
    expected = np.where(has_frame, images_before + np.cumsum(has_frame) - 1, -1) if images else np.full(len(turns), -1)
    wrong = (turns["image"] != expected) | (expected >= images)
    _refuse_any(path, wrong, first, "its image is {}, which is not the one that follows", turns["image"])
    return images_before + int(np.count_nonzero(has_frame)) if images else 0


@dataclass
class Newest:
    """State between batches of turns, updated by `require_seen`."""

    frame: int = -1  # number of the newest tracked frame
    frame_time_s: float = -math.inf  # of that frame
    largest: int = -1  # largest frame number
    now_s: float = math.nan  # of that frame's turn
    since_s: float = math.nan  # time of the first frame at this now_s


def require_seen(path: Path, turns: Rows, first: int, before: Any | None, newest: Newest) -> None:
    """Raises Refused if frames are not in order, or a turn without a tracked frame has particles. Updates `newest`.

    A frame that was not newer than those before, or could not be tracked, is recorded without particles. Its time and
    its number are not checked.
    """
    flag = turns["has_frame"]
    _refuse_any(path, flag > 1, first, "its has_frame is {} (allowed: 0 and 1)", flag)
    tracked = (flag == 1) & (turns["tracks_time_s"] == turns["frame_time_s"])
    particles = _count(turns, before, "tracks") + _count(turns, before, "lost")
    why = "it has particles, and its tracks_time_s, {}, is not the time of its frame"
    _refuse_any(path, ~tracked & (particles > 0), first, why, turns["tracks_time_s"])
    number, time_s, now_s = (turns[name][tracked] for name in ("frame", "frame_time_s", "now_s"))
    not_later = np.diff(number, prepend=newest.frame) <= 0
    _refuse_any(path, _in_all_rows(tracked, not_later), first, "its frame is {}, and frames count up", turns["frame"])
    not_later = np.diff(time_s, prepend=newest.frame_time_s) <= 0
    why = "its frame_time_s is {}, and the frame before is not older"
    _refuse_any(path, _in_all_rows(tracked, not_later), first, why, turns["frame_time_s"])
    if len(number):
        since_s, why = _since(now_s, time_s, newest), "its now_s is {}, and the clock stands still while frames come"
        _refuse_any(path, _in_all_rows(tracked, time_s - since_s > TICK_S), first, why, turns["now_s"])
        newest.frame, newest.frame_time_s = int(number[-1]), float(time_s[-1])
        newest.now_s, newest.since_s = float(now_s[-1]), float(since_s[-1])
    largest = np.maximum.accumulate(np.maximum(turns["frame"], newest.largest))
    newest.largest = int(largest[-1])
    _require_dropped(path, turns, first, before, np.where(largest < 0, LAST_FRAME, largest))


def _since(now_s: NDArray[np.float64], time_s: NDArray[np.float64], newest: Newest) -> NDArray[np.float64]:
    """[N] time of the first of successive frames with the same now_s."""
    fresh = np.diff(now_s, prepend=newest.now_s) != 0
    row = np.maximum.accumulate(np.where(fresh, np.arange(len(now_s)), -1))
    return np.where(row < 0, newest.since_s, time_s[row])


def _require_dropped(path: Path, turns: Rows, first: int, before: Any | None, most: NDArray[np.int64]) -> None:
    """Raises Refused if the count of dropped frames decreases, or exceeds the camera's counter."""
    dropped = turns["dropped"]
    fewer = np.diff(dropped, prepend=0 if before is None else before["dropped"]) < 0
    _refuse_any(path, fewer | (dropped < 0) | (dropped > most), first,
                "its dropped is {}, which is not a number of frames that can be missing by then", dropped)  # fmt: skip


def require_darkness(path: Path, turns: Rows, first: int, before: Any | None) -> NDArray[np.bool_]:
    """[N] True for turns at a lit level. Raises Refused if another turn has light."""
    lit = np.isin(turns["level"], LIT_LEVELS)
    for table in ("allowed", "sent"):
        _refuse_any(
            path, ~lit & (_count(turns, before, table) > 0), first, f"its level is {{}}, and '{table}' has light of it",
            turns["level"],
        )  # fmt: skip
    return lit


def _count(turns: Rows, before: Any | None, table: str) -> NDArray[np.int64]:
    """[N] number of rows of each turn in another table."""
    end = ENDS[table]
    return np.diff(turns[end], prepend=0 if before is None else before[end])


def _in_all_rows(selected: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[N] True for selected [N] rows that are wrong; `wrong` has one value per selected row."""
    result = np.zeros(len(selected), np.bool_)
    result[selected] = wrong
    return result


def require_texts(
    path: Path, ends: NDArray[np.int64], count: int, read: Callable[[int, int], NDArray[np.uint8]]
) -> None:
    """Raises Refused if a text of the run is not UTF-8, is too long, or ends outside of the others.

    Args:
        ends: end of each text in the bytes of all texts.
        count: number of bytes of all texts.
        read: returns the bytes from one position to another. Reads at most one piece, or one text, at once.
    """
    wrong = (np.diff(ends, prepend=0) < 0) | (ends < 0) | (ends > count)
    _refuse_text(path, wrong, "its end in 'texts'")
    places = np.append(ends, count)
    _refuse_text(path, np.diff(places, prepend=0) > MOST_TEXT_BYTES, f"it has more than {MOST_TEXT_BYTES} bytes")
    begin = 0
    while begin < count:
        next_ones = np.searchsorted(places, [begin, begin + TEXTS_PIECE_BYTES], "right")
        end = int(places[max(int(next_ones[0]), int(next_ones[1]) - 1)])
        piece = read(begin, end)
        first, last = np.searchsorted(ends, [begin, end]).tolist()
        cut = (piece[ends[first:last] - begin] & CONTINUES) == CONTINUED
        _refuse_text(path, cut, "its end in 'texts'", first)
        try:
            piece.tobytes().decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(ends, begin + error.start, "right"))
            raise Refused(f"{path}: this run is damaged: text {row} can't be read (it is no UTF-8)") from None
        begin = end


def _refuse_text(path: Path, wrong: NDArray[np.bool_], why: str, first: int = 0) -> None:
    """Raises Refused with the first wrong text; `first` is the number of texts before these."""
    if wrong.any():
        raise Refused(f"{path}: this run is damaged: text {first + int(np.argmax(wrong))} can't be read ({why})")


def _refuse_any(path: Path, wrong: NDArray[np.bool_], first: int, why: str, values: NDArray[Any]) -> None:
    """Raises Refused with the first wrong turn; `{}` in `why` is its value."""
    if wrong.any():
        row = int(np.argmax(wrong))
        raise Refused(f"{path}: turn {first + row + 1} of this run is damaged: {why.format(quoted(values[row]))}")
