"""Settings of an experiment: the law of the particles, the rig and the duration."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from config.fields import Doc, Ge, Gt, Le, settings
from control import policies
from control.policies.keep_in_field import KeepInField
from control.policies.policy_settings import Mode, Trap


@settings
class Experiment:
    """One experiment. `set` holds values that replace those of the rig file."""

    title: Annotated[str, Doc("what it is, in a few words")]
    about: Annotated[str, Doc("what to look for")] = ""
    rig: Annotated[str, Doc("rig file, from the experiment's folder")] = "../rigs/simulated.yaml"
    seconds: Annotated[float, Gt(0), Le(1e7), Doc("how long it runs without a window")] = 60.0
    seed: Annotated[int, Ge(0), Doc("of everything that chance decides in a simulated rig")] = 1
    mode: Annotated[Mode, Doc("one trap a particle, or light painted about centres")] = "steered"
    trap: Trap = Trap()
    policy: policies.AnyPolicy
    species: Annotated[tuple[int, ...], Doc("species of particles 0, 1, 2, ... in the order of first sight")] = ()
    keep_in_field: Annotated[KeepInField | None, Doc("bring particles back before they leave the field")] = None
    set: Annotated[dict[str, Any], Doc("values of the rig, by dotted key")] = field(default_factory=dict)
