"""That a rig's serial devices are emulated, and what their light does to its simulated sample."""

from __future__ import annotations

from typing import Annotated

from config.fields import Doc, Gt, Interval, settings


@settings
class Emulated:
    """The galvo and the laser of this rig are emulators; its sample and its camera are simulated."""

    start: Annotated[bool, Doc("the application starts them at the ports of the rig; else `main.py emulate` did")] = (
        True
    )
    galvo_stream: Annotated[int, Interval(ge=1, le=65535), Doc("where the galvo tells of its beam; if not started")] = (
        47801
    )
    laser_stream: Annotated[int, Interval(ge=1, le=65535), Doc("where the laser tells of its beam; if not started")] = (
        47802
    )
    waist_um: Annotated[float, Interval(ge=0.01, le=1e6), Doc("the real waist of the spot in the simulated sample")] = (
        0.6
    )
    depth_kt_per_mw: Annotated[float, Gt(0), Doc("the real depth of a spot that has the whole beam, at 1 mW")] = 5.0
