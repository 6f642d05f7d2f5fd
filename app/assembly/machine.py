"""From a plan to the mathematics that flies it: tracker, policy, light and limits in one Machine."""

from __future__ import annotations

from collections.abc import Iterable

from app.assembly.correction_images import correction_of
from app.assembly.python_law import build_law
from app.assembly.rig import Plan, RecordedRig, Rig, field_um, shortest_delay_s
from config.geometry import Affine
from config.refused import Refused
from control.allocate import LightModel
from control.contract import Classifier, Policy, Tracker
from control.experiment import Experiment, Learned, Programmed, PythonLaw
from control.limits import Limits
from control.loop import Machine
from control.policies.calibrating import Calibrating, calibrating
from control.policies.keep_in_field import Kept
from control.policies.predictive import Predictive
from control.policies.programmed import Landscape, SteeredTraps
from control.potentials.painting import paint, spots_on_ring
from drivers.sim.ideal_bench import PlantCamera
from tracking.rules import Rules
from tracking.table import TableTracker
from tracking.tracker import LinkingTracker as FrameTracker

MOST_SPOTS = 100_000  # of a landscape, about all particles together: some 30 ms of arithmetic a turn


def build_machine(made: Plan, source: str = "the experiment") -> Machine:
    """The mathematics of a plan. Raises Refused for a delay that is too short, or what light can't paint."""
    rig, experiment = made.rig, made.experiment
    low_um, high_um = field_um(rig)
    light = build_light(made)
    policy = build_policy(made, light, source)
    if experiment.keep_in_field is not None:
        policy = Kept(policy, experiment.keep_in_field, light, low_um, high_um)
    period_s = 1.0 / rig.camera.fps
    return Machine(
        tracker=build_tracker(made),
        policy=policy,
        light=light,
        limits=Limits(low_um, high_um, light.power_mw),
        latency_s=latency_s(rig),
        hold_s=period_s,
        stale_s=rig.loop.stale_periods * period_s,
        species=experiment.species,
        confirmed=rig.confirmed,
        probe_mw=rig.loop.probe_power_mw if isinstance(experiment.policy, Calibrating) else None,
        plant=None if isinstance(rig.camera, PlantCamera) else rig.plant,  # a table of particles is not linked
        recorded_light=rig.tracking.trapped == "recorded",
    )


def build_light(made: Plan) -> LightModel:
    """What the one beam of a rig can give to the traps of an experiment."""
    rig = made.rig
    return LightModel(
        waist_um=rig.optics.waist_um,
        depth_kt_per_mw=rig.optics.depth_kt_per_mw,
        kt_pn_um=rig.plant.kt_pn_um,
        power_mw=rig.power_mw,
        trap_kt=made.experiment.trap.depth_kt,
        dwell_s=rig.loop.dwell_s,
        shortest_dwell_s=rig.deflector.min_dwell_s,
        settle_s=rig.deflector.settle_s,
        cycle_s=1.0 / rig.camera.fps,
        efficiency=rig.calibration.evenness.efficiency() if rig.calibration.evenness is not None else None,
    )


def latency_s(rig: Rig) -> float:
    """From a decision to when its command acts."""
    return rig.loop.latency_s + rig.deflector.delay_s


def build_tracker(made: Plan) -> Tracker:
    """The tracker, with the map that gives um their meaning: the middle of the top left pixel is (0, 0).

    Raises Refused for a classifier's checkpoint that is not whole, and for a correction image that the plan lacks.
    """
    rig = made.rig
    if isinstance(rig.camera, PlantCamera):
        return TableTracker()
    classifier: Classifier | None = None
    if (sorting := rig.tracking.classifier) is not None:
        from models.lie.species import open_classifier  # here, since torch takes seconds to import

        classifier = open_classifier(
            made.folder / sorting.checkpoint, sorting.looks_a_frame, sorting.looks_kept, sorting.sure
        )
    px_to_um = Affine.scale("px", "um", rig.optics.um_per_px)
    rules = Rules.of_kernels(made.kernels)
    correct = correction_of(rig.tracking, made.corrections)
    return FrameTracker(rig.tracking, px_to_um, classifier, rules, correct)


def build_policy(made: Plan, light: LightModel, source: str) -> Policy:
    """The law of an experiment. Raises Refused."""
    law, rig = made.experiment.policy, made.rig
    if not isinstance(rig, RecordedRig):  # a run from before this was refused is verified as it was flown
        refuse_ignored_settings(made.experiment, source)
    if isinstance(law, Learned):
        from models.learned import fly  # here, since torch takes seconds to import

        return fly(made.folder / law.checkpoint, rig.plant, law.runtime, law.card_sha256)
    low_um, high_um = field_um(rig)
    if isinstance(law, Calibrating):
        return calibrating(law, low_um, high_um, rig.optics.waist_um)
    middle_um = ((low_um[0] + high_um[0]) / 2.0, (low_um[1] + high_um[1]) / 2.0)
    if isinstance(law, PythonLaw):
        written = build_law(law, made.folder, rig.plant, middle_um, source)
        _refuse_early(((f"delays_s of the law '{law.law}'", delay_s) for delay_s in written.law.delays_s), rig, source)
        return written
    refuse_short_delays(law, rig, source)
    if made.experiment.mode == "steered":
        trap = made.experiment.trap
        if trap.predict:
            return Predictive(law.forces, rig.plant, light, middle_um, rig.camera.exposure_s, learn=trap.learn)
        return SteeredTraps(law.forces, rig.plant, light, middle_um, made.experiment.trap.compensate_latency)
    rings = []
    for index, force in enumerate(law.forces):
        if why := force.why_not_painted():
            raise Refused(f"{source}: policy.forces.{index}: {why}")
        try:
            rings.append(paint(force.shape, waist_um=light.waist_um, kt_pn_um=light.kt_pn_um))
        except Refused as refused:
            raise Refused(f"{source}: policy.forces.{index}.shape: {refused}") from None
    centres = [1 if force.kind == "external" else max(rig.sample.number, 1) for force in law.forces]
    spots = sum(
        number * spots_on_ring(float(radius), light.waist_um)
        for number, painted in zip(centres, rings, strict=True)
        for radius in painted.radius_um
    )
    if spots > MOST_SPOTS:
        raise Refused(f"{source}: sample.number: a landscape about {rig.sample.number} particles is {spots} spots "
                      f"(allowed: {MOST_SPOTS})")  # fmt: skip
    return Landscape(law.forces, tuple(rings), rig.plant, middle_um)


def refuse_ignored_settings(experiment: Experiment, source: str) -> None:
    """Raises Refused for settings that a law which is not programmed would fly without: they would change nothing."""
    law, trap = experiment.policy, experiment.trap
    if isinstance(law, Programmed):
        return
    for setting, asked, allowed in (
        ("mode", experiment.mode if experiment.mode != "steered" else "", "steered"),
        ("trap.predict", "true" if trap.predict else "", "false"),
        ("trap.compensate_latency", "true" if trap.compensate_latency else "", "false"),
    ):
        if asked:
            raise Refused(
                f"{source}: {setting} is {asked}, and a {law.kind} law can't be flown so "
                f"(allowed: {allowed}; a programmed law may have it)"
            )


def needs_network(made: Plan) -> bool:
    """Whether torch is needed to say whether it can fly."""
    return isinstance(made.experiment.policy, Learned) or made.rig.tracking.classifier is not None


def ready_for_learned() -> None:
    """Import what a learned law needs. It takes a second, in which nobody else gets Python's lock: before the loop
    turns, so that such a law can be chosen while the beam is on."""
    import models.learned  # noqa: F401


def refuse_short_delays(law: Programmed, rig: Rig, source: str) -> None:
    """Raises Refused if a delay would need a position that was not yet seen."""
    _refuse_early(((f"policy.forces.{at}.delay_s", force.delay_s) for at, force in enumerate(law.forces)), rig, source)


def _refuse_early(delays_s: Iterable[tuple[str, float | None]], rig: Rig, source: str) -> None:
    """Raises Refused if one of these delays, each with its name, is too short; None is no delay."""
    bound_s = shortest_delay_s(rig)
    for name, delay_s in delays_s:
        if delay_s is not None and delay_s < bound_s:
            raise Refused(
                f"{source}: {name} is {delay_s:g} s, and on this rig it can't be less "
                f"than {bound_s:.4g} s (latency and half a frame); leave it out for the newest position seen"
            )
