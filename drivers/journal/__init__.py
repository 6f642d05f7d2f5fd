"""The journal: writes every turn of a run to one HDF5 file, and reads it back."""

from drivers.journal.check import check, same_contents
from drivers.journal.compare import compare
from drivers.journal.header import Header, Kind, git_hash, now, versions
from drivers.journal.read import Run, read_run
from drivers.journal.write import Journal

__all__ = [
    "Header", "Journal", "Kind", "Run", "check", "compare", "git_hash", "now", "read_run", "same_contents", "versions",
]  # fmt: skip
