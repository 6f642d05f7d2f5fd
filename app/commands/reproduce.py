"""The verb `reproduce`: runs the checks of the predictions and reports the results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from app.console.output_files import require_files
from app.console.progress import progress
from app.console.terminal import say
from app.reproduce import worker
from app.reproduce.check import CHECKS, Check, Effort, load
from app.reproduce.docs import write_page
from app.reproduce.family import Family, Found, explore, load_families
from app.reproduce.measure import Outcome, measure
from app.reproduce.mutations import MUTATIONS, measure_mutated
from app.reproduce.report import family_report, report
from app.reproduce.results_file import add_to, read_results
from app.reproduce.rows import ROWS
from app.reproduce.rows.formulas import FORMULAS
from app.reproduce.store import family_result_of, figure_sha256, files_of, fingerprint, keep, kept, outcome_of, rig_text
from config.atomic import write_file
from config.reader import Document
from config.refused import Refused

WORKERS = 2
Job = tuple[Check, Document, Effort]
Fly = Callable[[Check, Document, Effort], Outcome]


def reproduce(names: Sequence[str], *, full: bool, out: Path, json: Path | None, folder: Path = CHECKS) -> int:
    """Run the checks. Returns 0 if all agree, else 1. Raises Refused."""
    jobs = chosen(load(folder), names, full)
    store, page = out / effort_name(full), out / f"reproduce-{effort_name(full)}.html"
    require_ours({"the report": (page, "HTML"), **files_of(store, (check.name for check, _, _ in jobs))}, json)
    outcomes = measured(jobs, store, "reproduce", partial(measure, sabotaged=False, drawn=True))
    lines = [(check, outcomes[check.name]) for check, _, _ in jobs]
    heading = f"Cybloids: predictions reproduced ({effort_name(full)})"
    write_file(page, report(lines, heading))
    tell(lines, page)
    if json is not None:
        add_to(json, "checks", as_json(lines))
    return 0 if all(outcome.verdict.passed for _, outcome in lines) else 1


def sabotage(names: Sequence[str], *, full: bool, out: Path, json: Path | None, folder: Path = CHECKS) -> int:
    """Run every check with a wrong parameter. Returns 0 if every sabotage is caught, else 1. Raises Refused."""
    checks = load(folder)
    jobs = [
        (check, document, check.full if full else check.sabotage_effort)
        for check, document, _ in chosen(checks, names or [*checks], full)
    ]
    store = out / f"{effort_name(full)}-sabotaged"
    require_ours(files_of(store, (check.name for check, _, _ in jobs)), json)
    outcomes = measured(jobs, store, "sabotage", partial(measure, sabotaged=True, drawn=False))
    lines = [(check, outcomes[check.name]) for check, _, _ in jobs]
    for check, outcome in lines:
        verdict = outcome.verdict
        say(
            f"{check.id:4} {check.level:10} {check.sabotage.factor:g} x {', '.join(check.sabotage.keys):50.50} "
            f"{verdict.predicted:11.5g} {verdict.measured:11.5g} +- {verdict.stderr:9.2g} {ROWS[check.id].unit:6} "
            f"{'caught' if verdict.caught else 'NOT CAUGHT'}: {verdict.why}"
        )
    missed = sum(not outcome.verdict.caught for _, outcome in lines)
    say(f"{len(lines) - missed} of {len(lines)} sabotages are caught")
    if json is not None:
        entries = [
            {**row, "keys": list(check.sabotage.keys), "factor": check.sabotage.factor, "caught": verdict.caught}
            for row, check, verdict in (
                (row, check, outcome.verdict) for row, (check, outcome) in zip(as_json(lines), lines, strict=True)
            )
        ]
        add_to(json, "sabotages", entries)
    return 1 if missed else 0


def mutations(names: Sequence[str], *, full: bool, out: Path, json: Path | None, folder: Path = CHECKS) -> int:
    """Run checks with one wrong line of the program at a time. Returns 0 if a check catches each mutation, else 1.

    Args:
        names: the checks that are run for every mutation; none: the cheapest ones that should catch it, or all of them
            if `full`. Each is run with its quick effort, if it has one.

    Raises Refused.
    """
    checks = load(folder)
    rows = chosen(checks, names or [*checks], False)
    jobs_of = {
        name: [job for job in rows if names or full or job[0].name in MUTATIONS[name].rows] for name in MUTATIONS
    }
    stores = {name: out / "mutated" / name for name in MUTATIONS}
    stored_files = {
        name: files_of(stores[name], (check.name for check, _, _ in jobs)) for name, jobs in jobs_of.items()
    }
    require_ours(
        {f"{label} ({name})": file for name, files in stored_files.items() for label, file in files.items()}, json
    )
    entries: list[dict[str, object]] = []
    missed = []
    for name, mutation in MUTATIONS.items():
        fly = partial(measure_mutated, name)
        outcomes = measured(jobs_of[name], stores[name], name, fly, workers=WORKERS if names or full else 1, mark=name)
        lines = [(check, outcomes[check.name]) for check, _, _ in jobs_of[name]]
        if not any(outcome.verdict.caught for _, outcome in lines):
            missed.append(mutation.title)
        for row, (check, outcome) in zip(as_json(lines), lines, strict=True):
            verdict = outcome.verdict
            entries.append({**row, "mutation": mutation.title, "what": mutation.what, "caught": verdict.caught})
            say(
                f"{mutation.title:22} {check.id:4} {check.level:10} {verdict.predicted:11.5g} {verdict.measured:11.5g} "
                f"+- {verdict.stderr:9.2g} {ROWS[check.id].unit:6} {'caught' if verdict.caught else 'not caught'}: "
                f"{verdict.why}"
            )
    note = f"; not caught: {', '.join(missed)}" if missed else ""
    say(f"{len(MUTATIONS) - len(missed)} of {len(MUTATIONS)} mutations are caught{note}")
    if json is not None:
        add_to(json, "mutations", entries)
    return 1 if missed else 0


def document(page: Path, json: Path | None, out: Path) -> int:
    """Write the page of the results, from their JSON. Raises Refused."""
    if json is None:
        raise Refused("--docs needs --json: the file that reproduce --full, --sabotage and --families have written to")
    write_page(page, json, out)
    say(f"written: {page}")
    return 0


def require_ours(outputs: Mapping[str, tuple[Path, str | None]], json: Path | None) -> None:
    """Raises Refused, before any run, if an output would replace a file that this verb has not written."""
    read_results(json)
    # the JSON file is read and extended
    require_files({}, {**outputs, **({"--json": (json, "JSON")} if json is not None else {})})


def effort_name(full: bool) -> str:
    return "full" if full else "quick"


def measured(
    jobs: Sequence[Job], store: Path, title: str, fly: Fly, *, workers: int = WORKERS, mark: str = ""
) -> dict[str, Outcome]:
    """Outcome of every job, by name of its check. Outcomes in the store with the same fingerprint are reused.

    Args:
        fly: runs a job, in another process if there are several jobs and workers.
        mark: part of the fingerprint: conditions of the outcome besides the job.
    """
    outcomes: dict[str, Outcome] = {}
    pending: list[tuple[Job, str]] = []
    for job in jobs:
        job_mark = fingerprint(job[0], job[2], rig=rig_text(job[1]) + mark)
        stored = kept(store, job[0].name, job_mark, outcome_of)
        if stored is None:
            pending.append((job, job_mark))
        else:
            outcomes[job[0].name] = stored
    with progress(title, len(jobs), "checks") as step:
        step(len(outcomes))
        for (check, _, _), job_mark, outcome in flown(pending, fly, workers):
            keep(store, check.name, job_mark, outcome)
            outcomes[check.name] = outcome
            step(len(outcomes))
    return outcomes


def chosen(checks: dict[str, tuple[Check, Document]], names: Sequence[str], full: bool) -> list[Job]:
    """The checks in `names` (P7, or P7-plant), or all checks with this effort. Raises Refused."""
    for name in names:
        if not any(name in (check.id, check.name) for check, _ in checks.values()):
            raise Refused(f"there is no check '{name}' (there are {', '.join(checks)})")
    jobs: list[Job] = []
    for check, document in checks.values():
        is_requested = check.id in names or check.name in names
        effort = check.full if full else check.quick
        if names and is_requested:
            jobs.append((check, document, effort or check.full))
        elif not names and effort is not None:
            jobs.append((check, document, effort))
    return jobs


def flown(pending: Sequence[tuple[Job, str]], fly: Fly, workers: int) -> Iterator[tuple[Job, str, Outcome]]:
    """All outcomes, in order of completion; the longest jobs start first. Each process has one thread."""
    if len(pending) <= 1 or workers == 1:
        for job, mark in pending:
            yield job, mark, fly(*job)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ordered = sorted(pending, key=lambda item: item[0][0].level == "plant")
    spawn = get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(pending)), mp_context=spawn, initializer=worker.begin) as pool:
        waiting = {pool.submit(fly, *job): (job, mark) for job, mark in ordered}
        for future in as_completed(waiting):
            yield *waiting[future], future.result()


def as_json(lines: Sequence[tuple[Check, Outcome]]) -> list[dict[str, object]]:
    """The rows for --json."""
    return [
        {
            "id": check.id,
            "level": check.level,
            "title": check.title,
            "formula": check.formula or FORMULAS[check.id],
            "honest": check.honest,
            "within": check.within,
            "wider": check.wider,
            "unit": ROWS[check.id].unit,
            "predicted": outcome.verdict.predicted,
            "measured": outcome.verdict.measured,
            "stderr": outcome.verdict.stderr,
            "verdict": outcome.verdict.word,
            "why": outcome.verdict.why,
            "spent_s": round(outcome.spent_s, 1),
        }
        for check, outcome in lines
    ]


def tell(lines: Sequence[tuple[Check, Outcome]], page: Path) -> None:
    """Print the results on the console."""
    for check, outcome in lines:
        verdict = outcome.verdict
        say(
            f"{check.id:4} {check.level:10} {check.title:44.44} {verdict.predicted:11.5g} {verdict.measured:11.5g} "
            f"+- {verdict.stderr:9.2g} {ROWS[check.id].unit:6} {verdict.word}"
        )
        if not verdict.passed:
            say(f"     {verdict.why}")
    failed = sum(not outcome.verdict.passed for _, outcome in lines)
    say(f"{len(lines) - failed} of {len(lines)} agree; the report is {page}")


def families(names: Sequence[str], *, out: Path, json: Path | None) -> int:
    """Run the families of experiments. Returns 0 if all results lie in their wanted ranges, else 1. Raises Refused."""
    all_families = load_families()
    for name in names:
        if name not in all_families:
            raise Refused(f"there is no family '{name}' (there are {', '.join(all_families)})")
    page, store = out / "families.html", out / "families"
    require_ours({"the report": (page, "HTML"), **files_of(store, names or all_families)}, json)
    lines: list[tuple[Family, Found]] = []
    with progress("families", len(names or all_families), "families") as step:
        for name in names or all_families:
            family, document = all_families[name]
            mark = fingerprint(family, rig=rig_text(document))
            found = kept(store, name, mark, family_result_of) or explore(family, document)
            keep(store, name, mark, found)
            lines.append((family, found))
            step(len(lines))
            say(f"({family.id}) {family.title}")
            for label, value in found.numbers.items():
                say(f"    {label:52} {value:10.5g}")
            say("".join(f"    but {missed}\n" for missed in found.missed), end="")
    write_file(page, family_report(lines))
    say(f"the report is {page}")
    if json is not None:
        entries: list[dict[str, object]] = [
            {
                "id": family.id,
                "title": family.title,
                "about": family.about,
                "numbers": found.numbers,
                "missed": list(found.missed),
                "figure_sha256": figure_sha256(found.figure),
            }
            for family, found in lines
        ]
        add_to(json, "families", entries)
    return 1 if any(found.missed for _, found in lines) else 0
