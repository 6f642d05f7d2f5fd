"""The report: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from app.reproduce.check import Check
from app.reproduce.family import Family, Found
from app.reproduce.measure import Outcome
from app.reproduce.rows import ROWS

Lines = Sequence[tuple[Check, Outcome]]

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{padding:.25rem .6rem;text-align:left;border-bottom:1px solid #ddd}
td.n{font-variant-numeric:tabular-nums;text-align:right}.pass{color:#17692c}.fail{color:#a40000;font-weight:600}
section{margin-top:2.5rem}img{max-width:100%}small{color:#666}
"""


def report(lines: Lines, heading: str) -> str:
    """The whole page."""
    failed = sum(not outcome.verdict.passed for _, outcome in lines)
    conclusion = "All agree." if not failed else f"{failed} of {len(lines)} do not agree."
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(heading)}</title>'
        f"<style>{STYLE}</style><h1>{escape(heading)}</h1><p>{len(lines)} predictions. {conclusion}</p>"
        f"{_table(lines)}{''.join(_section(check, outcome) for check, outcome in lines)}</html>\n"
    )


def family_report(lines: Sequence[tuple[Family, Found]]) -> str:
    """The page of the families."""
    heading = "Cybloids: the families of experiments"
    sections = "".join(_family(family, found) for family, found in lines)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{heading}</title>'
        f"<style>{STYLE}</style><h1>{heading}</h1>{sections}</html>\n"
    )


def _family(family: Family, result: Found) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{value:.5g}</td></tr>' for name, value in result.numbers.items()
    )
    failures = "".join(f'<p class="fail">{escape(failure)}</p>' for failure in result.missed)
    return (
        f'<section id="{escape(family.id)}"><h2>({escape(family.id)}) {escape(family.title)}</h2>'
        f"<p>{escape(family.about)}</p>"
        f'<img alt="{escape(family.title)}" src="data:image/png;base64,{result.figure}">'
        f"<table>{rows}</table>{failures}"
        f"<p><small>{result.turns} turns of the loop, {result.spent_s:.1f} s of the processor"
        f"</small></p></section>"
    )


def _table(lines: Lines) -> str:
    rows = "".join(_line(check, outcome) for check, outcome in lines)
    head = "".join(
        f"<th>{name}</th>" for name in ("", "level", "prediction", "predicted", "measured", "± s.e.", "", "verdict")
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _line(check: Check, outcome: Outcome) -> str:
    verdict = outcome.verdict
    numbers = "".join(
        f'<td class="n">{value:.5g}</td>' for value in (verdict.predicted, verdict.measured, verdict.stderr)
    )
    return (
        f'<tr><td><a href="#{check.name}">{check.id}</a></td><td>{check.level}</td><td>{escape(check.title)}</td>'
        f'{numbers}<td>{ROWS[check.id].unit}</td><td class="{verdict.word}">{verdict.word}</td></tr>'
    )


def _section(check: Check, outcome: Outcome) -> str:
    verdict = outcome.verdict
    return (
        f'<section id="{check.name}"><h2>{check.id}, {check.level}: {escape(check.title)}</h2>'
        f'<p class="{verdict.word}">{verdict.word}: {escape(verdict.why)}</p><p>{escape(check.honest)}</p>'
        f'<img alt="{escape(check.title)}" src="data:image/svg+xml;base64,{outcome.figure}">'
        f"<p><small>{check.verdict}; {verdict.blocks} blocks, {outcome.turns} turns of the loop, "
        f"{outcome.spent_s:.1f} s of the processor; sabotaged through {escape(', '.join(check.sabotage.keys))}"
        f"</small></p></section>"
    )
