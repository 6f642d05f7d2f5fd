"""The tables of the documents, for comparison with the recorded measurements."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def table(document: str, heads: list[str]) -> list[list[str]]:
    """The rows of the table with these column heads in a document, cell by cell."""
    lines = [line.strip() for line in (DOCS / document).read_text(encoding="utf-8").splitlines()]
    begin = lines.index(f"| {' | '.join(heads)} |") + 2
    end = next(number for number in range(begin, len(lines) + 1) if not "\n".join(lines[number : number + 1]))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[begin:end]]
