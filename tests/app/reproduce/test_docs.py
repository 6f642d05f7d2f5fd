"""docs/physics.md is the page made from docs/physics.json, and both contain the texts of the experiment files."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.reproduce.check import load
from app.reproduce.docs import page_of
from app.reproduce.family import load_families
from app.reproduce.mutations import MUTATIONS
from app.reproduce.results_file import whole

ROOT = Path(__file__).parents[3]
PAGE, DATA = Path("docs/physics.md"), Path("docs/physics.json")


def test_the_page_is_made_from_its_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert page_of(whole(DATA), PAGE, DATA) == PAGE.read_text(encoding="utf-8")


def test_the_json_has_the_texts_of_the_checks() -> None:
    checks = load()
    for row in whole(ROOT / DATA)["checks"]:
        check, _ = checks[f"{row['id']}-{row['level']}"]
        assert (row["title"], row["honest"], row["wider"]) == (check.title, check.honest, check.wider)


def test_the_json_has_the_texts_of_families_and_mutations() -> None:
    told, families = whole(ROOT / DATA), load_families()
    for row in told["families"]:
        family, _ = families[row["id"]]
        assert (row["title"], row["about"]) == (family.title, family.about)
        assert set(family.want) <= set(row["numbers"])
    where = {mutation.title: mutation.what for mutation in MUTATIONS.values()}
    assert {row["mutation"]: row["what"] for row in told["mutations"]} == where
