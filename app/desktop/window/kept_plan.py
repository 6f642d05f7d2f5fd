"""The plan for stored edits: their experiment, on the rig as its files now define it."""

from __future__ import annotations

from collections.abc import Sequence

from app.assembly.in_flight import opened_anew
from app.assembly.plan import planned, unpinned
from app.assembly.rig import Plan
from app.running.plan_check import at_once
from config.reader import Document, plain
from config.refused import Refused
from control.experiment import Experiment


def with_stored_edits(plans: Sequence[Plan], stored: Plan) -> Plan:
    """The experiment in force when the edits were stored, on its rig as read just now. Raises Refused.

    Since then the map of the rig may have been calibrated again, or its power limited.

    Args:
        plans: plans with the present rig of the file and of the command line. The one more similar to `stored` is
            used. If neither has the title of that rig, a stored plan that is not REAL is used unchanged; a REAL one is
            refused.
    """
    current = min(plans, key=lambda plan: (plan.rig.title != stored.rig.title, len(opened_anew(stored.rig, plan.rig))))
    if current.rig.title != stored.rig.title:
        if stored.kind == "REAL":
            raise Refused(f"these edits are of the rig '{stored.rig.title}', and the file names '{current.rig.title}': "
                          "open that rig with this file again, so that its calibration is read anew")  # fmt: skip
        return stored
    experiment: Experiment = unpinned(stored.experiment)
    experiment_document, rig_document = (
        Document(name, plain(value), {}) for name, value in (("these edits", experiment), ("the rig", current.rig))
    )
    return planned(experiment_document, rig_document, (), stored.folder, at_once)
