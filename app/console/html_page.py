"""One self-contained HTML page with headings, tables and figures; it loads nothing from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.console.figure import figure
from config.atomic import write_file
from config.output_kinds import SOFTWARE
from control.contract import Fault

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .25rem .8rem; text-align: left }
th { border-bottom: 2px solid #888 } td { border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums }
figure { display: inline-block; margin: .5rem; width: 29rem; vertical-align: top } figure img { width: 100% }
figcaption, .small { font-size: .85rem; color: #555 } pre { background: #f5f5f5; padding: .8rem; overflow-x: auto }
"""


@dataclass
class Page:
    """A page that grows from top to bottom."""

    title: str
    parts: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self.parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        self.parts.append(f"<p>{html.escape(text)}</p>")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        header = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        self.parts.append(f"<table><tr>{header}</tr>{body}</table>")

    def figure(self, draw: Callable[[Any], None], caption: str) -> None:
        """A picture that `draw` draws on matplotlib axes."""
        image, words = figure(draw, "png", (5.2, 3.6), dpi=130), html.escape(caption)
        self.parts.append(
            f'<figure><img alt="{words}" src="data:image/png;base64,{image}"><figcaption>{words}</figcaption></figure>'
        )

    def folded(self, title: str, text: str) -> None:
        """Text that is shown after a click on its title."""
        self.parts.append(f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>")

    def html(self) -> str:
        title = html.escape(self.title)
        generator = f'<meta name="generator" content="{SOFTWARE}">'
        head = f'<meta charset="utf-8">{generator}<title>{title}</title><style>{STYLE}</style>'
        return (
            f"<!doctype html><html lang=en><head>{head}</head><body><h1>{title}</h1>{''.join(self.parts)}</body></html>"
        )

    def save(self, path: Path, kind: str = "HTML") -> None:
        """Write the page atomically. Replaces only its own `kind` (config.output_kinds). Raises Refused, Fault."""
        try:
            write_file(path, self.html(), "a file for the report", kind=kind)
        except OSError as error:
            raise Fault(f"{path}: the report could not be saved ({error.strerror or error})") from None
