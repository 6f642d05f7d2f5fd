"""Settings of emulated serial devices, and of their light on the simulated sample."""

from __future__ import annotations

from typing import Annotated

from config.fields import Doc, Gt, Interval, settings


@settings
class Emulated:
    """The galvo and the laser of this rig are emulators; its sample and its camera are simulated."""

    start: Annotated[bool, Doc("the application starts the emulators; else `main.py emulate` must run")] = True
    galvo_stream: Annotated[int, Interval(ge=1, le=65535), Doc("TCP port of the galvo's stream, if not started")] = (
        47801
    )
    laser_stream: Annotated[int, Interval(ge=1, le=65535), Doc("TCP port of the laser's stream, if not started")] = (
        47802
    )
    waist_um: Annotated[float, Interval(ge=0.01, le=1e6), Doc("true waist of the spot in the simulated sample")] = 0.6
    depth_kt_per_mw: Annotated[float, Gt(0), Doc("true depth of a spot lit all the time, at 1 mW")] = 5.0
