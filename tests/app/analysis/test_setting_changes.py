"""The changes of settings by an APPLY, as text."""

from __future__ import annotations

from app.analysis.setting_changes import changes

BEFORE = """
title: one
mode: steered
policy: {kind: programmed, forces: [{kind: self, delay_s: 0.5, shape: {kind: annular, radius_um: 1.0}}]}
set: {tracking.minmass: 500.0}
"""
RIG = {"tracking": {"minmass": 500.0, "diameter_px": 11}, "camera": {"fps": 100.0}}


def test_only_changed_keys_are_listed() -> None:
    assert changes(BEFORE, BEFORE.replace("0.5,", "0.25,"), RIG) == "policy.forces.0.delay_s 0.5 → 0.25"
    assert changes(BEFORE, BEFORE, RIG) == "the same settings again"
    another = BEFORE.replace("{kind: annular, radius_um: 1.0}", "{kind: harmonic, stiffness_pn_per_um: 1.0}")
    assert changes(BEFORE, another, RIG) == "policy.forces.0.shape annular → harmonic"
    two = BEFORE.replace("}}]", "}}, {kind: fixed}]")
    assert changes(BEFORE, two, RIG) == "policy.forces.1 none → fixed"
    assert changes(BEFORE, BEFORE.replace("title: one", "title: two"), RIG) == "title one → two"


def test_changes_by_set_are_compared_with_the_rig() -> None:
    set_twice = BEFORE.replace("{tracking.minmass: 500.0}", "{tracking.minmass: 777.0, camera.fps: 50.0}")
    assert changes(BEFORE, set_twice, RIG) == "tracking.minmass 500 → 777; camera.fps 100 → 50"
    unset = BEFORE.replace("{tracking.minmass: 500.0}", "{}")
    assert changes(BEFORE, unset, RIG) == "tracking.minmass 500 → as in the rig file"
