"""From the emulators to the simulated World: what their streams say, as light on its particles."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from config.geometry import Affine
from control.contract import Fault
from drivers.emulate.process import LOOPBACK
from drivers.sim.clock import PacedClock
from drivers.sim.stage import Visits
from drivers.sim.world import World

AGAIN_S = 0.1  # an emulator that is gone is looked for so often
BEGIN_S = 5.0  # and at the start, for so long


class LightPath:
    """The emulated laser's beam, by the emulated galvo's mirrors, onto the World.

    Spots that the galvo visits get the depth (laser's power x fraction x depth_kt_per_mw); whichever emulator is dark
    or gone, the World is dark. Times are those of the emulators' events on the computer's monotonic clock.
    """

    def __init__(self, world: World, clock: PacedClock, v_to_um: Affine, depth_kt_per_mw: float) -> None:
        self._world, self._clock, self._v_to_um, self._depth_kt_per_mw = world, clock, v_to_um, depth_kt_per_mw
        self._galvo: dict[str, Any] | None = None
        self._power_mw = 0.0
        self._lock = threading.Lock()

    def hear_galvo(self, said: dict[str, Any] | None) -> None:
        """What the galvo's beam does; None: the galvo is gone."""
        with self._lock:
            self._galvo = said if said is not None and said["beam"] == "lit" else None
            self._shine(self._clock.at_ns(said["time_ns"]) if said is not None else self._clock.now_ns())

    def hear_laser(self, said: dict[str, Any] | None) -> None:
        """What the laser's emission does; None: the laser is gone."""
        with self._lock:
            self._power_mw = float(said["power_mw"]) if said is not None else 0.0
            self._shine(self._clock.at_ns(said["time_ns"]) if said is not None else self._clock.now_ns())

    def _shine(self, at_ns: int) -> None:
        galvo = self._galvo
        if galvo is None or self._power_mw <= 0:
            self._world.darken(at_ns)
            return
        spot_um = self._v_to_um(np.array(galvo["position_v"]))
        power_mw = np.array(galvo["fraction"]) * self._power_mw
        dwell_ns = np.array(galvo["dwell_ns"], np.int64)
        until_ns = self._clock.at_ns(galvo["until_ns"])
        depth_kt, settle_ns = power_mw * self._depth_kt_per_mw, int(galvo["settle_ns"])
        self._world.put(Visits(spot_um, depth_kt, dwell_ns, settle_ns, at_ns, until_ns, power_mw=power_mw))


class Listener:
    """A thread that hears one emulator's stream, and looks for it again when it is gone."""

    def __init__(self, what: str, port: int, hear: Callable[[dict[str, Any] | None], None]) -> None:
        self._what, self._port, self._hear = what, port, hear
        self._heard, self._closed = threading.Event(), threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._listen, name=f"light of {what}", daemon=True)

    def start(self) -> None:
        """Raises Fault if the emulator does not speak within a few seconds."""
        self._thread.start()
        if not self._heard.wait(BEGIN_S):
            self.close()
            raise Fault(f"{self._what}: no emulator streams at {LOOPBACK}:{self._port} (main.py emulate starts one)")

    def close(self) -> None:
        self._closed.set()
        line = self._socket
        if line is not None:
            with suppress(OSError):  # it has gone by itself
                line.shutdown(socket.SHUT_RDWR)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=2.0)

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                with socket.create_connection((LOOPBACK, self._port), timeout=1.0) as line:
                    line.settimeout(None)
                    self._socket = line
                    self._hear_all(line)
            except (OSError, ValueError, KeyError, TypeError):  # not there, or it makes no sense: dark until it does
                self._hear(None)
            self._socket = None
            self._closed.wait(AGAIN_S)

    def _hear_all(self, line: socket.socket) -> None:
        begun = b""
        while not self._closed.is_set():
            said = line.recv(65536)
            if not said:
                break
            *lines, begun = (begun + said).split(b"\n")
            for one in lines:
                self._hear(json.loads(one))
                self._heard.set()
        self._hear(None)
