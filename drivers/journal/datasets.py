"""The data sets of a run file, read in pieces, and their hashes."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from drivers.journal.header import Header
from drivers.journal.tables import ENDS, HASH_BYTES, TABLES, Rows
from drivers.journal.trust import attribute, reading, require_one_image
from drivers.journal.write import TURN_TABLES, axes, axis_values

ROWS = 1 << 16  # of a table that are read at once
BATCH = 256  # turns that are read at once
assert hdf5plugin  # the import registers the filter with which HDF5 reads the frames


class DataSets:
    """The data sets of an open run file. Each method raises Refused if its data are damaged."""

    def __init__(self, path: Path, file: Any) -> None:
        self.path, self._file = path, file

    def close(self) -> None:
        self._file.close()

    def count(self, table: str) -> int:
        """Number of rows of a table, with those of incomplete turns."""
        return len(self._file[table])

    def rows(self, table: str, begin: int, end: int) -> Rows:
        """Rows `begin` to `end` - 1 of a table."""
        with reading(self.path, f"'{table}' can't be read from row {begin} on"):
            rows: Rows = self._file[table][begin:end]
        return rows

    def image(self, row: int) -> NDArray[Any]:
        """Image `row` of those recorded: [height, width], read-only."""
        with reading(self.path, f"'frames': image {row} can't be read"):
            require_one_image(self._file["frames"], row)
            image: NDArray[Any] = self._file["frames"][row]
        image.setflags(write=False)
        return image

    def complete_turns(self) -> int:
        """Number of turns whose rows are all on the disk; the last flush may be incomplete."""
        count, block = self.count("turns"), BATCH
        lengths = {table: self.count(table) for table in TABLES}
        frames = self.count("frames")
        while count:  # from the end; many rows may never have been written
            begin = max(count - block, 0)
            rows = self.rows("turns", begin, count)
            complete = rows["hash"].any(axis=1) & (rows["image"] < frames)
            for table, end in ENDS.items():
                complete &= rows[end] <= lengths[table]
            if complete.any():
                return begin + int(np.flatnonzero(complete)[-1]) + 1
            count, block = begin, min(2 * block, ROWS)
        return 0

    def header_text(self) -> str:
        """The text of the header."""
        try:
            return str(self._file["header"][...].tobytes().decode())
        except UnicodeDecodeError as error:
            raise Refused(f"{self.path}: the header can't be read ({error})") from None

    def header_is_whole(self) -> bool:
        """Whether the header is undamaged."""
        with reading(self.path, "this run is damaged: its header can't be read"):
            header = self._file["header"]
            digest = blake2b(header[...].data, digest_size=HASH_BYTES).hexdigest()
            return bool(digest == attribute(header, "blake2b", str))

    def changed_axis(self, header: Header) -> str:
        """Name of an axis with wrong values; empty if there is none. Old runs have no axes."""
        with reading(self.path, "this run is damaged: its axes can't be read"):
            for name, values in axes(header).items():
                axis = self._file.get(name)
                if axis is None:
                    continue
                if axis.shape != (len(values),) or not np.array_equal(axis[...], axis_values(values)):
                    return name
        return ""

    def digests(self) -> tuple[list[bytes], list[bytes], bytes]:
        """(present digest of every table, recorded digest of every table, recorded digest of the whole run)."""
        with reading(self.path, "this run is damaged: its digests can't be read"):
            digests = [self._digest(table) for table in TURN_TABLES]
            return digests, [row.tobytes() for row in self._file["digests"][...]], self._file["digest"][...].tobytes()

    def _digest(self, table: str) -> bytes:
        """Present digest of a table."""
        digest = blake2b(digest_size=HASH_BYTES)
        length = self.count(table)
        for first in range(0, length, ROWS):
            digest.update(self.rows(table, first, min(first + ROWS, length)).view(np.uint8).data)
        return digest.digest()
