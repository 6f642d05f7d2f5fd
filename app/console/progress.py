"""A progress bar with rate and time left on standard error, if that is a terminal."""

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
    """Steps per second, computed only when the bar is drawn."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f}/s" if task.speed else "")


@contextmanager
def progress(title: str, total: int | None, unit: str = "frames") -> Iterator[Step]:
    """A progress bar; call the yielded function with the number of steps done so far."""
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
    with suppress(OSError):  # the terminal was closed
        bar.start()
    try:
        yield lambda done: bar.update(task, completed=done)
    finally:
        with suppress(OSError):
            bar.stop()
