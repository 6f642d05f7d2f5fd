"""From a plan to its Machine: tracker, policy, light model and limits."""

from __future__ import annotations

from app.assembly.correction_images import correction_of
from app.assembly.python_law import build_law
from app.assembly.rig import Plan, RecordedRig, Rig, field_um, shortest_delay_s
from config.geometry import Affine
from config.kinds import used_plug_ins
from config.refused import Refused
from control.allocate import LightModel
from control.contract import Classifier, Fault, Policy, Tracker
from control.foreign import PlugInPolicy, faults_of
from control.limits import Limits
from control.loop import Machine
from control.policies.keep_in_field import Kept
from control.policies.policy_settings import PolicyContext, Runtime
from control.policies.python_law import PythonLaw, PythonPolicy
from control.policies.seen_only import SeenOnly
from tracking.rules import Rules
from tracking.table import TableTracker
from tracking.tracker import LinkingTracker as FrameTracker


def build_machine(plan: Plan, source: str = "the experiment") -> Machine:
    """The Machine of a plan. Raises Refused for a delay that is too short, or a potential that light can't paint."""
    rig, experiment = plan.rig, plan.experiment
    low_um, high_um = field_um(rig)
    light = build_light(plan)
    policy = build_policy(plan, light, source)
    if experiment.keep_in_field is not None:
        policy = Kept(policy, experiment.keep_in_field, light, low_um, high_um)
    period_s = 1.0 / rig.camera.fps
    return Machine(
        tracker=build_tracker(plan),
        policy=policy,
        light=light,
        limits=Limits(low_um, high_um, light.power_mw),
        latency_s=latency_s(rig),
        hold_s=period_s,
        stale_s=rig.loop.stale_periods * period_s,
        species=experiment.species,
        confirmed=rig.confirmed,
        probe_mw=rig.loop.probe_power_mw if experiment.policy.moves_probe else None,
        plant=None if rig.camera.images == "ideal" else rig.plant,  # a table of particles is not linked
        recorded_light=rig.tracking.trapped == "recorded",
    )


def build_light(plan: Plan) -> LightModel:
    """The light that the single beam of a rig can provide for the traps of an experiment."""
    rig = plan.rig
    return LightModel(
        waist_um=rig.optics.waist_um,
        depth_kt_per_mw=rig.optics.depth_kt_per_mw,
        kt_pn_um=rig.plant.kt_pn_um,
        power_mw=rig.power_mw,
        trap_kt=plan.experiment.trap.depth_kt,
        dwell_s=rig.loop.dwell_s,
        shortest_dwell_s=rig.deflector.min_dwell_s,
        settle_s=rig.deflector.settle_s,
        cycle_s=1.0 / rig.camera.fps,
        efficiency=rig.calibration.evenness.efficiency() if rig.calibration.evenness is not None else None,
    )


def latency_s(rig: Rig) -> float:
    """Time from a decision until its command takes effect."""
    return rig.loop.latency_s + rig.deflector.delay_s


def build_tracker(plan: Plan) -> Tracker:
    """The tracker, with the map from px to um: the centre of the top left pixel is (0, 0).

    Raises Refused for an incomplete checkpoint of a classifier, and for a correction image that the plan lacks.
    """
    rig = plan.rig
    if rig.camera.images == "ideal":
        return TableTracker()
    classifier: Classifier | None = None
    if (classifier_settings := rig.tracking.classifier) is not None:
        from models.lie.species import open_classifier  # here, since torch takes seconds to import

        classifier = open_classifier(
            plan.folder / classifier_settings.checkpoint,
            classifier_settings.looks_a_frame,
            classifier_settings.looks_kept,
            classifier_settings.sure,
        )
    px_to_um = Affine.scale("px", "um", rig.optics.um_per_px)
    rules = Rules.of_kernels(plan.kernels)
    correct = correction_of(rig.tracking, plan.corrections)
    return FrameTracker(rig.tracking, px_to_um, classifier, rules, correct)


def build_policy(plan: Plan, light: LightModel, source: str) -> Policy:
    """The law of an experiment. Raises Refused."""
    context = policy_context(plan, light, source)
    plug_in_words = " or ".join(plug_in.words for plug_in in used_plug_ins(plan.experiment.policy))
    if not plug_in_words:
        return plan.experiment.policy.build(context)
    try:
        with faults_of(plug_in_words):
            policy = plan.experiment.policy.build(context)
    except Fault as fault:
        raise Refused(f"{source}: {fault}") from fault
    return PlugInPolicy(SeenOnly(policy), plug_in_words)


def policy_context(plan: Plan, light: LightModel, source: str) -> PolicyContext:
    """The conditions for which the law of a plan is built."""
    rig, experiment = plan.rig, plan.experiment
    low_um, high_um = field_um(rig)

    def open_network(checkpoint: str, runtime: Runtime, card_sha256: str) -> Policy:
        from models.learned import fly  # here, since torch takes seconds to import

        return fly(plan.folder / checkpoint, rig.plant, runtime, card_sha256)

    def open_python(law: PythonLaw) -> PythonPolicy:
        middle_um = ((low_um[0] + high_um[0]) / 2.0, (low_um[1] + high_um[1]) / 2.0)
        return build_law(law, plan.folder, rig.plant, middle_um, source, plan.given_law)

    return PolicyContext(
        source=source,
        plant=rig.plant,
        light=light,
        low_um=low_um,
        high_um=high_um,
        exposure_s=rig.camera.exposure_s,
        shortest_delay_s=shortest_delay_s(rig),
        particles=rig.sample.number,
        mode=experiment.mode,
        trap=experiment.trap,
        recorded=isinstance(rig, RecordedRig),
        open_network=open_network,
        open_python=open_python,
    )


def require_law(plan: Plan, source: str) -> None:
    """Raises Refused for errors of a law that can be found without opening its network."""
    plan.experiment.policy.require(policy_context(plan, build_light(plan), source))


def needs_network(plan: Plan) -> bool:
    """Whether torch is needed to check the plan."""
    return plan.experiment.policy.needs_network or plan.rig.tracking.classifier is not None


def ready_for_learned() -> None:
    """Import the modules of a learned law before the loop starts: such a law can then be chosen while the beam is on.

    The import takes a second, during which no other thread gets Python's lock (GIL).
    """
    import models.learned  # noqa: F401
