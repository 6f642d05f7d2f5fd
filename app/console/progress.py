"""A progress bar with rate and time left, on standard error; silent where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from config.words import visible

Step = Callable[[int], None]


class Rate(ProgressColumn):
    """Steps a second, worked out when the bar is drawn and not at each step."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f}/s" if task.speed else "")


@contextmanager
def progress(title: str, total: int | None, unit: str = "frames") -> Iterator[Step]:
    """A bar; call what it gives with the number of steps that are done in all."""
    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        Rate(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
    task = bar.add_task(escape(visible(title, keep="")), total=total)
    with suppress(OSError):  # a terminal that was closed
        bar.start()
    try:
        yield lambda done: bar.update(task, completed=done)
    finally:
        with suppress(OSError):
            bar.stop()
