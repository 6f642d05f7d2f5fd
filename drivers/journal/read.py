"""Reads a run file back as Turns: a complete run, one that is still recorded, or one whose recording was killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.files import require_file
from config.refused import Refused
from control.contract import Frame, Turn
from drivers.journal import corrections, memory
from drivers.journal.datasets import BATCH, ROWS, DataSets
from drivers.journal.header import header_of, require_same_numbers
from drivers.journal.sound import (
    MOST_TEXT_BYTES,
    Newest,
    require_darkness,
    require_order,
    require_pointers,
    require_seen,
    require_span,
    require_texts,
)
from drivers.journal.sound_rows import Owners, require_rows
from drivers.journal.tables import ENDS, TABLES, Rows
from drivers.journal.tidy import TIDY, tidy_table
from drivers.journal.trust import (
    BEGIN_BYTES,
    DAMAGE,
    attribute,
    open_file,
    reading,
    require_frames,
    require_own_data,
    require_sound_texts,
    require_tables,
    require_times,
    require_written_rows,
)
from drivers.journal.unpack import turn_of
from drivers.journal.write import FORMAT

SIGNATURE = b"\x89HDF\r\n\x1a\n"
TEXTS = ("text", "reason", "allowed_reason", "sent_reason")  # columns with a row of `texts`
INNER = {*ENDS.values(), *(f"{table}_absent" for table in TABLES), "hash", "image_hash"}
KEPT_TEXT_BYTES = 1 << 26  # texts up to this total size are kept in memory; otherwise each is read again


class Run:
    """A recorded run in its state when it was opened. Open it with `read_run`; close it, or use it in a `with`.

    Attributes:
        header: what was recorded before the first turn.
        ended_cleanly: False if the recording was killed, or still goes on.
        keep_frames: whether the images are in the file.
        corrections_are_whole: whether the correction images, if any, are undamaged.
        memory: bytes of the loop's memory at the start of a record in flight; else empty.
        data: the data sets of the file, with the rows of incomplete turns.
    """

    def __init__(self, path: Path, file: Any) -> None:
        self.path, self.data = path, DataSets(path, file)
        require_own_data(path, file)
        require_tables(path, file)
        self.keep_frames = bool(attribute(file, "keep_frames", (bool, int)))
        self.ended_cleanly = bool(file["digest"][...].any())
        if self.ended_cleanly:
            require_written_rows(path, file)
        header = header_of(self.data.header_text(), str(path))
        images = corrections.stored(file, header.extra, str(path))
        self.corrections_are_whole = images is not None
        self.header = replace(header, corrections=images or {})
        self.memory = memory.stored(file, str(path))
        require_frames(path, file, self.header.height_px, self.header.width_px, self.header.pixel_type)
        self._count = self.data.count("turns") if self.ended_cleanly else self.data.complete_turns()
        last = self.data.rows("turns", self._count - 1, self._count)[0] if self._count else None
        self._ends = {table: int(last[end]) if last is not None else 0 for table, end in ENDS.items()}
        if self.ended_cleanly:
            self._require_all_rows()

    def __len__(self) -> int:
        """Number of turns."""
        return self._count

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.data.close()

    @property
    def first_turn(self) -> int:
        """Number of the first turn: above 0 in a record that began in flight; 0 without turns."""
        return int(self.data.rows("turns", 0, 1)[0]["turn"]) if self._count else 0

    def turns(self, start: int = 0, stop: int | None = None) -> Iterator[Turn]:
        """Turns `start` to `stop` - 1, exactly as they were written.

        Not recorded are the machine of an APPLY order (only its text) and, without frames, the image, which is [0, 0]
        then. Raises Refused if the file is damaged.
        """
        for turns, tables, begins in self.batches(start, stop):
            starts = dict(begins)
            for row in turns:
                parts = {}
                for table, end in ENDS.items():
                    parts[table] = tables[table][starts[table] - begins[table] : int(row[end]) - begins[table]]
                    starts[table] = int(row[end])
                with reading(self.path, f"turn {row['turn']} is damaged"):
                    turn = turn_of(row, parts, self.text, self._frame(row))
                yield turn

    def turn(self, index: int) -> Turn:
        """Turn `index`, from 0. Raises IndexError."""
        if not 0 <= index < self._count:
            raise IndexError(f"{self.path}: there is no turn {index} among {self._count}")
        return next(self.turns(index, index + 1))

    def batches(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[Rows, dict[str, Rows], dict[str, int]]]:
        """Iterates over (rows of `turns`, their rows by table, first row by table), a few hundred turns at a time."""
        stop = self._count if stop is None else min(stop, self._count)
        for first in range(start, stop, BATCH):
            turns = self.data.rows("turns", first, min(first + BATCH, stop))
            before = self.data.rows("turns", first - 1, first)[0] if first else None
            begins = {table: int(before[end]) if before is not None else 0 for table, end in ENDS.items()}
            for table, end in ENDS.items():
                ends = turns[end]
                wrong = (np.diff(ends, prepend=begins[table]) < 0) | (ends > self.data.count(table))
                if wrong.any():
                    number = turns["turn"][int(np.argmax(wrong))]
                    raise Refused(f"{self.path}: turn {number} is damaged (its row in 'turns')")
            tables = {table: self.data.rows(table, begins[table], int(turns[end][-1])) for table, end in ENDS.items()}
            yield turns, tables, begins

    def image(self, row: int) -> NDArray[Any]:
        """Image `row` of those recorded: [height, width], read-only."""
        return self.data.image(row)

    @property
    def image_count(self) -> int:
        """Number of recorded images that belong to a complete turn."""
        numbers = self.column("turns", "image")
        return int(numbers.max()) + 1 if len(numbers) else 0

    @property
    def kept_frames(self) -> bool:
        """Whether the turns' images are in the file; also True if they were to be recorded and no frame came."""
        return self.image_count > 0 or (self.keep_frames and not self.column("turns", "has_frame").any())

    def text(self, row: int) -> str:
        """A text by its row in `texts`. Raises Refused."""
        ends = self._text_ends
        if not 0 <= row < len(ends):
            raise Refused(f"{self.path}: this run is damaged: there is no text {row}")
        begin, end, all_bytes = int(ends[row - 1]) if row else 0, int(ends[row]), self._ends["text_bytes"]
        with reading(self.path, f"this run is damaged: text {row} can't be read"):
            if not 0 <= begin <= end <= all_bytes or end - begin > MOST_TEXT_BYTES:
                raise ValueError("its end in 'texts'")
            if all_bytes > KEPT_TEXT_BYTES:
                return self.data.rows("text_bytes", begin, end).tobytes().decode("utf-8", "surrogatepass")
            return self._all_texts[begin:end].decode("utf-8", "surrogatepass")

    def printable_text(self, row: int) -> str:
        """As `text`, but half of a surrogate pair is its code: such a text can be written to any file or terminal."""
        return self.text(row).encode("utf-8", "backslashreplace").decode()

    def rows(self, table: str) -> Rows:
        """One table as a structured array: `turns`, or one of `drivers.journal.tables.TABLES`."""
        return self.data.rows(table, 0, self._length(table))

    def column(self, table: str, name: str) -> NDArray[Any]:
        """One column of a table, without reading all other columns into memory at once."""
        count = self._length(table)
        parts = [self.data.rows(table, 0, 0)[name]]
        parts += [
            self.data.rows(table, begin, min(begin + ROWS, count))[name].copy() for begin in range(0, count, ROWS)
        ]
        column: NDArray[Any] = np.concatenate(parts)
        return column

    def readable(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Rows as columns for users: with texts, and without columns that only the file format needs."""
        with reading(self.path, "this run is damaged: a table can't be read"):
            return self._readable(rows)

    def table(self, name: str) -> pd.DataFrame:
        """One table for users: those of `drivers.journal.tidy.TIDY` as in `export`, others as `readable`."""
        if name in TIDY:
            with reading(self.path, "this run is damaged: a table can't be read"):
                return tidy_table(self, name)
        return pd.DataFrame(self.readable(self.rows(name)))

    def require_turns(self) -> None:
        """Raises Refused if a turn is damaged, except for its image. Called before a run is played or analysed.

        Checked are: times of a clock that does not go back; turns and frames in order; whether each row of another
        table belongs to its turn; whether values are possible; whether numbers in the header agree with its rig and
        experiment.
        """
        require_same_numbers(self.header, str(self.path))
        texts = self._ends["texts"]
        require_texts(self.path, self._text_ends, self._ends["text_bytes"], partial(self.data.rows, "text_bytes"))
        owners = self._require_own_rows()
        for table in ENDS:
            if table == "text_bytes":
                continue
            for begin in range(0, self._ends[table], ROWS):
                rows = self.data.rows(table, begin, min(begin + ROWS, self._ends[table]))
                require_rows(self.path, table, rows, begin, owners, texts)

    def _require_own_rows(self) -> Owners:
        """The rows that belong to each turn. Raises Refused if a row of `turns` is damaged."""
        lengths, images = dict(self._ends), self.data.count("frames")
        before, image_count, newest, start_s = None, 0, Newest(), 0.0
        ends: dict[str, list[NDArray[np.int64]]] = {table: [np.empty(0, np.int64)] for table in ENDS}
        lit = [np.empty(0, np.bool_)]
        for first in range(0, self._count, ROWS):
            turns = self.data.rows("turns", first, min(first + ROWS, self._count))
            require_times(self.path, turns, first)
            require_order(self.path, turns, first, before)
            image_count = require_pointers(self.path, turns, first, before, lengths, images, image_count)
            require_seen(self.path, turns, first, before, newest)
            lit.append(require_darkness(self.path, turns, first, before))
            for table, end in ENDS.items():
                ends[table].append(turns[end].copy())
            start_s = float(turns["now_s"][0]) if before is None else start_s
            before = turns[-1]
        if before is not None:
            require_span(self.path, self._count, float(before["now_s"]) - start_s)
        return Owners(self.first_turn, {table: np.concatenate(parts) for table, parts in ends.items()},
                      np.concatenate(lit))  # fmt: skip

    def _require_all_rows(self) -> None:
        """Raises Refused if a run that ended cleanly lacks its last turns, or rows of another table."""
        for table, end in self._ends.items():
            if end != self.data.count(table):
                raise Refused(f"{self.path}: this run is damaged: '{table}' has {self.data.count(table)} rows, and its "
                              f"{self._count} turns end at row {end}")  # fmt: skip

    @cached_property
    def _text_ends(self) -> NDArray[np.int64]:
        """[N] end of each text in `text_bytes`."""
        return self.column("texts", "end")

    @cached_property
    def _all_texts(self) -> bytes:
        return self.data.rows("text_bytes", 0, self._ends["text_bytes"]).tobytes()

    def _length(self, table: str) -> int:
        """Rows of a table that belong to complete turns."""
        return self._count if table == "turns" else self._ends[table]

    def _readable(self, rows: Rows) -> dict[str, NDArray[Any]]:
        columns: dict[str, NDArray[Any]] = {}
        for name in rows.dtype.names or ():
            values = rows[name]
            if name in TEXTS:
                texts = {row: self.printable_text(row) for row in set(values.tolist())}
                columns[name] = np.array([texts[row] for row in values.tolist()], object)
            elif values.dtype.kind == "S":
                columns[name] = np.array([text.decode() for text in values.tolist()], object)
            elif name in ("has_frame", "carried"):
                columns[name] = values.astype(np.bool_)
            elif name not in INNER:
                columns[name] = values.copy()
        return columns

    def _frame(self, row: Any) -> Frame | None:
        if not row["has_frame"]:
            return None
        number = int(row["image"])
        image = self.image(number) if number >= 0 else np.empty((0, 0), self.header.pixel_type)
        return Frame(int(row["frame"]), float(row["frame_time_s"]), image)


def read_run(path: Path | str) -> Run:
    """Open a run file. Raises Refused if it is missing, no run of this program, or cut off."""
    path = Path(path)
    require_file(path, "a run file")
    with reading(path, "this file can't be read"), path.open("rb") as raw:
        begin = raw.read(BEGIN_BYTES)  # signature, version, two sizes, consistency flags (HDF5 file format 3.0, II.A)
        file_bytes = os.fstat(raw.fileno()).st_size
    if len(begin) < 12 or begin[:8] != SIGNATURE:
        raise Refused(f"{path}: this file is not a run (it is no HDF5 file)")
    with reading(path, "this file is cut off or damaged"):
        require_sound_texts(begin, file_bytes)
        file = open_file(path, growing=begin[8] >= 3 and begin[11] != 0)  # in flight or killed
    try:
        with reading(path, "this run is cut off or damaged"):
            if "format" not in file.attrs or attribute(file, "format", str) != FORMAT:
                raise Refused(f"{path}: this HDF5 file is not a run ('{FORMAT}')")
            return Run(path, file)
    except Refused:
        _close(file)
        raise


def _close(file: Any) -> None:
    with suppress(*DAMAGE):  # the error of a damaged file was raised already
        file.close()
