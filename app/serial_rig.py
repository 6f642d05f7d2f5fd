"""The part of the wiring diagram that has serial ports: real devices, or emulated ones under a simulated sample."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from app.instrument import Instrument
from app.rig_file import Plan, field_um
from config.refused import Refused
from control.contract import Fault, Frame, Tracker
from control.loop import Machine
from drivers.cameras.opencv_capture import OpenCVCamera
from drivers.deflectors import serial_galvo
from drivers.deflectors.serial_galvo import SerialGalvo
from drivers.lasers import cobolt
from drivers.lasers.cobolt import Cobolt
from drivers.serial_bench import Means, open_emulated_bench, open_serial_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.clock import PacedClock

PUT_OUT_TRIES = 3
TRY_AGAIN_S = 0.2  # a port may stay locked for a moment after the program that had it


def open_serial(made: Plan, machine: Machine) -> Instrument:
    """Open the devices of a rig with a serial galvo and laser, dark. Raises Refused, Fault."""
    rig = made.rig
    galvo, laser, camera = rig.deflector, rig.laser, rig.camera
    if not (isinstance(galvo, SerialGalvo) and isinstance(laser, Cobolt)):
        raise Refused(f"{rig.title}: a {galvo.kind} deflector and a {laser.kind} laser can't be opened together")
    if rig.rate != "real time":
        raise Refused(f"{rig.title}: rate is '{rig.rate}', and devices at serial ports need 'real time'")
    size = (camera.height_px, camera.width_px, "uint16" if getattr(camera, "bits", 8) > 8 else "uint8")
    rehearse(machine.tracker, *size)
    means = Means(
        um_per_px=rig.optics.um_per_px, field_um=field_um(rig), power_cap_mw=rig.power_mw, um_to_v=rig.um_to_v(),
        heartbeat_s=rig.loop.stale_periods / camera.fps,
    )  # fmt: skip
    if isinstance(camera, OpenCVCamera) and rig.emulated is None:
        bench = open_serial_bench(camera, galvo, laser, means)
    elif isinstance(camera, SimulatedCamera) and rig.emulated is not None:
        seed = made.experiment.seed
        bench = open_emulated_bench(rig.sample, camera, galvo, laser, rig.emulated, means, seed=seed)
    else:
        raise Refused(f"{rig.title}: a simulated camera needs 'emulated', and emulated devices a simulated camera")
    return Instrument(made, machine, bench.camera, bench.beam, bench.clock, *size, None, bench.returned)


def rehearse(tracker: Tracker, height_px: int, width_px: int, pixel_type: str) -> None:
    """Compile the tracker on pictures to throw away: the first frames would otherwise be seconds old."""
    image = np.zeros((height_px, width_px), pixel_type)
    y, x = np.ogrid[:height_px, :width_px]
    image[(y - height_px // 2) ** 2 + (x - width_px // 2) ** 2 < 20] = 200
    memory = tracker.start()
    for number in range(3):
        memory, _ = tracker.step(memory, Frame(number, number * 0.02, image))


def put_out(made: Plan) -> str:
    """Darken the devices of a program that has died, over lines of our own; what came of it, in words. Never raises."""
    said = []
    galvo, laser = made.rig.deflector, made.rig.laser
    if isinstance(laser, Cobolt):
        why = _tried(lambda: cobolt.put_out(laser))
        said.append(
            f"the laser could not be put out from here ({why}): switch it off by hand"
            if why
            else "the laser was put out from here, and says that its emission is off"
        )
    if isinstance(galvo, SerialGalvo):
        why = _tried(lambda: serial_galvo.put_out(galvo, PacedClock(1.0)))
        said.append(f"the galvo did not confirm that it is dark ({why})" if why else "the galvo's beam is blanked")
    return "; ".join(said)


def _tried(darken: Callable[[], None]) -> str:
    """Why it failed each time; empty where it did not."""
    why = ""
    for attempt in range(PUT_OUT_TRIES):
        if attempt:
            time.sleep(TRY_AGAIN_S)
        try:
            darken()
        except Fault as fault:
            why = str(fault)
        else:
            return ""
    return why
