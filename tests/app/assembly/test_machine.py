"""The machine has the limits, ages and powers of its rig."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.assembly.machine import build_light, build_machine, build_policy
from app.assembly.plan import flyable, plan
from app.assembly.rig import EXPERIMENTS, field_um
from app.running.plan_check import at_once
from config.kinds import PLUG_INS, PlugIn
from config.refused import Refused
from control.contract import Fault, OrderKind, Seen, Tracks
from control.foreign import PlugInPolicy
from control.history import History, Sighting
from control.policies.programmed_law import Programmed
from control.policies.seen_only import SeenOnly
from control.potentials.annular import Annular
from tests.app.flights import calibrating


def test_the_machine_has_the_limits_and_the_ages_of_its_rig() -> None:
    made = plan(
        EXPERIMENTS / "annular_activity.yaml", None, ("camera.fps=50", "loop.stale_periods=3", "loop.power_cap_mw=77")
    )
    machine = build_machine(made)
    assert machine.stale_s == pytest.approx(3 / 50)
    assert machine.hold_s == pytest.approx(1 / 50)
    assert machine.latency_s == pytest.approx(made.rig.loop.latency_s + made.rig.deflector.delay_s)
    assert (machine.limits.low_um, machine.limits.high_um) == field_um(made.rig)
    assert machine.limits.power_mw == machine.light.power_mw == made.rig.power_mw == 77.0
    assert machine.probe_mw is None
    assert OrderKind.PROBE in machine.refused


def test_a_calibration_may_probe_with_the_rigs_probe_power() -> None:
    made = calibrating("scan")
    machine = build_machine(made)
    assert machine.probe_mw == made.rig.loop.probe_power_mw
    assert OrderKind.PROBE not in machine.refused


@pytest.mark.parametrize("part", ["policy", "force"])
def test_only_a_law_with_a_plug_in_gets_read_only_input(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """The program's own laws are compiled for writable arrays, and write to none."""
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, (), at_once)
    light = build_light(made)
    assert not isinstance(build_policy(made, light, "it"), PlugInPolicy)
    policy = made.experiment.policy
    one: Any = policy if part == "policy" else policy.forces[0]
    monkeypatch.setitem(PLUG_INS, type(one), PlugIn("policies", one.kind, "other", "1.0", "0" * 64))
    law = build_policy(made, light, "it")
    assert isinstance(law, PlugInPolicy)
    assert isinstance(law.policy, SeenOnly)


@pytest.mark.parametrize("check", [flyable, at_once])
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("mode=landscape", "mode is landscape, and a learned law can't be flown so (allowed: steered"),
        ("trap.predict=true", "trap.predict is true, and a learned law can't be flown so (allowed: false"),
        ("trap.compensate_latency=true", "trap.compensate_latency is true, and a learned law can't be flown so"),
    ],
)
def test_settings_that_a_learned_law_ignores_are_refused(check: Any, said: str, why: str) -> None:
    path = EXPERIMENTS / "learned_ring_crystal_egnn.yaml"
    with pytest.raises(Refused, match=re.escape(why)) as refused:
        plan(path, None, (said,), check)
    assert str(refused.value).startswith(str(path))


def test_an_error_in_a_plug_in_of_the_law_is_a_fault_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: it ended in a traceback."""
    made = plan(EXPERIMENTS / "annular_activity.yaml")
    named = PlugIn("potentials", "annular", "rings", "1.2", "a" * 64)
    monkeypatch.setitem(PLUG_INS, Annular, named)
    machine = build_machine(made)

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError("no licence")

    place_um = np.array([[5.0, 5.0]])
    one, zero = np.array([1]), np.zeros(1, np.int64)
    history = History(10.0)
    for number in range(200):
        history = history.push(Sighting(number * 0.02, one, place_um))
    tracks = Tracks(199 * 0.02, one, place_um, np.zeros(1, np.uint8), zero, zero)
    seen = Seen(tracks, history, 4.0, 0.02)
    assert len(machine.policy.step(machine.policy.start(), seen)[1].particle) == 1
    monkeypatch.setattr(Annular, "radial_force_pn", fails)
    with pytest.raises(Fault, match=r"^the plug-in 'annular' of rings 1\.2 failed \(OSError: no licence\)$"):
        machine.policy.step(machine.policy.start(), seen)
    monkeypatch.setattr(Programmed, "build", fails)
    with pytest.raises(Refused, match=r"^the experiment: the plug-in 'annular' of rings 1\.2 failed \("):
        build_machine(made)


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_experiments_contain_no_ignored_setting(path: Path) -> None:
    assert plan(path, None, (), at_once).experiment.title


@pytest.mark.parametrize(
    ("sets", "why"),
    [
        (["policy.forces.0.shape.radius_um=1e5"], "policy.forces.0.shape: .* spots of .* about each centre"),
        (["policy.forces.0.shape.radius_um=100", "sample.number=500"], "about 500 particles is .* spots"),
    ],
)
def test_a_landscape_of_too_many_spots_is_refused_before_any_is_made(sets: list[str], why: str) -> None:
    with pytest.raises(Refused, match=why):
        plan(EXPERIMENTS / "ring_crystal.yaml", None, ["mode=landscape", *sets])


@pytest.mark.parametrize("check", [flyable, at_once])
def test_a_landscape_with_a_classifier_is_refused(check: Any) -> None:
    """Also by `at_once`, the check without networks, which is used when the law changes."""
    with pytest.raises(Refused, match=r"policy\.forces\.0: light acts on all species alike"):
        plan(EXPERIMENTS / "species_by_look.yaml", None, ("mode=landscape",), check)
