"""A rig with real or emulated deflector and laser: with a real camera, or with a simulated sample if emulated."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from config.refused import Refused
from config.warp import Map
from control.contract import STILL_LIT, Beam, Command, Fault
from drivers.camera_protocol import CameraDriver
from drivers.closing import Opened, close_all, in_words, of_light
from drivers.device_settings import RealCamera, RealDeflector, RealLaser
from drivers.emulate.child import Child
from drivers.emulate.light_path import LightPath, Listener
from drivers.emulate.settings import Emulated
from drivers.guard import Guard, GuardLimits
from drivers.light_protocols import Deflector, Laser
from drivers.readback import Returned
from drivers.sim.bench import stage_of_camera, warm_up_bench
from drivers.sim.camera import SimulatedCamera, SimulatedCameraDriver
from drivers.sim.clock import PacedClock
from drivers.sim.sample import Sample
from drivers.sim.world import World

EMULATED = Path("runs") / "emulated"  # folder for the links to emulators

Corners = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """Settings of both kinds of rig besides their devices."""

    um_per_px: float
    field_um: Corners  # that the beam may visit
    power_cap_mw: float
    heartbeat_s: float
    um_to_v: Map | None = None  # the calibrated map; None: that of the deflector's settings


class FinalDarkening:
    """The Beam plug: a guard, with listeners and emulators that are closed after it."""

    def __init__(self, guard: Guard, others: Opened) -> None:
        self._guard, self._others, self._ending = guard, others, threading.Lock()

    def send(self, command: Command) -> Command:
        return self._guard.send(command)

    def dark(self, reason: str) -> Command:
        return self._guard.dark(reason)

    def close(self) -> None:
        """Returns when the devices, the listeners and the emulators are closed, whichever thread closes them."""
        with self._ending:
            close_all(of_light(self._guard.close), self._others.close)


@dataclass(frozen=True)
class RealBench:
    """An open rig; its laser is dark at first."""

    camera: CameraDriver
    beam: Beam
    clock: PacedClock
    deflector: Deflector
    laser: Laser
    world: World | None = None
    emulators: tuple[Child, ...] = ()

    def returned(self) -> tuple[Returned, ...]:
        """The settings of the devices as last read back; this does not query a device."""
        return (*self.camera.returned, *self.deflector.returned, *self.laser.returned)

    def identities(self) -> dict[str, str]:
        """The identities that devices report, by "camera.device", "deflector.device" and "laser.device"."""
        parts: dict[str, CameraDriver | Deflector | Laser] = {
            "camera": self.camera, "deflector": self.deflector, "laser": self.laser,
        }  # fmt: skip
        return {f"{part}.device": driver.identity for part, driver in parts.items() if driver.identity}

    def close(self) -> None:
        """Close the beam, then the camera. Raises Fault, with STILL_LIT if the laser could not be put out."""
        close_all(of_light(self.beam.close), self.camera.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_real_bench(
    camera: RealCamera, deflector: RealDeflector, laser: RealLaser, settings: BenchSettings
) -> RealBench:
    """Open real devices. Raises Fault, Refused, after closing the devices that were opened."""
    clock = PacedClock(1.0)
    with Opened() as devices:
        mirrors, lamp = _open_light(deflector, laser, clock, devices)  # first: dark even if the camera fails
        eye = camera.open(clock)
        devices.add(eye.close)
        beam = _guard(mirrors, lamp, clock, deflector, settings, camera.middle_um(settings.um_per_px))
        devices.keep()
    return RealBench(eye, beam, clock, mirrors, lamp)


def open_emulated_bench(
    sample: Sample, camera: SimulatedCamera, deflector: RealDeflector, laser: RealLaser, emulated: Emulated,
    settings: BenchSettings, *, seed: int = 0,
) -> RealBench:  # fmt: skip
    """Open emulated devices with a simulated sample, in real time. Raises Fault, Refused."""
    stage = replace(stage_of_camera(camera, settings.um_per_px, emulated.waist_um), frames_kept=8)
    world = World(sample, stage, seed=seed)
    warm_up_bench(sample, camera, stage, settings.um_per_px)
    um_to_v = deflector.nominal_map(stage.middle_um)
    with Opened() as devices:
        children: list[Child] = []
        if emulated.start:
            for key, link in (("deflector", deflector), ("laser", laser)):
                _refuse_link_outside(f"{key}.{link.address_key}", Path(link.address))
            for device in (deflector, laser):
                children.append(Child(device.emulator, Path(device.address)))
                devices.add(children[-1].close)
            emulated = replace(emulated, galvo_stream=children[0].stream_port, laser_stream=children[1].stream_port)
        clock = PacedClock(1.0)
        path = LightPath(world, clock, um_to_v.inverse, emulated.depth_kt_per_mw)
        with _put_out_on_failure(laser):
            for part, device, listener in (
                ("deflector", deflector, Listener("the galvo", emulated.galvo_stream, path.hear_galvo)),
                ("laser", laser, Listener("the laser", emulated.laser_stream, path.hear_laser)),
            ):
                devices.add(listener.close)
                listener.start()
                listener.require_device_at(f"{part}.{device.address_key}", device.address)
        mirrors, lamp = _open_light(deflector, laser, clock, devices)
        beam = _guard(mirrors, lamp, clock, deflector, settings, stage.middle_um)
        devices.add(of_light(beam.close))
        eye = SimulatedCameraDriver(camera, settings.um_per_px, world, clock, seed)
        others = devices.keep()
    return RealBench(eye, FinalDarkening(beam, others), clock, mirrors, lamp, world, tuple(children))


def _refuse_link_outside(key: str, link: Path) -> None:
    """Raises Refused unless the link to an emulator's terminal is in EMULATED or in the system's temporary folder.

    A rig file names the link, and opening a rig must not make folders or replace links elsewhere.
    """
    folders = [folder.resolve() for folder in (Path.cwd() / EMULATED, Path(tempfile.gettempdir()))]
    if not any(link.parent.resolve().is_relative_to(folder) for folder in folders):
        raise Refused(
            f"{key}: found '{link}', and a rig that starts its emulators makes their links only in {EMULATED} or "
            f"{folders[1]} (a port elsewhere needs 'emulated.start: false' and main.py emulate)"
        )


def _open_light(
    deflector: RealDeflector, laser: RealLaser, clock: PacedClock, devices: Opened
) -> tuple[Deflector, Laser]:
    """Open both, dark. Raises Refused, and Fault, with STILL_LIT if the laser did not confirm that it is off."""
    with _put_out_on_failure(laser):
        mirrors = deflector.open(clock)
        devices.add(mirrors.close)
        lamp = laser.open(mirrors)
    devices.add(of_light(lamp.close))
    return mirrors, lamp


@contextmanager
def _put_out_on_failure(laser: RealLaser) -> Iterator[None]:
    """Put the laser out if the block fails, whatever failed: it may be on from an earlier run.

    Raises Fault, with STILL_LIT, if the laser did not confirm that it is off, for any error of the block.
    """
    try:
        yield
    except Exception as trouble:
        why = _why_not_put_out(laser)
        if why:
            message = in_words(trouble)
            raise Fault(f"{STILL_LIT}: {why}" if why == message else f"{message}; {STILL_LIT}: {why}") from trouble
        raise
    except BaseException:  # a signal: the caller repeats it, and reports the result
        _why_not_put_out(laser)
        raise


def _why_not_put_out(laser: RealLaser) -> str:
    """Switch the laser off. Returns the reason if it did not confirm that, else empty."""
    try:
        laser.put_out()
    except Exception as error:  # noqa: BLE001  after any error the light may be on
        return in_words(error)
    return ""


def _guard(
    mirrors: Deflector, lamp: Laser, clock: PacedClock, deflector: RealDeflector, settings: BenchSettings,
    middle_um: tuple[float, float],
) -> Guard:  # fmt: skip
    low_um, high_um = settings.field_um
    power_mw = min(settings.power_cap_mw, lamp.max_power_mw)
    bounds = GuardLimits(low_um=low_um, high_um=high_um, power_mw=power_mw, heartbeat_s=settings.heartbeat_s)
    return Guard(mirrors, lamp, clock, settings.um_to_v or deflector.nominal_map(middle_um), bounds, watch=True)
