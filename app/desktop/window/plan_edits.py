"""Plans from edits of an experiment, their checks, and the conditions under which an edited law would act."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from app.assembly.given_keys import names_of
from app.assembly.in_flight import changed_values, opened_anew
from app.assembly.machine import build_light, latency_s, needs_network
from app.assembly.plan import flyable, planned
from app.assembly.rig import Plan
from app.assembly.stated_by_recording import value_at
from app.running.plan_check import Checker, at_once
from config.reader import Document, plain
from control.experiment import Experiment
from control.loop import Machine
from control.theory.conditions import Conditions

PANEL = "the experiment panel"


class PlanEdits:
    """Edits of the plan in force.

    Args:
        in_force: returns the plan in force.
        build_machine: builds a machine in this process; raises Refused.
        check: checks a network in a process of its own; None: networks are checked in this process, too.
    """

    def __init__(
        self,
        in_force: Callable[[], Plan],
        build_machine: Callable[[Plan, str], Machine],
        check: Callable[[Plan, str], Any] | None,
    ) -> None:
        self._in_force, self._build_machine = in_force, build_machine
        self._checker = Checker(check) if check is not None else None
        self.particles = 0  # number of particles seen last
        self._earlier_values: dict[str, Any] = {}  # earlier rig values of the keys in the experiment's `set`

    def conditions(self, experiment: Experiment) -> Conditions:
        """The conditions for an experiment. Raises Refused, StillChecking. Does not wait for the check of a network."""
        plan = self.planned(experiment)
        self.check(plan)
        rig = plan.rig
        particles = self.particles or rig.sample.number
        return Conditions(
            rig.plant, build_light(plan), rig.camera.image_age_s + latency_s(rig), 1.0 / rig.camera.fps, particles
        )

    def planned(self, experiment: Experiment, edits: Iterable[str] = ()) -> Plan:
        """The plan with another experiment, whose `set` is applied to the rig. Raises Refused.

        A key removed from `set` gets back the earlier value of the rig; an APPLY in the record contains that value too.

        Args:
            edits: keys of the rig that the user has just set, also to the value that `set` already has.
        """
        current, edits = self._in_force(), tuple(edits)
        if not edits and experiment == current.experiment:
            return current
        experiment = replace(experiment, set=self._with_earlier_values(experiment.set))
        if not edits and experiment.set == current.experiment.set:
            return replace(current, experiment=experiment)
        changed_set = changed_values(current.experiment.set, experiment.set)
        edited_set = {key: experiment.set[key] for key in edits if key in experiment.set}
        new_experiment = replace(experiment, set=changed_set | edited_set)
        new_document, rig_document = (
            Document("the panel", plain(value), {}) for value in (new_experiment, current.rig)
        )
        recorded = current.corrections if current.kind == "REPLAY" else None  # correction images of the run
        plan = planned(
            new_document, rig_document, (), current.folder, at_once if self._checker is not None else flyable, recorded
        )
        stated = names_of(experiment.set, current.unknown)
        unknown = tuple(key for key in current.unknown if key not in stated)
        all_values = {key: plan.experiment.set.get(key, value) for key, value in experiment.set.items()}
        plan = replace(plan, experiment=replace(plan.experiment, set=all_values))
        return replace(plan, taken=current.taken, unknown=unknown)

    def _with_earlier_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """These rig values, and for each key that is set now and not among them the rig's earlier value."""
        current = self._in_force()
        added, removed = values.keys() - current.experiment.set.keys(), current.experiment.set.keys() - values.keys()
        if added:
            rig = Document("the rig", plain(current.rig), {})
            self._earlier_values |= {key: value_at(rig, key) for key in added}
        return {**values, **{key: self._earlier_values[key] for key in sorted(removed) if key in self._earlier_values}}

    def needs_opening(self, experiment: Experiment) -> bool:
        """Whether the devices must be reopened for this experiment's `set`. Raises Refused."""
        return bool(opened_anew(self._in_force().rig, self.planned(experiment).rig))

    def needs_process(self, plan: Plan) -> bool:
        """Whether the plan has a network that is checked in a process of its own."""
        return self._checker is not None and needs_network(plan)

    def check(self, plan: Plan) -> Machine | None:
        """Check a plan. Returns the machine if it is built in this process. Raises Refused, StillChecking."""
        if self._checker is not None and needs_network(plan):
            self._checker.check(at_once(plan, PANEL), PANEL)
            return None
        return self._build_machine(plan, PANEL)

    @property
    def checked(self) -> bool:
        """Whether the result after a StillChecking has arrived since the last call."""
        return self._checker is not None and self._checker.news()

    def begin(self, plan: Plan) -> None:
        """Another plan is in force, of another file."""
        self._earlier_values = {key: value for key, value in self._earlier_values.items() if key in plan.experiment.set}
        self.particles = 0

    def close(self) -> None:
        """End the process of the checks."""
        if self._checker is not None:
            self._checker.close()
