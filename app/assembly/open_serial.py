"""The part of the wiring diagram that has serial ports: real devices, or emulated ones under a simulated sample."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from app.assembly.instrument import Instrument
from app.assembly.probe_move import why_other_devices
from app.assembly.rig import Plan, RecordedRig, field_um
from app.assembly.warm_up import pixel_type, warm_up
from config.refused import Refused
from control.contract import STILL_LIT, Fault
from control.loop import Machine
from drivers.cameras.opencv_capture import OpenCVCamera
from drivers.deflectors import serial_galvo
from drivers.deflectors.serial_galvo import SerialGalvo
from drivers.lasers import cobolt
from drivers.lasers.cobolt import Cobolt
from drivers.serial_bench import BenchSettings, open_emulated_bench, open_serial_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.clock import PacedClock

PUT_OUT_S = 0.5  # the longest wait for an answer, whatever the rig allows
PUT_OUT_TRIES = 3
TRY_AGAIN_S = 0.2  # a port may stay locked for a moment after the program that had it


def open_serial(made: Plan, machine: Machine) -> Instrument:
    """Open the devices of a rig with a serial galvo and laser, dark. Raises Refused, Fault."""
    rig = made.rig
    if isinstance(rig, RecordedRig):
        raise Refused(f"{rig.title}: this is the rig of a recorded run; open it from its rig file")
    galvo, laser, camera = rig.deflector, rig.laser, rig.camera
    if not (isinstance(galvo, SerialGalvo) and isinstance(laser, Cobolt)):
        raise Refused(f"{rig.title}: a {galvo.kind} deflector and a {laser.kind} laser can't be opened together")
    if rig.rate != "real time":
        raise Refused(f"{rig.title}: rate is '{rig.rate}', and devices at serial ports need 'real time'")
    warm_up(made, machine)
    size = (camera.height_px, camera.width_px, pixel_type(made))
    means = BenchSettings(
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
    devices = {"deflector.device": bench.galvo.identity, "laser.device": bench.laser.identity}
    if rig.confirmed and rig.calibration.probe is not None:
        other = why_other_devices(rig.calibration.probe, devices)
        if other:
            bench.close()
            raise Refused(f"{rig.title}: {other}")
    return Instrument(
        made, machine, bench.camera, bench.beam, bench.clock, *size, None, devices,
        {"deflector": bench.galvo.firmware, "laser": bench.laser.firmware},
        "" if bench.world is None else bench.world.description, bench.returned,
    )  # fmt: skip


def put_out(made: Plan) -> str:
    """Darken the devices of a program that has died, over lines of our own; what came of it, in words. Never raises."""
    said = []
    galvo, laser = made.rig.deflector, made.rig.laser
    if isinstance(laser, Cobolt):
        laser = replace(laser, timeout_s=min(laser.timeout_s, PUT_OUT_S))
    if isinstance(galvo, SerialGalvo):
        galvo = replace(galvo, timeout_s=min(galvo.timeout_s, PUT_OUT_S))
    if isinstance(laser, Cobolt):
        why = _tried(lambda: cobolt.put_out(laser))
        said.append(
            f"{STILL_LIT} from here ({why}): switch it off by hand"
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
        except Exception as error:  # noqa: BLE001  whatever it is, the light is not known to be off
            why = str(error) if isinstance(error, Fault) else f"{type(error).__name__}: {error}"
        else:
            return ""
    return why
