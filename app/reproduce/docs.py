"""The page docs/physics.md, from the JSON file of the command: predictions, measurements, sabotages, families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.console.output_files import PAGE, require_files
from app.reproduce.check import load
from app.reproduce.results_file import ResultRow, in_words, whole
from app.reproduce.store import figure_of, figure_sha256
from config.atomic import write_file

PICTURED = {
    "a": "Mean square displacement in a delayed harmonic trap, for four delays, and the closed form.",
    "b": "A particle that is attracted to a ring about its past position: late diffusion against the ring's radius.",
    "c": "Nineteen particles that attract each other by springs: the radius of gyration over time.",
    "d-hexagonal": "One ring: a hexagonal crystal of nineteen particles from a disturbed start, steered on images.",
    "d-honeycomb": "Two species, two rings: a honeycomb from a disturbed start, steered on images.",
    "d-square": "Two rings: a square crystal of sixteen particles from a disturbed start, steered on images.",
    "e-pullers": "Result of the search among feedback-pullers.",
    "e-repulsion": "A particle that a Gaussian about its past position repels: its speed against the height, and P20.",
}
INTRODUCTION = """# Physics

Each row compares a prediction ([predictions.md](predictions.md)) with a measurement by the ordinary loop of the
instrument: simulated images or exact positions, and the same turn, delays, limits and traps as on a real rig. The
program writes this page from [{name}]({name}):

    python main.py reproduce --full --json {data}
    python main.py reproduce --sabotage --json {data}
    python main.py reproduce --mutations --json {data}
    python main.py reproduce --families --json {data}
    python main.py reproduce --docs {page} --json {data}

Symbols: κ = k/γ, z = κτ, D = kT/γ; averages are per axis unless a formula says 4D; ϑ is the age of the observed
position while the light acts, κ_t the rate of the trap, a = e^(−κΔt).

- *Plant*: exact forces, positions from a table. *Instrument*: rendered images, tracking, latency, one beam that is
  shared in time.
- *Exact* rows pass Student's t test (p > 0.0027). *Approximate* rows agree within their tolerance and three standard
  errors.
- *Undetected error*: the deviation and two standard errors, relative to the prediction. It must be below 2 %, unless
  the row has another bound and its reason.
- Each row also has its prediction as a number that was computed outside of the program. The program must agree to
  1e-4. This detects an error that simulator and prediction have in common.
- Seeds were chosen before the first run.
"""
SABOTAGE = """Each check is repeated with one wrong parameter and compared with the prediction for the right one, with
the least effort that shows the difference.
"""
MUTATIONS = """A sabotage is a wrong number in an experiment; a mutation is a wrong line of the program
(app/reproduce/mutations.py). The mutations of kB and D change the simulator and the prediction together: a row
detects them by the number in its file. Each mutation is tested with the rows that should detect it at the least cost,
at quick effort if possible. `reproduce --mutations P7` tests all of them with one row, `reproduce --mutations --full`
with all rows.
"""
FAMILIES = """Each family is an experiment of config/experiments/families, and `main.py run` runs it too. Families with
images are in the list of the window. If a result differs from the expected one, the text says so.
"""


def write_page(page: Path, data: Path, out: Path) -> None:
    """Write the page and, beside it, the families' pictures in `out` that belong to the JSON. Raises Refused."""
    results = whole(data)
    figures: dict[str, bytes] = {}
    for entry in results["families"]:
        figure = figure_of(out / "families", entry["id"]) if entry["id"] in PICTURED else None
        if figure is not None and figure_sha256(figure) == entry["figure_sha256"]:
            figures[entry["id"]] = figure
    outputs: dict[str, tuple[Path, str | None]] = {
        f"the picture of family {name}": (page.parent / picture(page, name), "a PNG") for name in figures
    }
    require_files({"--json": data}, {"--docs": (page, PAGE), **outputs})
    for name, figure in figures.items():
        write_file(page.parent / picture(page, name), figure, kind="a PNG")
    write_file(page, page_of(results, page, data), own=True)


def belongs(entry: ResultRow, page: Path) -> bool:
    """Whether the picture beside the page was made with these numbers."""
    path = page.parent / picture(page, entry["id"])
    return entry["id"] in PICTURED and path.is_file() and figure_sha256(path.read_bytes()) == entry["figure_sha256"]


def picture(page: Path, name: str) -> str:
    return f"{page.stem}-{name}.png"


def page_of(results: Mapping[str, Sequence[ResultRow]], page: Path, data: Path) -> str:
    """The whole page, as Markdown."""
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
        "## Differences between each experiment and its formula\n",
        "".join(f"- {row['id']}, {row['level']}: {row['honest']}{allowed(row)}\n" for row in checks),
        "## Sabotage\n",
        SABOTAGE,
        sabotage_table(sabotages),
        *(["## Mutations\n", MUTATIONS, mutation_table(mutations)] if mutations else []),
        "## Families of experiments\n",
        FAMILIES,
        *(family(entry, page) for entry in results["families"]),
    ]
    return "\n".join(parts)


def absent(checks: Sequence[ResultRow], sabotages: Sequence[ResultRow]) -> str:
    """The checks in config/experiments/reproduce that are missing in the JSON, in words."""
    text = ""
    for rows, action in ((checks, "measured"), (sabotages, "sabotaged")):
        names = {f"{row['id']}-{row['level']}" for row in rows}
        missing = [name for name in load() if name not in names]
        if missing:
            text += f" Not {action} here: {', '.join(missing)}."
    return text


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def checks_table(rows: Sequence[ResultRow]) -> str:
    heads = ("", "level", "what", "prediction", "predicted", "measured ± s.e.", "unit", "undetected error", "verdict")
    return table(heads, [
        (row["id"], row["level"], row["title"], row["formula"], in_words(row["predicted"]), measured(row), row["unit"],
         hidden(row), row["verdict"])
        for row in rows
    ])  # fmt: skip


def measured(row: ResultRow) -> str:
    return f"{in_words(row['measured'])} ± {in_words(row['stderr'], 2)}"


def hidden(row: ResultRow) -> str:
    """|deviation| + 2 s.e. over the prediction."""
    if not row["predicted"] or row["measured"] is None or row["stderr"] is None:
        return "–"
    return f"{(abs(row['measured'] - row['predicted']) + 2.0 * row['stderr']) / abs(row['predicted']):.2%}"


def allowed(row: ResultRow) -> str:
    """The bound of the undetected error of a row, and its reason, if it is larger than that of the others."""
    return f" The undetected error may be {row['within']:.0%}: {row['wider']}" if row.get("wider") else ""


def caught_of(mutations: Sequence[ResultRow]) -> str:
    """The number of mutations that at least one row has detected, in words."""
    titles = {row["mutation"] for row in mutations}
    caught = {row["mutation"] for row in mutations if row["caught"]}
    return f", and {len(caught)} of {len(titles)} mutations" if titles else ""


def moved(row: ResultRow) -> str:
    """The relative change of the measured value by a detected error, to a tenth of a percent."""
    return f"yes, {row['measured'] / row['predicted'] - 1.0:+.1%}" if row["measured"] and row["predicted"] else "yes"


def failed(rows: Sequence[ResultRow]) -> str:
    return "".join(f"- {row['id']}, {row['level']}: {row['why']}.\n" for row in rows if row["verdict"] != "pass")


def sabotage_table(rows: Sequence[ResultRow]) -> str:
    heads = ("", "level", "what is wrong", "predicted", "measured ± s.e.", "unit", "caught")
    return table(heads, [
        (row["id"], row["level"], f"{row['factor']:g} × " + ", ".join(f"`{key}`" for key in row["keys"]),
         in_words(row["predicted"]), measured(row), row["unit"], moved(row) if row["caught"] else "**no**")
        for row in rows
    ])  # fmt: skip


def mutation_table(rows: Sequence[ResultRow]) -> str:
    heads = ("what is wrong", "where", "row", "level", "stated", "measured ± s.e.", "unit", "caught")
    return table(heads, [
        (row["mutation"], row["what"], row["id"], row["level"], in_words(row["predicted"]), measured(row), row["unit"],
         moved(row) if row["caught"] else "no")
        for row in rows
    ])  # fmt: skip


def family(entry: ResultRow, page: Path) -> str:
    """The section of a family: title, picture, numbers, and missed expectations."""
    text = f"### ({entry['id']}) {entry['title']}\n\n{entry['about']}\n\n"
    if belongs(entry, page):
        text += f"![{PICTURED[entry['id']]}]({picture(page, entry['id'])})\n\n"
    text += table(("", "measured"), [(name, in_words(value, 4)) for name, value in entry["numbers"].items()])
    return text + "".join(f"\nBut {missed}.\n" for missed in entry["missed"])
