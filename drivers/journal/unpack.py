"""One turn, from its rows in all tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from control.contract import Command, Forces, Frame, Level, Order, OrderKind, Tracks, Turn
from drivers.journal.tables import ALLOWED, LOST, RINGS, SENT, TRACKS, WANTED, Rows, TableGroup, unpack_group


def turn_of(row: Any, parts: Mapping[str, Rows], text: Callable[[int], str], frame: Frame | None) -> Turn:
    """One turn.

    Args:
        row: one row of `turns`.
        parts: the turn's rows of each table.
        text: gives a text by its row in `texts`.
        frame: of the turn; None if the camera was silent.

    Raises `drivers.journal.trust.DAMAGE` for a damaged row, and Refused as `text` does.
    """
    texts = _events(parts["events"], text)

    def group(which: TableGroup) -> dict[str, Any]:
        return unpack_group(which, parts[which.table], int(row[f"{which.table}_absent"]))

    def command(which: TableGroup) -> Command:
        reason = text(int(row[f"{which.table}_reason"]))
        return Command(**group(which), reason=reason, effect_s=float(row[f"{which.table}_effect_s"]))

    return Turn(
        number=int(row["turn"]),
        frame=frame,
        now_s=float(row["now_s"]),
        orders=tuple(Order(OrderKind(order["kind"].decode()), text(int(order["text"]))) for order in parts["orders"]),
        tracks=Tracks(
            time_s=float(row["tracks_time_s"]), **group(TRACKS), **group(LOST), notes=tuple(texts["tracker_note"])
        ),
        wanted=Forces(
            **group(WANTED), **group(RINGS), withheld=tuple(texts["policy_withheld"]), notes=tuple(texts["policy_note"])
        ),
        allowed=command(ALLOWED),
        sent=replace(command(SENT), may_be_lit=bool(texts["may_be_lit"])),
        level=Level(row["level"].decode()),
        reason=text(int(row["reason"])),
        effect_s=float(row["effect_s"]),
        withheld=tuple(texts["withheld"]),
        notes=tuple(texts["note"]),
        sent_s=float(row["sent_s"]),
        dropped=int(row["dropped"]),
    )


def _events(rows: Rows, text: Callable[[int], str]) -> dict[str, list[Any]]:
    """The texts of a turn's events by kind; of those that withhold light, (particle, text)."""
    texts: dict[str, list[Any]] = {"withheld": [], "policy_withheld": []}
    texts |= {"note": [], "policy_note": [], "tracker_note": [], "level": [], "may_be_lit": []}
    for event in rows:
        message, kind = text(int(event["text"])), event["kind"].decode()
        texts[kind].append((int(event["particle"]), message) if kind.endswith("withheld") else message)
    return texts
