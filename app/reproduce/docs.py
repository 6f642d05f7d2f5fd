"""The page docs/physics.md, written from the JSON file of the command `reproduce`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.console.output_files import PAGE, require_files
from app.reproduce.check import load
from app.reproduce.results_file import Row, in_words, whole
from app.reproduce.store import figure_of, figure_sha256
from config.atomic import write_file

PICTURED = {
    "a": "Mean square displacement in a delayed harmonic trap, for four delays, and the closed form.",
    "b": "A particle that is drawn to a ring about its own past: the late diffusion over the ring's radius.",
    "c": "Nineteen particles that are drawn to each other by springs: the radius of gyration over time.",
    "d-hexagonal": "One ring: a hexagonal crystal of nineteen particles from a disturbed start, steered on images.",
    "d-honeycomb": "Two species, two rings: a honeycomb from a disturbed start, steered on images.",
    "d-square": "Two rings: a square crystal of sixteen particles from a disturbed start, steered on images.",
    "e-pullers": "What the search among feedback-pullers found.",
    "e-repulsion": "A particle that a hill about its own past repels: its speed over the height of the hill, and P20.",
}
INTRODUCTION = """# Physics

Predictions with a formula, and what the instrument measured through its own loop: simulated photons or exact positions,
the same turn, delays, limits and traps as on the rig. This page is written by the command, from [{name}]({name}):

    python main.py reproduce --full --json {data}
    python main.py reproduce --sabotage --json {data}
    python main.py reproduce --mutations --json {data}
    python main.py reproduce --families --json {data}
    python main.py reproduce --docs {page} --json {data}

Symbols: κ = k/γ, z = κτ, D = kT/γ; averages are per axis unless a formula says 4D; ϑ is the age of
what was seen while the light acts, κ_t the rate of the trap, a = e^(−κΔt). *Plant*: the exact force law,
positions from a table. *Instrument*: rendered frames, tracking, latency, one beam that is shared in time. Exact rows
pass by Student's t (p > 0.0027), approximate ones within their tolerance and three standard errors. Every row hides
less than 2 %, which its deviation and two standard errors have to stay below, unless another bound stands there with
its reason. Every prediction is also a number that the row's file states, worked out outside the program, to 1e-4: an
error that simulator and prediction have in common does not pass. Seeds were fixed before the first run.
"""
SABOTAGE = """The same check with one of its parameters wrong, held against the prediction of the right one,
at the least effort that shows it.
"""
MUTATIONS = """A sabotage is a wrong number in an experiment; a mutation is a wrong line of the program
(app/reproduce/mutations.py). kB and D move the simulator and the prediction together: a row catches them by the number
that it states. Each is held against the rows that should see it at the least cost, at quick effort where there is one;
`reproduce --mutations P7` holds all of them against a row, and `reproduce --mutations --full` against every row.
"""
FAMILIES = """Each is an experiment of config/experiments/families, which `main.py run` flies by itself; those with
images stand in the window's list. Where something else was expected it is said.
"""


def write_page(page: Path, data: Path, out: Path) -> None:
    """Write the page, and beside it those pictures of families in `out` that belong to the JSON. Raises Refused."""
    results = whole(data)
    figures: dict[str, bytes] = {}
    for row in results["families"]:
        figure = figure_of(out / "families", row["id"]) if row["id"] in PICTURED else None
        if figure is not None and figure_sha256(figure) == row["figure_sha256"]:
            figures[row["id"]] = figure
    pictures: dict[str, tuple[Path, str | None]] = {
        f"the picture of family {name}": (page.parent / picture(page, name), "a PNG") for name in figures
    }
    require_files({"--json": data}, {"--docs": (page, PAGE), **pictures})
    for name, figure in figures.items():
        write_file(page.parent / picture(page, name), figure, kind="a PNG")
    write_file(page, page_of(results, page, data), own=True)


def belongs(row: Row, page: Path) -> bool:
    """Whether the picture beside the page belongs to the numbers of this row."""
    path = page.parent / picture(page, row["id"])
    return row["id"] in PICTURED and path.is_file() and figure_sha256(path.read_bytes()) == row["figure_sha256"]


def picture(page: Path, name: str) -> str:
    return f"{page.stem}-{name}.png"


def page_of(results: Mapping[str, Sequence[Row]], page: Path, data: Path) -> str:
    """The page in Markdown."""
    checks, sabotages, mutations = results["checks"], results["sabotages"], results.get("mutations", [])
    passed = sum(row["verdict"] == "pass" for row in checks)
    caught = sum(row["caught"] for row in sabotages)
    minutes = sum(row["spent_s"] or 0.0 for row in checks) / 60.0
    parts = [
        INTRODUCTION.format(name=data.name, data=data, page=page),
        f"{passed} of {len(checks)} rows pass, in {minutes:.0f} minutes of one processor; "
        f"{caught} of {len(sabotages)} sabotages are caught{caught_of(mutations)}.{absent(checks, sabotages)}\n",
        "## Predictions\n",
        checks_table(checks),
        *(["## Rows that do not pass\n", failed(checks)] if passed < len(checks) else []),
        "## What each experiment does otherwise than its formula\n",
        "".join(f"- {row['id']}, {row['level']}: {row['honest']}{allowed(row)}\n" for row in checks),
        "## Sabotage\n",
        SABOTAGE,
        sabotage_table(sabotages),
        *(["## Mutations\n", MUTATIONS, mutation_table(mutations)] if mutations else []),
        "## Families of experiments\n",
        FAMILIES,
        *(family(row, page) for row in results["families"]),
    ]
    return "\n".join(parts)


def absent(checks: Sequence[Row], sabotages: Sequence[Row]) -> str:
    """Sentences on the checks in config/experiments/reproduce that are missing in the JSON."""
    text = ""
    for rows, what in ((checks, "measured"), (sabotages, "sabotaged")):
        listed = {f"{row['id']}-{row['level']}" for row in rows}
        missing = [name for name in load() if name not in listed]
        if missing:
            text += f" Not {what} here: {', '.join(missing)}."
    return text


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def checks_table(rows: Sequence[Row]) -> str:
    heads = ("", "level", "what", "prediction", "predicted", "measured ± s.e.", "unit", "hides less than", "verdict")
    return table(heads, [
        (row["id"], row["level"], row["title"], row["formula"], in_words(row["predicted"]), measured(row), row["unit"],
         hidden(row), row["verdict"])
        for row in rows
    ])  # fmt: skip


def measured(row: Row) -> str:
    return f"{in_words(row['measured'])} ± {in_words(row['stderr'], 2)}"


def hidden(row: Row) -> str:
    """|deviation| + 2 s.e. over the prediction."""
    if not row["predicted"] or row["measured"] is None or row["stderr"] is None:
        return "–"
    return f"{(abs(row['measured'] - row['predicted']) + 2.0 * row['stderr']) / abs(row['predicted']):.2%}"


def allowed(row: Row) -> str:
    """Sentence on a bound wider than that of other rows; empty if it is not."""
    return f" It may hide {row['within']:.0%}: {row['wider']}" if row.get("wider") else ""


def caught_of(mutations: Sequence[Row]) -> str:
    """Part of a sentence: the number of mutations that a row caught; empty if there are none."""
    titles = {row["mutation"] for row in mutations}
    caught = {row["mutation"] for row in mutations if row["caught"]}
    return f", and {len(caught)} of {len(titles)} mutations" if titles else ""


def moved(row: Row) -> str:
    """'yes' with the relative deviation of a caught row, to a tenth of a percent."""
    return f"yes, {row['measured'] / row['predicted'] - 1.0:+.1%}" if row["measured"] and row["predicted"] else "yes"


def failed(rows: Sequence[Row]) -> str:
    return "".join(f"- {row['id']}, {row['level']}: {row['why']}.\n" for row in rows if row["verdict"] != "pass")


def sabotage_table(rows: Sequence[Row]) -> str:
    heads = ("", "level", "what is wrong", "predicted", "measured ± s.e.", "unit", "caught")
    return table(heads, [
        (row["id"], row["level"], f"{row['factor']:g} × " + ", ".join(f"`{key}`" for key in row["keys"]),
         in_words(row["predicted"]), measured(row), row["unit"], moved(row) if row["caught"] else "**no**")
        for row in rows
    ])  # fmt: skip


def mutation_table(rows: Sequence[Row]) -> str:
    heads = ("what is wrong", "where", "row", "level", "stated", "measured ± s.e.", "unit", "caught")
    return table(heads, [
        (row["mutation"], row["what"], row["id"], row["level"], in_words(row["predicted"]), measured(row), row["unit"],
         moved(row) if row["caught"] else "no")
        for row in rows
    ])  # fmt: skip


def family(row: Row, page: Path) -> str:
    """Section of the page on a family: title, text, picture, numbers and violated expectations."""
    text = f"### ({row['id']}) {row['title']}\n\n{row['about']}\n\n"
    if belongs(row, page):
        text += f"![{PICTURED[row['id']]}]({picture(page, row['id'])})\n\n"
    text += table(("", "found"), [(name, in_words(value, 4)) for name, value in row["numbers"].items()])
    return text + "".join(f"\nBut {missed}.\n" for missed in row["missed"])
