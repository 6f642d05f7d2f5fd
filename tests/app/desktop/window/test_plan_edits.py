"""Plans from edits: values of `set` go into the rig; without them it has its earlier values again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.assembly.machine import build_machine
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, Plan
from app.desktop.window.plan_edits import PlanEdits
from config.refused import Refused
from control.experiment import Experiment

HERE = "camera.fps=50"


class Bench:
    """A plan in force, and its edits."""

    def __init__(self) -> None:
        self.plan = plan(EXPERIMENTS / "annular_activity.yaml", None, (HERE,))
        self.edits = PlanEdits(lambda: self.plan, build_machine, None)

    def put(self, experiment: Experiment) -> Plan:
        self.plan = self.edits.planned(experiment)
        return self.plan


def test_an_experiment_that_is_in_force_is_the_same_plan() -> None:
    bench = Bench()
    assert bench.edits.planned(bench.plan.experiment) is bench.plan


def test_a_key_that_is_no_longer_set_gets_its_earlier_value() -> None:
    bench = Bench()
    first = bench.plan.experiment
    before = bench.plan.rig.tracking.memory
    assert bench.put(replace(first, set={**first.set, "tracking.memory": before + 4})).rig.tracking.memory == before + 4
    again = bench.put(first)
    assert again.rig.tracking.memory == before
    assert again.experiment.set["tracking.memory"] == before  # an APPLY in the record contains it


def test_only_settings_of_devices_need_an_opening() -> None:
    bench = Bench()
    first = bench.plan.experiment
    assert not bench.edits.needs_opening(replace(first, set={**first.set, "tracking.memory": 9}))
    assert bench.edits.needs_opening(replace(first, set={**first.set, "camera.exposure_s": 0.002}))


def test_conditions_are_those_of_the_rig_and_of_the_tracked_particles() -> None:
    bench = Bench()
    rig = bench.plan.rig
    found = bench.edits.conditions(bench.plan.experiment)
    assert found.hold_s == 1.0 / 50.0
    assert found.latency_s == pytest.approx(rig.camera.image_age_s + rig.loop.latency_s + rig.deflector.delay_s)
    assert found.particles == rig.sample.number
    bench.edits.particles = 6
    assert bench.edits.conditions(bench.plan.experiment).particles == 6
    bench.edits.begin(bench.plan)
    assert bench.edits.particles == 0


def test_invalid_settings_are_refused() -> None:
    bench = Bench()
    wrong = replace(bench.plan.experiment, set={**bench.plan.experiment.set, "tracking.diameter_px": 100_001})
    with pytest.raises(Refused, match="diameter_px"):
        bench.edits.planned(wrong)
