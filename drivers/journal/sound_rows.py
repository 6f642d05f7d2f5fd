"""Checks rows of a run's other tables before it is played: each belongs to its turn, and its values are possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.fields import LARGEST
from config.refused import Refused
from config.words import quoted
from control.contract import OrderKind, State
from drivers.journal.pack import EVENTS
from drivers.journal.tables import Rows
from drivers.journal.trust import LAST_FRAME, LATEST_S

LARGEST_PLACE = 1e9  # um, a kilometre from the origin; or px
PLACES = ("x_um", "y_um", "x_px", "y_px")
KINDS = {"events": np.array(EVENTS, "S16"), "orders": np.array([kind.value for kind in OrderKind], "S8")}
STATES = np.array([int(state) for state in State], np.uint8)
LASTING = ("delay_s", "delay_achieved_s")  # may be nan
WANTED = {"wanted": ("fx_pn", "fy_pn"), "rings": ("x_um", "y_um", "radius_um", "depth_kt")}


@dataclass(frozen=True)
class Owners:
    """The turn of each row, from the ends of the turns' rows."""

    first_turn: int
    ends: Mapping[str, NDArray[np.int64]]  # by table; [N] of N turns
    lit: NDArray[np.bool_]  # [N] whether the turn may have light

    def of(self, table: str, begin: int, end: int) -> NDArray[np.int64]:
        """[end - begin] index of the turn of each row."""
        ends = self.ends[table]
        first, last = np.searchsorted(ends, (begin, end - 1), "right")
        counts = np.diff(np.r_[begin, np.minimum(ends[first : last + 1], end)])
        return np.repeat(np.arange(first, last + 1), counts)


def require_rows(path: Path, table: str, rows: Rows, begin: int, owners: Owners, texts: int) -> None:
    """Raises Refused if a row does not belong to its turn, or has an impossible value.

    Args:
        rows: rows `begin`, `begin` + 1, ... of the table.
        texts: number of texts in the run.
    """
    owner = owners.of(table, begin, begin + len(rows))
    turn = rows["turn"]
    _refuse_any(path, table, turn != owner + owners.first_turn, begin,
                "its turn is {}, and it belongs to another", turn)  # fmt: skip
    if table in KINDS:
        require_lines(path, table, rows, texts, begin)
    elif table == "tracks":
        require_places(path, rows, begin)
        _require_identities(path, rows, begin, owner)
    elif table in ("allowed", "sent"):
        require_spots(path, table, rows, begin)
    elif table in WANTED:
        require_wanted(path, table, rows, begin, owners.lit[owner])


def require_lines(path: Path, table: str, rows: Rows, texts: int, begin: int = 0) -> None:
    """Raises Refused if an event or an order has no valid kind or no text."""
    _refuse_any(path, table, ~np.isin(rows["kind"], KINDS[table]), begin, "its kind is {}", rows["kind"])
    _refuse_any(path, table, (rows["text"] < 0) | (rows["text"] >= texts), begin, "its text is {}", rows["text"])


def require_places(path: Path, tracks: Rows, begin: int = 0) -> None:
    """Raises Refused if rows of `tracks` have an impossible position or no valid state."""
    for name in PLACES:
        if name in (tracks.dtype.names or ()):  # older runs may lack the column
            _require_within(path, "tracks", tracks, name, begin, -LARGEST_PLACE, LARGEST_PLACE, unknown=True)
    _refuse_any(path, "tracks", ~np.isin(tracks["state"], STATES), begin, "its state is {}", tracks["state"])


def require_spots(path: Path, table: str, spots: Rows, begin: int = 0) -> None:
    """Raises Refused if a spot has an impossible position, power or dwell time."""
    for name, least, largest in (
        ("x_um", -LARGEST_PLACE, LARGEST_PLACE), ("y_um", -LARGEST_PLACE, LARGEST_PLACE),
        ("power_mw", 0.0, LARGEST["mW"]), ("dwell_s", 0.0, LARGEST["s"]),
    ):  # fmt: skip
        if name in (spots.dtype.names or ()):
            _require_within(path, table, spots, name, begin, least, largest)
    if "dwell_s" in (spots.dtype.names or ()):
        _refuse_any(path, table, spots["dwell_s"] <= 0, begin, "its dwell_s is {} (allowed: more than 0)",
                    spots["dwell_s"])  # fmt: skip


def require_wanted(path: Path, table: str, rows: Rows, begin: int, lit: NDArray[np.bool_]) -> None:
    """Raises Refused if a turn with light has a force, a ring or a delay that is not finite.

    Without light any value is allowed: values that are not finite trip the interlock, and are recorded.
    """
    names = rows.dtype.names or ()
    for name in WANTED[table]:
        if name in names:
            _refuse_any(path, table, lit & ~np.isfinite(rows[name]), begin, f"its {name} is {{}}", rows[name])
    for name in LASTING:
        if name in names:
            _require_within(path, table, rows, name, begin, -LATEST_S, LATEST_S, unknown=True, of=lit)


def _require_identities(path: Path, tracks: Rows, begin: int, owner: NDArray[np.int64]) -> None:
    """Raises Refused if the particles of a turn are not in order of rising ID, each once."""
    particle = tracks["particle"]
    _require_within(path, "tracks", tracks, "particle", begin, 0, LAST_FRAME)
    fresh = np.diff(owner, prepend=-1) != 0
    fresh[:1] = True  # its previous row, which may be of the same turn, is not in this batch
    wrong = ~fresh & (np.diff(particle, prepend=0) <= 0)
    _refuse_any(path, "tracks", wrong, begin, "its particle is {}, and a turn has each once, in rising order", particle)


def _require_within(
    path: Path, table: str, rows: Rows, name: str, begin: int, least: float, largest: float, *, unknown: bool = False,
    of: NDArray[np.bool_] | None = None,
) -> None:  # fmt: skip
    """Raises Refused if a value of a column is not between `least` and `largest`.

    Args:
        unknown: nan is allowed.
        of: [N] True for rows that are checked; None: all.
    """
    values = rows[name]
    wrong = ~((values >= least) & (values <= largest))
    if of is not None:
        wrong &= of
    if unknown and wrong.any():
        wrong &= ~np.isnan(values)
    _refuse_any(path, table, wrong, begin, f"its {name} is {{}} (allowed: {least:g} to {largest:g})", values)


def _refuse_any(path: Path, table: str, wrong: NDArray[np.bool_], begin: int, why: str, values: NDArray[Any]) -> None:
    """Raises Refused with the first wrong row; `{}` in `why` is its value."""
    if wrong.any():
        row = int(np.argmax(wrong))
        problem = why.format(quoted(values[row]))
        raise Refused(f"{path}: this run is damaged: row {begin + row + 1} of '{table}': {problem}")
