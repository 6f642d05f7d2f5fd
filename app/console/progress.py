"""A progress bar with rate and time left on standard error, if that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

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

from app.console.terminal import say_over
from config.words import visible

Step = Callable[[int], None]
Bar = Callable[[str, int | None], AbstractContextManager[Step]]  # of a title and the number of steps


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


@contextmanager
def silent(title: str, total: int | None, unit: str = "frames") -> Iterator[Step]:
    """A replacement for `progress` that shows nothing."""
    yield lambda done: None


@contextmanager
def progress_line(title: str, total: int | None, unit: str = "frames") -> Iterator[Step]:
    """The bar in a terminal; elsewhere, as in a notebook, one line that is rewritten once a second."""
    if Console(file=sys.stderr).is_terminal:
        with progress(title, total, unit) as step:
            yield step
        return
    title = visible(title, keep="")
    total_text, shown_s, newest = f" of {total}" if total is not None else "", 0.0, 0

    def step_of_line(done: int) -> None:
        nonlocal shown_s, newest
        newest = done
        if time.monotonic() - shown_s >= 1.0:
            shown_s = time.monotonic()
            _rewrite(f"{title}: {done}{total_text} {unit}")

    try:
        yield step_of_line
    finally:
        _rewrite(f"{title}: {newest}{total_text} {unit}\n")


def _rewrite(text: str) -> None:
    with suppress(OSError, ValueError):  # a stream that was closed
        say_over(text)
