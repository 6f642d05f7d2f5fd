"""List of the predictions: a new one is a CheckRow P<number> in one of these modules."""

from __future__ import annotations

from app.reproduce.rows import active, delayed, feedback, free, many, trapped
from app.reproduce.rows.row import CheckRow

ROWS: dict[str, CheckRow] = {
    name: getattr(module, name)
    for module in (free, trapped, delayed, feedback, active, many)
    for name in vars(module)
    if name.startswith("P") and name[1:].isdecimal()
}
