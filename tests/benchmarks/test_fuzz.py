"""The fuzz command: planted faults are found, and a few cases of every kind give no finding."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks.fuzz.domains import NAMES
from benchmarks.fuzz.harness import Watched, hunt
from benchmarks.fuzz.planted import FAULTS
from benchmarks.fuzz.rules import Broken, flipped, printable, sentence
from benchmarks.fuzz.texts import Formulas
from config.refused import Refused
from control.potentials.formula import Formula

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and processor time are read from /proc")
SAID = {
    "none": "",
    "traceback": "traceback: KeyError",
    "hang": "hang: killed",
    "wait": "hang: killed",
    "slow": "slow: ",
    "memory": "memory: ",
    "died": "died: ",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_its_input_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("CYBLOIDS_PLANTED", fault)
    hang_s = 60.0 if fault == "memory" else 5.0  # a slow machine needs seconds for 1 GiB of new pages
    watched = Watched(["planted"], tmp_path, hang_s=hang_s, idle_s=5.0)
    done, findings = hunt(["planted"], 7, tmp_path, cases=1, watched=watched, report=lambda text: None)
    assert done == {"planted": 1}
    wrong = [finding.wrong for finding in findings]
    assert len(wrong) == (fault != "none"), wrong
    assert all(said.startswith(SAID[fault]) for said in wrong), wrong
    if fault != "none":
        assert "--seed 7" in str(findings[0])
        assert findings[0].kept is not None
        assert (findings[0].kept / "input.txt").read_text() == fault


def test_the_search_continues_after_a_process_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBLOIDS_PLANTED", "died")
    done, findings = hunt(["planted"], 1, tmp_path, cases=3, report=lambda text: None)
    assert done == {"planted": 3}
    assert [finding.seed for finding in findings] == [1, 2, 3]


def test_violations_of_the_rules_are_found() -> None:
    for text in ("\x1b[31m", "\x9b", "a\rb", "\udcff"):
        with pytest.raises(Broken):
            printable(text)
    with pytest.raises(Broken):
        sentence(ValueError("x" * 1000))
    sentence(Refused("x" * 1000))


def test_a_seed_gives_the_same_input() -> None:
    data = bytes(range(256)) * 8
    assert flipped(Random("runs 5"), data) == flipped(Random("runs 5"), data)
    assert len({flipped(Random(f"runs {seed}"), data) for seed in range(20)}) > 15


@pytest.mark.timeout(900)
def test_a_few_cases_of_every_kind_give_no_finding(tmp_path: Path) -> None:
    """`make fuzz` is the long version."""
    done, findings = hunt(NAMES, 1, tmp_path, cases=4)
    assert done == dict.fromkeys(NAMES, 4)
    assert [str(finding) for finding in findings] == []


def test_energies_and_forces_of_accepted_formulas_are_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []

    def counted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            computed.append(name)
            return method(*args, **options)

        return call

    for name in ("energy_pn_um", "force_pn"):
        monkeypatch.setattr(Formula, name, counted(name, getattr(Formula, name)))
    for seed in range(60):
        Formulas(tmp_path).case(Random(seed), tmp_path)
    assert computed.count("energy_pn_um") == computed.count("force_pn") >= 2
