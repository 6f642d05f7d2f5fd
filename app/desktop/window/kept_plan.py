"""The plan of edits that were kept: their experiment, and the rig as its files say by now."""

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
    """The experiment that was in force when edits were kept, on its rig as it was read just now. Raises Refused.

    The map of a rig may have been measured again since, or its power been capped.

    Args:
        read: what the file's own rig is by now, and the one of the command line; the one that is more alike counts.
            A simulated rig that is neither is as it was then; a real one is refused.
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
