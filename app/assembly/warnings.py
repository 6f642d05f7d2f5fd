"""Warnings about a valid plan: shown before the run."""

from __future__ import annotations

from collections.abc import Iterator

from app.assembly.machine import build_machine
from app.assembly.rig import Plan
from control.loop import Machine
from control.policies.force_context import Force
from control.potentials.painting import Rings, paint, painted_force_pn, saddle_node_delay_s

MISSED = 0.1  # allowed residual of a painted potential, relative to its strongest ring


def warnings_of(plan: Plan) -> tuple[str, ...]:
    """One sentence for each problem: too much power, a potential that light can't paint, a delay that can't drive."""
    forces = plan.experiment.policy.forces
    if not forces:
        return ()
    machine, number = build_machine(plan), max(plan.rig.sample.number, 1)
    if plan.experiment.mode == "steered":
        return tuple(_over_budget(machine, number * machine.light.trap_kt / machine.light.depth_kt_per_mw, number))
    light = machine.light
    painted = [paint(force.shape, waist_um=light.waist_um, kt_pn_um=light.kt_pn_um) for force in forces]
    centres = [force.number_of_centres(number) for force in forces]
    total_kt = sum(rings.total_kt.sum() * count for rings, count in zip(painted, centres, strict=True))
    sentences = list(_over_budget(machine, float(total_kt) / light.depth_kt_per_mw, number))
    trap = plan.experiment.trap
    for name, is_set in (("predict", trap.predict), ("compensate_latency", trap.compensate_latency)):
        if is_set:
            sentences.append(f"trap.{name} is of mode steered, and changes nothing in mode landscape")
    for index, (force, rings) in enumerate(zip(forces, painted, strict=True)):
        sentences += [f"policy.forces.{index}: {text}" for text in _of_light(plan, machine, force, rings)]
    return tuple(sentences)


def _over_budget(machine: Machine, power_mw: float, number: int) -> Iterator[str]:
    if power_mw > machine.light.power_mw:
        yield (
            f"{number} particles need {power_mw:.4g} mW and {machine.light.power_mw:.4g} mW is allowed: "
            f"every depth will be {machine.light.power_mw / power_mw:.0%} of what is written"
        )


def _of_light(plan: Plan, machine: Machine, force: Force, rings: Rings) -> Iterator[str]:
    """Deviations of the painted light from the written potential."""
    light = machine.light
    if rings.residual_kt > MISSED * float(rings.total_kt.max(initial=0.0)):
        yield f"light of this waist misses the potential by up to {rings.residual_kt:.2g} kT"
    if force.delay_s is None or not force.about_own_past or not len(rings.radius_um) or rings.radius_um.max() == 0.0:
        return
    longest_s = saddle_node_delay_s(
        lambda r_um: painted_force_pn(rings, r_um, waist_um=light.waist_um, kt_pn_um=light.kt_pn_um),
        drag_pn_s_per_um=plan.rig.plant.drag_pn_s_per_um,
        reach_um=float(rings.radius_um.max()) + 2.0 * light.waist_um,
    )
    if force.delay_s < longest_s:
        yield (
            f"a delay of {force.delay_s:g} s is short of the saddle node at {longest_s:.3g} s (P20): "
            "the ring runs ahead of the particle and can't carry it"
        )
