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


def with_kept(read: Sequence[Plan], kept: Plan) -> Plan:
    """The experiment in force when the edits were stored, on its rig as read just now. Raises Refused.

    Since then the map of the rig may have been calibrated again, or its power limited.

    Args:
        read: plans with the present rig of the file and of the command line. The one more similar to `kept` is used. If
            neither has the title of that rig, a stored plan that is not REAL is used unchanged; a REAL one is refused.
    """
    now = min(read, key=lambda one: (one.rig.title != kept.rig.title, len(opened_anew(kept.rig, one.rig))))
    if now.rig.title != kept.rig.title:
        if kept.kind == "REAL":
            raise Refused(f"these edits are of the rig '{kept.rig.title}', and the file names '{now.rig.title}': open "
                          "that rig with this file again, so that its calibration is read anew")  # fmt: skip
        return kept
    experiment: Experiment = unpinned(kept.experiment)
    wanted, rig = (Document(said, plain(one), {}) for said, one in (("these edits", experiment), ("the rig", now.rig)))
    return planned(wanted, rig, (), kept.folder, at_once)
