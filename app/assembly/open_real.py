"""Opens real devices: real ones alone, emulated ones with a simulated sample, or a real camera alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from app.assembly.instrument import Instrument
from app.assembly.pairing import WATCH_ONLY, Pairing
from app.assembly.probe_move import why_other_devices
from app.assembly.rig import Plan, RecordedRig, Rig, field_um
from app.assembly.warm_up import note, pixel_type, warm_up
from app.console.error_words import sentence
from config.refused import Refused
from control.contract import STILL_LIT
from control.loop import Machine
from drivers.closing import closed_after
from drivers.device_settings import RealCamera, RealDeflector, RealLaser, of_class
from drivers.real_bench import BenchSettings, open_emulated_bench, open_real_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.clock import PacedClock
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.laser import SimulatedLaser
from drivers.sim.playback import EmptyField, open_watch_only

PUT_OUT_S = 0.5  # longest wait for an answer, even if the rig allows more
PUT_OUT_TRIES = 3
TRY_AGAIN_S = 0.2  # a port may stay locked for a moment after its program has ended


def open_real(plan: Plan, machine: Machine, pairing: Pairing) -> Instrument:
    """Open the devices of a rig with real or emulated light, or with a real camera, dark. Raises Refused, Fault."""
    rig = plan.rig
    if isinstance(rig, RecordedRig):
        raise Refused(f"{rig.title}: this is the rig of a recorded run; open it from its rig file")
    if pairing is Pairing.WATCH_ONLY:
        return _open_watch_only(plan, machine)
    deflector, laser = of_class(rig.deflector, RealDeflector), of_class(rig.laser, RealLaser)
    warm_up(plan, machine)
    bench_settings = BenchSettings(
        um_per_px=rig.optics.um_per_px, field_um=field_um(rig), power_cap_mw=rig.power_mw, um_to_v=rig.um_to_v(),
        heartbeat_s=rig.loop.stale_periods / rig.camera.fps,
    )  # fmt: skip
    if rig.emulated is None:
        bench = open_real_bench(of_class(rig.camera, RealCamera), deflector, laser, bench_settings)
    else:
        camera, seed = of_class(rig.camera, SimulatedCamera), plan.experiment.seed
        bench = open_emulated_bench(rig.sample, camera, deflector, laser, rig.emulated, bench_settings, seed=seed)
    with _closed_on_failure(bench.close):
        identities = bench.identities()
        _require_same_devices(rig, identities)
        return Instrument(
            plan, machine, bench.camera, bench.beam, bench.clock, rig.camera.height_px, rig.camera.width_px,
            pixel_type(plan), None, identities,
            {"deflector": bench.deflector.firmware, "laser": bench.laser.firmware},
            "" if bench.world is None else bench.world.description, bench.returned,
        )  # fmt: skip


@contextmanager
def _closed_on_failure(close: Callable[[], None]) -> Iterator[None]:
    """Close the opened devices, dark, if the rest of the opening fails. Raises the error of the opening, or Fault."""
    try:
        yield
    except BaseException:
        with closed_after(close, "the rig"):
            raise


def _require_same_devices(rig: Rig, identities: Mapping[str, str]) -> None:
    """Raises Refused if the map of a rig was confirmed with other devices than those that answer now."""
    if not rig.confirmed or rig.calibration.probe is None:
        return
    difference = why_other_devices(rig.calibration.probe, identities)
    if difference:
        raise Refused(f"{rig.title}: {difference}")


def _open_watch_only(plan: Plan, machine: Machine) -> Instrument:
    """Open a real camera with simulated light that acts on nothing; a note states this. Raises Refused, Fault."""
    rig = plan.rig
    deflector, laser = of_class(rig.deflector, SimulatedDeflector), of_class(rig.laser, SimulatedLaser)
    warm_up(plan, machine)
    low_um, high_um = field_um(rig)
    field = EmptyField(
        low_um=low_um, high_um=high_um, power_cap_mw=rig.power_mw, um_to_v=rig.um_to_v(),
        heartbeat_s=rig.loop.stale_periods / rig.camera.fps,
    )  # fmt: skip
    watch_camera, beam, clock = open_watch_only(of_class(rig.camera, RealCamera), deflector, laser, field)

    def close() -> None:
        with closed_after(watch_camera.close, "the camera"):
            beam.close()

    with _closed_on_failure(close):
        camera = watch_camera.camera
        note(WATCH_ONLY)
        return Instrument(
            plan, machine, watch_camera, beam, clock, rig.camera.height_px, rig.camera.width_px, pixel_type(plan), None,
            {"camera.device": camera.identity} if camera.identity else {},
            {"deflector": beam.deflector.firmware, "laser": beam.laser.firmware}, "", lambda: camera.returned,
        )  # fmt: skip


def put_out(plan: Plan) -> str:
    """Darken the devices of a program that has died, over new connections: the laser first, then the deflector.

    Return the outcome in words. Never raises.
    """
    outcomes = []
    deflector, laser = plan.rig.deflector, plan.rig.laser
    if isinstance(laser, RealLaser):
        error = _tried(lambda: laser.put_out(PUT_OUT_S))
        outcomes.append(
            f"{STILL_LIT} from here ({error}): switch it off by hand"
            if error
            else "the laser was put out from here, and says that its emission is off"
        )
    if isinstance(deflector, RealDeflector) and deflector.blanks:
        error = _tried(lambda: deflector.put_out(PacedClock(1.0), PUT_OUT_S))
        outcomes.append(
            f"the deflector did not confirm that it is dark ({error})" if error else "the deflector's beam is blanked"
        )
    return "; ".join(outcomes)


def _tried(darken: Callable[[], None]) -> str:
    """Try up to PUT_OUT_TRIES times to darken a device. Return the last error in words; empty after a success."""
    message = ""
    for attempt in range(PUT_OUT_TRIES):
        if attempt:
            time.sleep(TRY_AGAIN_S)
        try:
            darken()
        except Exception as error:  # noqa: BLE001  after any error, the light may be on
            message = sentence(error)
        else:
            return ""
    return message
