"""Description of a run, as plain data and as text."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.analysis.run_description import device_facts, info, text
from app.assembly.open import open_instrument, open_recorder
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, RIGS
from app.assembly.rig_description import rig_info
from app.assembly.rig_description import text as rig_text
from config.fields import variants
from config.refused import Refused
from control.contract import Level, Order, OrderKind, Turn, dark
from drivers.deflectors import AnyDeflector
from drivers.journal import Journal
from drivers.lasers import AnyLaser
from drivers.readback import Returned
from tests.drivers.turns import header, plausible


def run_of(path: Path, turns: list[Turn]) -> Path:
    journal = Journal(path, header(experiment="title: Annular activity\nmode: steered\n"), True, wait_s=30.0)
    for turn in turns:
        journal.write(turn)
    journal.close()
    return path


def tripped(turn: Turn) -> Turn:
    why = "the newest frame is 60 ms old"
    return dataclasses.replace(turn, level=Level.TRIPPED, reason=why, allowed=dark(why), sent=dark(why))


def test_the_description_lists_trips_with_time_and_reason(tmp_path: Path) -> None:
    turns = [plausible(number) for number in range(50)]
    turns[30:40] = [tripped(turn) for turn in turns[30:40]]
    found = info(run_of(tmp_path / "run.h5", turns))
    assert (found["kind"], found["ended"], found["experiment"]) == ("SIMULATED", "cleanly", "Annular activity")
    assert (found["turns"], found["frames"], found["frames_kept"], found["frames_dropped"]) == (50, 50, 50, 1)
    assert (found["particles"], found["positions"], found["turns_lit"]) == (3, 150, 40)
    assert found["duration_s"] == pytest.approx(0.5)
    (trip,) = found["trips"]
    assert trip["turn"] == 30
    assert trip["reason"] == "the newest frame is 60 ms old"
    assert [change["level"] for change in found["levels"]] == ["ARMED", "TRIPPED", "ARMED"]
    assert json.loads(json.dumps(found)) == found
    said = text(found)
    assert "turn 30, 0.315 s: the newest frame is 60 ms old" in said
    assert "ended cleanly, 50 turns" in said
    assert "Annular activity" in said


def test_an_empty_run_has_no_turns_and_no_trips(tmp_path: Path) -> None:
    found = info(run_of(tmp_path / "run.h5", []))
    assert (found["turns"], found["trips"], found["levels"], found["duration_s"]) == (0, [], [], 0.0)
    assert "trips       none" in text(found)


def test_a_run_records_the_device_facts(tmp_path: Path) -> None:
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, ("sample.number=2", "sample.arrangement=square"))
    instrument = open_instrument(made)
    read_back = (Returned("camera.exposure_s", 0.005, 0.0051), Returned("camera.gain", 2.0, math.nan))
    recorder = open_recorder(replace(instrument, returned=lambda: read_back), tmp_path / "run.h5", frames=False)
    recorder.close()
    instrument.close()
    facts = info(tmp_path / "run.h5")["devices"]
    assert facts["firmware"] == {"deflector": "simulated deflector", "laser": "simulated laser"}
    assert facts["returned"] == [
        {"name": "camera.exposure_s", "asked": 0.005, "returned": 0.0051},
        {"name": "camera.gain", "asked": 2.0, "returned": None},
    ]
    assert facts["world"].startswith("2 particles, overdamped; Heun steps between events, of at most ")
    said = text(info(tmp_path / "run.h5"))
    assert "camera.exposure_s 0.0051 (asked for 0.005), camera.gain not known (asked for 2)" in said
    assert "laser: simulated laser" in said


@pytest.mark.parametrize("found", [[], {"firmware": 3, "returned": {}, "world": []}, {"returned": [{"name": 1}, 7]}])
def test_device_facts_of_any_header_are_plain(found: Any) -> None:
    """Old runs have no device facts, and a file may come from any source."""
    assert device_facts(found if isinstance(found, dict) else {}) == {"firmware": {}, "returned": [], "world": ""}
    odd = {"name": "a", "asked": 1.0}
    for value in (10**400, math.inf, math.nan, True, "1"):
        assert device_facts({"returned": [{**odd, "returned": value}]})["returned"] == []


LEARNED = "policy: {kind: learned, checkpoint: net.json, card_sha256: abc}"


@pytest.mark.parametrize(
    ("rig", "law"),
    [
        ("5", "5"),
        ("tracking: 5", "policy: 5"),
        ("tracking:", "policy:"),
        ("tracking: [a]", "policy: [learned]"),
        ("tracking: {locator: {a: [1]}}", "policy: {kind: [learned]}"),
        ("tracking: {locator: 7}", "policy: {kind: learned, checkpoint: {a: 1}}"),
    ],
)
def test_info_accepts_any_settings(tmp_path: Path, rig: str, law: str) -> None:
    """A file may come from any source: its header, and the settings applied in flight, may contain anything."""
    journal = Journal(tmp_path / "run.h5", header(rig=rig, experiment=law), True, wait_s=30.0)
    for number, applied in enumerate((law, LEARNED)):
        journal.write(dataclasses.replace(plausible(number), orders=(Order(OrderKind.APPLY, applied),)))
    journal.close()
    found = info(tmp_path / "run.h5")
    assert found["locator"] == ""
    assert found["checkpoints"][-1] == ("net.json", "abc")
    assert set(found["checkpoints"][:-1]) <= {("", "")}
    assert "net.json (abc)" in text(found)


def test_a_missing_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        info(tmp_path / "none.h5")


@pytest.mark.parametrize("rig", sorted(RIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_rig_description_states_the_dead_man_of_each_device(rig: Path) -> None:
    """The text depends on the device: a laser at a serial port has no watchdog, even if the galvo has one."""
    found = rig_info(rig)
    devices = found["devices"]
    assert json.loads(json.dumps(found)) == found
    assert all(one["dead_man"] for one in devices.values())
    said = rig_text(found)
    for one in devices.values():
        assert one["dead_man"] in said
    assert said.count("if the program dies, or hangs as a whole: ") == len(devices)
    if devices["laser"]["kind"] == "cobolt":
        assert devices["laser"]["dead_man"].startswith("none: its emission stays on")
        assert "watchdog" in devices["deflector"]["dead_man"]
    else:
        assert devices["laser"]["dead_man"].startswith("simulated")
    assert "does not answer for 2 s" in said


def test_every_laser_and_deflector_has_a_dead_man_property() -> None:
    """The settings of a new driver cannot omit it."""
    for union in (AnyLaser, AnyDeflector):
        for kind, settings in variants(union).items():
            assert isinstance(vars(settings).get("dead_man"), property), kind


def test_the_description_states_that_the_window_is_not_watched(tmp_path: Path) -> None:
    rig = tmp_path / "rig.yaml"
    rig.write_text((RIGS / "simulated.yaml").read_text().replace("loop: {", "loop: {window_timeout_s: null, "))
    assert "not watched" in rig_text(rig_info(rig))


def test_an_experiment_is_refused_as_a_rig() -> None:
    with pytest.raises(Refused, match=r"found an experiment \(allowed: a run, or a rig file\)"):
        rig_info(EXPERIMENTS / "annular_activity.yaml")
