"""Each kind in the list pages of laws is built from its defaults and flown without a window, and has rows of
predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.analysis.predictions import predict
from app.assembly.machine import build_light
from app.assembly.plan import flyable
from app.assembly.python_law import allow
from app.desktop.forms.defaults import begin
from app.running.headless import fly
from config.fields import variants
from config.reader import Document, build
from control.experiment import Experiment
from control.policies import AnyForce, AnyPolicy
from control.potentials import AnyShape
from control.theory.conditions import Conditions
from tests.app.flights import planned
from tracking.locate.page import OWN_LOCATORS

SMALL = ("camera.width_px=64", "camera.height_px=64", "sample.number=2", "sample.spacing_um=2.5")
MORE: dict[str, dict[str, Any]] = {  # values without a default
    "formula": {"formula": "k*r**2", "parameters": {"k": 0.1}},
    "learned": {"checkpoint": "../checkpoints/ring_egnn.json"},
    "drawn": {"energy_kt": [-2.0, -1.0, 0.0], "radius_um": [0.5, 1.0, 1.5]},
    "python": {"law": "laws_of_a_test:Push"},
}


def flown(law: dict[str, Any], folder: Path, *sets: str) -> None:
    """Flies a law for 0.1 s, and makes its prediction."""
    base = planned(*SMALL, *sets)
    document = Document("a test", {"title": "t", "policy": law}, {})
    made = replace(base, experiment=replace(build(document, Experiment), set=base.experiment.set))
    made = flyable(made, "a test")
    done = fly(made, 0.1, folder / "run.h5", frames=False, title="t", armed=made.rig.confirmed)
    assert done["turns"] > 3
    rig = made.rig
    rows = predict(made.experiment, Conditions(rig.plant, build_light(made), 0.01, 1.0 / rig.camera.fps, 2))
    assert rows
    assert all(row.name and row.value for row in rows)


@pytest.mark.parametrize("kind", variants(AnyForce))
def test_each_force_flies(kind: str, tmp_path: Path) -> None:
    flown({"kind": "programmed", "forces": [begin(variants(AnyForce)[kind])]}, tmp_path)


@pytest.mark.parametrize("kind", variants(AnyShape))
def test_each_potential_flies(kind: str, tmp_path: Path) -> None:
    shape = {**begin(variants(AnyShape)[kind]), **MORE.get(kind, {})}
    flown({"kind": "programmed", "forces": [{"kind": "external", "shape": shape}]}, tmp_path)


PUSH = """
import numpy as np
from cybloids import Law
class Push(Law):
    def force_pn(self, now):
        return np.full((len(now.particle), 2), 0.01)
"""


@pytest.mark.parametrize("kind", variants(AnyPolicy))
def test_each_policy_flies(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "python":
        (tmp_path / "laws_of_a_test.py").write_text(PUSH, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        allow(["laws_of_a_test"])
    flown({**begin(variants(AnyPolicy)[kind]), **MORE.get(kind, {})}, tmp_path)


@pytest.mark.parametrize("kind", OWN_LOCATORS)
def test_each_locator_flies(kind: str, tmp_path: Path) -> None:
    law = {"kind": "programmed", "forces": [begin(variants(AnyForce)["self"])]}
    flown(law, tmp_path, f"tracking.locator={kind}")
