"""Settings of an experiment: the law, its trap, the rig and the duration."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal

from config.fields import Doc, Field, Ge, Gt, Le, settings
from control.policies import AnyForce
from control.policies.calibrating import Calibrating
from control.policies.keep_in_field import KeepInField


@settings
class Programmed:
    """A law written as a sum of forces."""

    kind: Literal["programmed"] = "programmed"
    forces: Annotated[tuple[AnyForce, ...], Doc("forces on each particle; they add up")]


@settings
class Learned:
    """A learned law: a checkpoint of models/."""

    kind: Literal["learned"] = "learned"
    checkpoint: Annotated[str, Doc("file, from the experiment's folder")]
    runtime: Annotated[
        Literal["eager", "onnx"], Doc("onnx: the .onnx file beside it, through ONNX Runtime where that is installed")
    ] = "eager"
    card_sha256: Annotated[str, Doc("expected hash of the checkpoint, from its card; left out: any")] = ""


AnyPolicy = Annotated[Programmed | Learned | Calibrating, Field(discriminator="kind")]


@settings
class Trap:
    """The trap that steers a particle in mode steered; in both modes it returns particles to the field."""

    depth_kt: Annotated[float, Gt(0), Doc("depth of one trap")] = 20.0
    compensate_latency: Annotated[bool, Doc("divide forces by 1 + z of the latency")] = False
    predict: Annotated[bool, Doc("aim at where particles will be, so that a potential acts as it is written")] = False
    learn: Annotated[bool, Doc("with predict: learn stiffness, latency and noise from the run, too")] = True


@settings
class Experiment:
    """One experiment. `set` overrides values of the rig file."""

    title: Annotated[str, Doc("name of the experiment, in a few words")]
    about: Annotated[str, Doc("what to look for")] = ""
    rig: Annotated[str, Doc("rig file, from the experiment's folder")] = "../rigs/simulated.yaml"
    seconds: Annotated[float, Gt(0), Le(1e7), Doc("duration of a run without a window")] = 60.0
    seed: Annotated[int, Ge(0), Doc("random seed of a simulated rig")] = 1
    mode: Annotated[Literal["steered", "landscape"], Doc("one trap a particle, or light painted about centres")] = (
        "steered"
    )
    trap: Trap = Trap()
    policy: AnyPolicy
    species: Annotated[tuple[int, ...], Doc("species of particles 0, 1, 2, ... in the order of first detection")] = ()
    keep_in_field: Annotated[KeepInField | None, Doc("bring particles back before they leave the field")] = None
    set: Annotated[dict[str, Any], Doc("values of the rig, by dotted key")] = field(default_factory=dict)
