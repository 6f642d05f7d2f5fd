"""docs/predictions.md: every prediction is present once, in order, and names code that exists."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from control.plant import BOLTZMANN_PN_UM_PER_K

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "predictions.md").read_text(encoding="utf-8")
PARTS = re.split(r"^#### (P\d+)\. ", PAGE, flags=re.MULTILINE)[1:]
PREDICTIONS = dict(zip(PARTS[::2], PARTS[1::2], strict=True))
CHECKS = {path.stem.partition("_")[0] for path in (ROOT / "config/experiments/reproduce").glob("P*.yaml")}


def test_the_numbers_of_the_predictions_are_complete_and_in_order() -> None:
    assert PARTS[::2] == [f"P{number}" for number in range(1, 35)]
    assert re.findall(r"^### (2\.\d) ", PAGE, flags=re.MULTILINE) == [f"2.{number}" for number in range(1, 9)]


@pytest.mark.parametrize("number", PREDICTIONS)
def test_a_prediction_names_code_that_exists(number: str) -> None:
    text = PREDICTIONS[number].partition("\n### ")[0].partition("\n## ")[0]
    for module, name in re.findall(r"`(free|trapped|delayed|feedback|active|many)\.(\w+)`", text):
        assert callable(getattr(import_module(f"control.theory.{module}"), name))
    for path in re.findall(r"`((?:app|control|drivers)/[\w/]+\.py)`", text):
        assert (ROOT / path).is_file(), path
    assert text.rstrip().endswith("check.") == (number in CHECKS)


def test_every_closed_form_is_on_the_page() -> None:
    """Except variants of a form (as measured, with hold), and intermediate steps of another derivation."""
    public = {
        f"{path.stem}.{name}"
        for path in (ROOT / "control/theory").glob("[a-z]*.py")
        for name in re.findall(r"^def ([a-z]\w*)\(", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }
    left_out = re.compile(r"\w+\.(seen_|measured_|stepped_|across$|slowest_decay_s$)")
    assert len(public) > 40
    assert {name for name in public if f"`{name}`" not in PAGE and not left_out.match(name)} == set()


def test_the_example_of_one_spot() -> None:
    kt_pn_um = BOLTZMANN_PN_UM_PER_K * 295.0
    assert f"{80.0 * kt_pn_um / 0.6**2:.3f} pN/µm" in PAGE
