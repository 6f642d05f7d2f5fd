"""Packs turns into table rows, and computes the chain of hashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from control.contract import Turn
from drivers.journal.tables import ENDS, GROUPS, HASH_BYTES, HASHED, TABLES, TURNS, Rows, pack_group

EVENTS = ("level", "withheld", "policy_withheld", "note", "policy_note", "tracker_note", "may_be_lit")
LARGEST_MEMORY = 1 << 16  # most remembered texts; a repeated text takes no space in the file


@dataclass
class Packer:
    """State between two batches."""

    chain: bytes  # hash of the newest turn
    keep_frames: bool
    ends: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    images: int = 0
    level: str = ""
    texts: dict[str, int] = field(default_factory=dict)

    def pack(self, turns: Sequence[Turn]) -> tuple[dict[str, Rows], list[NDArray[Any]]]:
        """(rows of a batch by table, including `turns`; images to store)."""
        rows = np.zeros(len(turns), TURNS)
        number = np.array([turn.number for turn in turns], np.int64)
        tables: dict[str, Rows] = {}
        counts: dict[str, Any] = {}
        for group in GROUPS:
            values = [getattr(turn, group.source) for turn in turns]
            tables[group.table], counts[group.table], rows[f"{group.table}_absent"] = pack_group(group, values, number)
        shift_s = np.array([turn.sent.effect_s - turn.effect_s for turn in turns])
        for table in ("wanted", "rings"):
            with np.errstate(invalid="ignore", over="ignore"):  # wanted values are recorded even if they are not finite
                tables[table]["delay_achieved_s"] = tables[table]["delay_s"] + np.repeat(shift_s, counts[table])
        lists = _Lists(self.texts, self.ends["texts"], self.ends["text_bytes"])
        for row, turn in zip(rows, turns, strict=True):
            self._fill(row, turn, lists)
        counts.update(lists.counts())
        tables.update(lists.rows(number))
        for table, end in ENDS.items():
            rows[end] = self.ends[table] + np.cumsum(counts[table])
        images = self._images(rows, turns)
        for row, link in zip(rows, links(self.chain, rows, tables, self.ends), strict=True):
            row["hash"] = np.frombuffer(link, np.uint8)
            self.chain = link
        self.ends = {table: int(rows[end][-1]) for table, end in ENDS.items()}
        return {"turns": rows, **tables}, images

    def _fill(self, row: Any, turn: Turn, lists: _Lists) -> None:
        """Fill the row of one turn, and append its texts, orders and events."""
        frame = turn.frame
        row["turn"], row["now_s"], row["sent_s"], row["effect_s"] = turn.number, turn.now_s, turn.sent_s, turn.effect_s
        row["has_frame"] = frame is not None
        row["frame"], row["frame_time_s"] = (frame.number, frame.time_s) if frame else (-1, np.nan)
        row["tracks_time_s"], row["dropped"], row["level"] = turn.tracks.time_s, turn.dropped, turn.level.value
        row["allowed_effect_s"], row["sent_effect_s"] = turn.allowed.effect_s, turn.sent.effect_s
        lists.begin(turn.number)
        row["reason"], row["allowed_reason"] = lists.text(turn.reason), lists.text(turn.allowed.reason)
        row["sent_reason"] = lists.text(turn.sent.reason)
        for order in turn.orders:
            lists.orders.append((turn.number, order.kind.value, lists.text(order.text)))
        if turn.level.value != self.level:
            lists.events("level", [-1], [turn.level.value])
            self.level = turn.level.value
        for kind, withheld in (("withheld", turn.withheld), ("policy_withheld", turn.wanted.withheld)):
            lists.events(kind, [particle for particle, _ in withheld], [why for _, why in withheld])
        notes = (("note", turn.notes), ("policy_note", turn.wanted.notes), ("tracker_note", turn.tracks.notes))
        for kind, texts in notes:
            lists.events(kind, [-1] * len(texts), texts)
        if turn.sent.may_be_lit:
            lists.events("may_be_lit", [-1], [turn.sent.reason])
        lists.finish()
        if len(self.texts) > LARGEST_MEMORY:
            self.texts.clear()

    def _images(self, rows: Rows, turns: Sequence[Turn]) -> list[NDArray[Any]]:
        """Set each turn's image row and image hash; return the images to store."""
        images: list[NDArray[Any]] = []
        for row, turn in zip(rows, turns, strict=True):
            row["image"] = -1
            if turn.frame is not None:
                row["image_hash"] = np.frombuffer(image_hash(turn.frame.image), np.uint8)
                if self.keep_frames:
                    row["image"] = self.images + len(images)
                    images.append(turn.frame.image)
        self.images += len(images)
        return images


class _Lists:
    """Texts, orders and events of a batch."""

    def __init__(self, rows_of_texts: dict[str, int], texts: int, text_bytes: int) -> None:
        self.rows_of_texts, self.next, self.end = rows_of_texts, texts, text_bytes
        self.turn = 0
        self.bytes = bytearray()
        self.ends: list[tuple[int, int]] = []  # (turn, end in text_bytes) of each new text
        self.orders: list[tuple[int, str, int]] = []
        self.kinds: list[int] = []  # of each event, as index in EVENTS
        self.particles: list[int] = []
        self.texts: list[int] = []  # of each event, as row of texts
        self.lengths: list[tuple[int, int, int, int]] = []  # lengths of the lists after each turn

    def begin(self, turn: int) -> None:
        self.turn = turn

    def finish(self) -> None:
        self.lengths.append((len(self.bytes), len(self.ends), len(self.orders), len(self.texts)))

    def text(self, text: str) -> int:
        """The row of a text, which is added if it is new."""
        row = self.rows_of_texts.get(text)
        if row is None:
            row = self.rows_of_texts[text] = self.next + len(self.ends)
            self.bytes += text.encode("utf-8", "surrogatepass")
            self.ends.append((self.turn, self.end + len(self.bytes)))
        return row

    def events(self, kind: str, particles: Sequence[int], texts: Sequence[str]) -> None:
        """Add events of one kind. Must be fast, since there may be one per particle."""
        rows = self.rows_of_texts
        self.texts += [rows[text] if text in rows else self.text(text) for text in texts]
        self.particles += particles
        self.kinds += [EVENTS.index(kind)] * len(texts)

    def counts(self) -> dict[str, Any]:
        """Number of rows of each turn, by table."""
        lengths = np.diff(np.array(self.lengths), axis=0, prepend=0)
        return dict(zip(("text_bytes", "texts", "orders", "events"), lengths.T, strict=True))

    def rows(self, number: NDArray[np.int64]) -> dict[str, Rows]:
        """The rows of a batch, from the numbers of its turns."""
        events = np.zeros(len(self.texts), TABLES["events"])
        events["turn"] = np.repeat(number, self.counts()["events"])
        events["kind"] = np.array(EVENTS, "S16")[self.kinds] if self.kinds else b""
        events["particle"], events["text"] = self.particles, self.texts
        return {
            "text_bytes": np.frombuffer(bytes(self.bytes), np.uint8),
            "texts": np.array(self.ends, TABLES["texts"]),
            "orders": np.array(self.orders, TABLES["orders"]),
            "events": events,
        }


def image_hash(image: NDArray[Any]) -> bytes:
    """BLAKE2b of the shape, type and pixels of an image."""
    image = np.ascontiguousarray(image)
    digest = blake2b(f"{image.shape} {image.dtype.str} ".encode(), digest_size=HASH_BYTES)
    digest.update(image.reshape(-1).view(np.uint8).data)
    return digest.digest()


def links(chain: bytes, turns: Rows, tables: Mapping[str, Rows], begins: Mapping[str, int]) -> Iterator[bytes]:
    """The hash of each turn of a batch: over the previous hash, its row in `turns`, and its rows in all tables.

    Args:
        chain: hash of the turn before the batch.
        turns: rows of `turns`.
        tables: rows of the batch, by table.
        begins: row at which the batch begins, by table.
    """
    flat = {table: np.ascontiguousarray(rows).view(np.uint8) for table, rows in tables.items()}
    row_bytes = np.ascontiguousarray(turns).view(np.uint8).reshape(len(turns), -1)
    starts = dict(begins)
    for row, line in zip(turns, row_bytes, strict=True):
        digest = blake2b(chain, digest_size=HASH_BYTES)
        digest.update(line[:HASHED].data)
        for table in TABLES:
            stop = int(row[ENDS[table]])
            size = tables[table].dtype.itemsize  # of the file; older files have fewer columns
            piece = slice((starts[table] - begins[table]) * size, (stop - begins[table]) * size)
            digest.update(flat[table][piece].data)
            starts[table] = stop
        chain = digest.digest()
        yield chain
