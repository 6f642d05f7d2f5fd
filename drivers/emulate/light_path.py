"""Converts the emulators' streams into light on the particles of the simulated world."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from config.geometry import Affine
from config.refused import Refused
from config.words import quoted
from control.contract import Fault
from drivers.emulate.process import LOOPBACK
from drivers.sim.clock import PacedClock
from drivers.sim.stage import Visits
from drivers.sim.world import World

AGAIN_S = 0.1  # interval between attempts to connect to an emulator
BEGIN_S = 5.0  # timeout of the first connection


class LightPath:
    """The light of the emulated laser, directed by the emulated galvo, in the simulated world.

    The spots of the galvo have the depth laser power x fraction x depth_kt_per_mw. If an emulator is dark or missing,
    the world is dark. Times of events are on the computer's monotonic clock.
    """

    def __init__(self, world: World, clock: PacedClock, v_to_um: Affine, depth_kt_per_mw: float) -> None:
        self._world, self._clock, self._v_to_um, self._depth_kt_per_mw = world, clock, v_to_um, depth_kt_per_mw
        self._galvo: dict[str, Any] | None = None
        self._power_mw = 0.0
        self._lock = threading.Lock()

    def hear_galvo(self, state: dict[str, Any] | None) -> None:
        """Take a new state of the galvo's beam; None: the galvo is missing."""
        with self._lock:
            self._galvo = state if state is not None and state["beam"] == "lit" else None
            self._shine(self._clock.at_ns(state["time_ns"]) if state is not None else self._clock.now_ns())

    def hear_laser(self, state: dict[str, Any] | None) -> None:
        """Take a new state of the laser's emission; None: the laser is missing."""
        with self._lock:
            self._power_mw = float(state["power_mw"]) if state is not None else 0.0
            self._shine(self._clock.at_ns(state["time_ns"]) if state is not None else self._clock.now_ns())

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
    """A thread that reads one emulator's stream, and reconnects when it ends."""

    def __init__(self, what: str, port: int, handle: Callable[[dict[str, Any] | None], None]) -> None:
        self._what, self._port, self._handle = what, port, handle
        self._received, self._closed = threading.Event(), threading.Event()
        self._socket: socket.socket | None = None
        self.line_port: str | None = None  # serial port of the streaming device, from the stream
        self._thread = threading.Thread(target=self._listen, name=f"light of {what}", daemon=True)

    def start(self) -> None:
        """Start. Raises Fault if nothing is received within BEGIN_S."""
        self._thread.start()
        if not self._received.wait(BEGIN_S):
            self.close()
            raise Fault(f"{self._what}: no emulator streams at {LOOPBACK}:{self._port} (main.py emulate starts one)")

    def require_device_at(self, key: str, port: str) -> None:
        """Raises Refused unless the emulator that streams is the device at `port`, a setting of the name `key`.

        Otherwise another device, perhaps a real one, would give the light, and the simulated sample would get none.
        """
        where = f"{self._what}: the emulator that streams at {LOOPBACK}:{self._port}"
        if not isinstance(self.line_port, str):
            raise Refused(f"{where} does not say which port it has; start it anew with this version")
        if os.path.realpath(port) != os.path.realpath(self.line_port):
            raise Refused(
                f"{where} is not the device at {key} '{quoted(port, 120)}': it has '{quoted(self.line_port, 120)}', "
                "and a rig with 'emulated' gives light by its emulators only"
            )

    def close(self) -> None:
        self._closed.set()
        line = self._socket
        if line is not None:
            with suppress(OSError):  # already closed
                line.shutdown(socket.SHUT_RDWR)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=2.0)

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                with socket.create_connection((LOOPBACK, self._port), timeout=1.0) as line:
                    line.settimeout(None)
                    self._socket = line
                    self._read_all(line)
            except (OSError, ValueError, KeyError, TypeError):  # missing or invalid: dark until it is back
                self._handle(None)
            self._socket = None
            self._closed.wait(AGAIN_S)

    def _read_all(self, line: socket.socket) -> None:
        partial = b""
        at_start = True
        while not self._closed.is_set():
            data = line.recv(65536)
            if not data:
                break
            *lines, partial = (partial + data).split(b"\n")
            for line_bytes in lines:
                state = json.loads(line_bytes)
                if at_start and isinstance(state, dict):
                    self.line_port = state.get("port")
                at_start = False
                self._handle(state)
                self._received.set()
        self._handle(None)
