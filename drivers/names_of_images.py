"""Names of the images in a folder: missing numbers, names that are not like the others, and rows side by side."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

from config.words import quoted

MOST_NAMED = 5  # numbers or names in one note
NAMED_ALIKE = 3  # fewest images whose names are a rule
WHOLE = 0.9  # least part of all pairs of two numbers by which these number two rows side by side

Pieces = tuple[str, ...]  # of a name, between its numbers


def name_notes(files: list[Path]) -> tuple[str, ...]:
    """What the names of images say against them being the frames of one video, one after the other.

    Args:
        files: in the order of the frames.
    """
    kinds = dict[Pieces, list[tuple[Path, list[int]]]]()
    for file in files:
        pieces = re.split(r"(\d+)", file.stem.lower())
        digits = [int(piece) if piece.isdecimal() else 0 for piece in pieces[1::2]]
        kinds.setdefault(tuple(pieces[::2]), []).append((file, digits))
    largest = max(kinds.values(), key=len)
    numbers = [values for _, values in largest]
    if len(largest) < NAMED_ALIKE or not numbers[0]:
        return ()
    return (*_unlike_names(list(kinds.values()), largest), *_in_numbers(numbers, largest[0][0].name))


def _unlike_names(kinds: list[list[tuple[Path, list[int]]]], largest: list[tuple[Path, list[int]]]) -> list[str]:
    """A note on names that are not like those of the largest kind."""
    others = [file.name for kind in kinds if kind is not largest for file, _ in kind]
    if not others:
        return []
    description = f"{len(largest)} images are named as {quoted(largest[0][0].name, 60)}"
    return [
        f"{description}, and {len(others)} otherwise ({_some(others)}); "
        "all are taken as frames, in the order of their names"
    ]


def _in_numbers(numbers: list[list[int]], first: str) -> list[str]:
    """A note on gaps in the one number that varies, or on the two that number images side by side."""
    columns = [column for column in map(list, zip(*numbers, strict=True)) if len(set(column)) > 1]
    if len(columns) == 1:
        return _gaps(columns[0])
    if len(columns) == 2 and len(numbers) >= WHOLE * len(set(columns[0])) * len(set(columns[1])):
        counts = " times ".join(str(len(set(column))) for column in columns)
        return [f"its names have two numbers ({counts} images, the first {quoted(first, 60)}), as for channels or "
                "positions side by side; all are taken as frames, in the order of their names"]  # fmt: skip
    return []


def _gaps(numbers: list[int]) -> list[str]:
    """A note on the numbers that are missing, if the others have even steps."""
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    step, count = Counter(steps).most_common(1)[0]
    if (
        step < 1
        or 2 * count < len(steps)
        or count == len(steps)
        or any(difference < step or difference % step for difference in steps)
    ):
        return []
    missing = sum(difference // step - 1 for difference in steps)
    gaps = (range(earlier + step, later, step) for earlier, later in pairwise(numbers))
    listed = [str(number) for gap in gaps for number in gap[:MOST_NAMED]]
    verb = "are" if missing > 1 else "is"
    return [f"of the numbers of its images {missing} {verb} missing ({_some(listed, missing)}), and the frames are "
            "taken as even in time"]  # fmt: skip


def _some(names: list[str], count: int = 0) -> str:
    """The first of the names, and whether there are more; `count` of them in all, or as many as there are."""
    more = ", ..." if (count or len(names)) > MOST_NAMED else ""
    return ", ".join(quoted(name, 60) for name in names[:MOST_NAMED]) + more
