"""The guard: the Beam plug over one deflector and one laser. It checks every command before the devices.

The beam is dark at the start, after closing, after an exception, at the end of the process, after a refused command,
and if no command comes for some time (the heartbeat). A thread watches the heartbeat. It does not run while the process
is stopped, or while other code holds Python's lock: then only the devices can switch the light off (their `dead_man`).
"""

from __future__ import annotations

import atexit
import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from config.warp import Map
from config.words import text_of
from control.contract import STILL_LIT, Clock, Command, Fault, says_lit
from control.contract import dark as dark_command
from drivers.closing import close_all, of_light
from drivers.light_protocols import Deflector, Laser

ROUNDING = 1e-9  # tolerance of the limits: relative for powers, um for positions


@dataclass(frozen=True, kw_only=True)
class GuardLimits:
    """Limits of every command."""

    low_um: tuple[float, float]  # the field that the beam may visit
    high_um: tuple[float, float]
    power_mw: float
    heartbeat_s: float = 0.5  # longest time that light stays on without a new command


class Guard:
    """Checks commands, converts um to V, steers the deflector, sets the laser, and returns commands as executed.

    Args:
        um_to_v: the calibrated map from the sample to the deflector.
        watch: whether a thread watches the heartbeat (rigs in real time). Without it, the timer of the simulated laser
            does, in the time of the simulated world.
    """

    def __init__(
        self, deflector: Deflector, laser: Laser, clock: Clock, um_to_v: Map, bounds: GuardLimits, *, watch: bool
    ) -> None:
        if (um_to_v.source, um_to_v.target) != ("um", "v"):
            raise ValueError(f"the guard needs a map from um to v, not from {um_to_v.source} to {um_to_v.target}")
        self.deflector, self.laser, self.bounds = deflector, laser, bounds
        self._clock, self._um_to_v, self._v_to_um = clock, um_to_v, um_to_v.inverse
        self._lock = threading.RLock()
        self._lit = False
        self._silent = ""  # message that the watchdog darkened the beam, until it is reported
        self._last_s = 0.0
        self._arrival_s = 0.0  # arrival of the last command
        self._repeat_s = math.inf  # time at which the laser is switched off again
        self._closing = False  # no new command is accepted; the watchdog still runs
        self._lit_message = ""  # message that light may still be on after the devices were closed
        self._closed = threading.Event()
        laser.off()
        atexit.register(self._close_at_exit)
        self._watcher = threading.Thread(target=self._watch, name="watchdog", daemon=True) if watch else None
        if self._watcher:
            self._watcher.start()

    def send(self, command: Command) -> Command:
        """Execute a command, and return it as executed. A command without spots makes the beam dark.

        Raises Fault, after which the beam is dark; the Fault contains STILL_LIT if the laser could not be put out.
        """
        arrival_s = self._clock.now_s()
        with self._lock:
            if self._closed.is_set():
                raise Fault(_joined("the beam is closed", self._lit_message))
            self._arrival_s = arrival_s
            try:
                self._check_alive()
                if len(command) == 0:
                    return self._off(command.reason or "no spots")
                self._check(command)
                return self._light(command)
            except BaseException as trouble:
                self._fail(trouble)
                raise

    def dark(self, reason: str) -> Command:
        """Make the beam dark at once. Never raises: the returned reason states an error of the laser."""
        with self._lock:
            if self._closed.is_set():
                return replace(dark_command(_joined(reason, self._lit_message)), may_be_lit=bool(self._lit_message))
            try:
                return self._off(reason)
            except Exception as trouble:  # noqa: BLE001 - any error is shown to the operator
                self._silent = f"{STILL_LIT}: {text_of(trouble)}"
                return replace(dark_command(f"{reason}; {self._silent}"), may_be_lit=True)

    def close(self) -> None:
        """Make the beam dark and close the devices; returns when they are closed, whichever thread closes them.

        The watchdog runs until then: while a device call holds the lock, it puts the laser out. At the end a Fault is
        raised if the laser could not be put out, or a device could not be closed.
        """
        self._closing = True
        close_all(self._close_devices, self._end_watchdog)

    def _close_at_exit(self) -> None:
        """`close` without interruption by signals: the process ends anyway, and device calls have time limits."""
        with _signals_ignored():
            Guard.close(self)

    def _close_devices(self) -> None:
        with self._lock:
            if self._closed.is_set():
                return
            try:
                close_all(lambda: self.dark("closed"), self._close_laser, self.deflector.close)
            finally:
                self._closed.set()
                atexit.unregister(self._close_at_exit)

    def _close_laser(self) -> None:
        """Raises Fault, with STILL_LIT, if light may still be on."""
        self._lit_message = self._silent if self._lit else ""
        try:
            of_light(self.laser.close)()
        except Fault as fault:
            if not says_lit(fault):
                raise Fault(_joined(str(fault), self._lit_message)) from fault
            self._lit_message = str(fault)
        if self._lit_message:
            raise Fault(f"the beam was closed; {self._lit_message}")

    def _end_watchdog(self) -> None:
        if self._watcher and self._watcher is not threading.current_thread():
            self._watcher.join(timeout=2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fail(self, error: BaseException) -> None:
        """Make the beam dark after a failed command. Raises Fault with all causes; returns if `error` has all."""
        watchdog_message, self._silent = self._silent, ""  # an action of the watchdog may have caused the failure
        self.dark(text_of(error))
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return  # if it is still lit, the next command raises a Fault
        lit, self._silent = self._silent, ""
        if isinstance(error, Fault) and not watchdog_message and not lit:
            return
        text = text_of(error)
        message = text if isinstance(error, Fault) else f"{text} ({type(error).__name__})"
        message = f"{watchdog_message} ({text})" if watchdog_message else message
        raise Fault(message if STILL_LIT in message else _joined(message, lit)) from error

    def _light(self, command: Command) -> Command:
        steered = self.deflector.steer(self._um_to_v(command.position_um), command.dwell_s)
        self._check_still_wanted()
        if not self._lit:
            self._last_s = self._clock.now_s()  # the heartbeat begins when the light goes on
        self._lit = True  # from here on it may be
        power_mw = self.laser.shine(command.power_mw, self.bounds.heartbeat_s)
        self._raise_silence()
        self._last_s = self._clock.now_s()
        position_um = self._v_to_um(steered.position_v)
        return Command(position_um, power_mw, steered.dwell_s, command.particle, "", steered.effect_s)

    def _check_still_wanted(self) -> None:
        """Raises Fault for a command that became obsolete while the deflector was steered."""
        if self._closing:
            raise Fault("the beam is closed")
        self._raise_silence()
        took_s = self._clock.now_s() - self._arrival_s
        if took_s > self.bounds.heartbeat_s:
            raise Fault(
                f"the deflector took {took_s:.3g} s for a command, and {self.bounds.heartbeat_s:.3g} s is allowed"
            )

    def _off(self, reason: str) -> Command:
        self.laser.off()
        # The loop calls `off` in each dark turn. If the loop hangs, the watchdog calls it when emission has to end.
        if self._unconfirmed():
            self._repeat_s = self._clock.now_s() + self.bounds.heartbeat_s
        elif self._lit:
            linger_s = getattr(self.laser, "linger_s", 0.0)
            self._repeat_s = self._clock.now_s() + linger_s if linger_s > 0.0 else math.inf
        self._lit = False
        return Command(reason=reason, effect_s=self._clock.now_s())

    def _end_lingering(self) -> None:
        """End emission that stays on behind a dark modulator after its time, also if no command comes."""
        if not self._lit and self._clock.now_s() >= self._repeat_s:
            self._repeat_s = self._clock.now_s() + self.bounds.heartbeat_s  # repeated if it fails
            try:
                self.laser.off()
            except Exception as trouble:  # noqa: BLE001 - reported by the next send
                self._silent = f"{STILL_LIT}: {text_of(trouble)}"
            else:
                self._repeat_s = self._repeat_s if self._unconfirmed() else math.inf

    def _unconfirmed(self) -> bool:
        """Whether only another shutter darkens the laser: its emission was not confirmed to be off."""
        return getattr(self.laser, "unconfirmed", False)

    def _check_alive(self) -> None:
        if self._closing:
            raise Fault("the beam is closed")
        self._check_heartbeat()
        self._raise_silence()

    def _raise_silence(self) -> None:
        """Raises Fault, once, if the watchdog has put the beam out."""
        if self._silent:
            message, self._silent = self._silent, ""
            raise Fault(message)

    def _check_heartbeat(self) -> None:
        silence_s = self._clock.now_s() - self._last_s
        if self._lit and silence_s > self.bounds.heartbeat_s:
            message = f"no command came for {silence_s:.3g} s"
            self.dark(message)
            self._silent = f"{message}; {self._silent}" if self._lit else f"{message}, and the beam went dark"

    def _check(self, command: Command) -> None:
        """Raises Fault for an invalid command, or one beyond the limits."""
        number = len(command)
        shapes = (command.position_um.shape, command.dwell_s.shape, command.particle.shape)
        if shapes != ((number, 2), (number,), (number,)):
            raise Fault(f"a command's columns have the shapes {shapes} for {number} spots")
        for name, column in (
            ("position", command.position_um),
            ("power", command.power_mw),
            ("dwell", command.dwell_s),
        ):
            if not np.isfinite(column).all():
                raise Fault(f"a spot's {name} is not finite")
        if (command.power_mw < 0).any():
            raise Fault(f"a spot's power is negative: {command.power_mw.min():.4g} mW")
        if (command.dwell_s <= 0).any():
            raise Fault(f"a spot's dwell is not a positive time: {command.dwell_s.min():.4g} s")
        strongest_mw = command.power_mw.max()
        if strongest_mw > self.bounds.power_mw * (1.0 + ROUNDING):
            raise Fault(f"a spot of {strongest_mw:.4g} mW was asked, and {self.bounds.power_mw:.4g} mW is allowed")
        self._check_places(command)

    def _check_places(self, command: Command) -> None:
        low, high = np.array(self.bounds.low_um) - ROUNDING, np.array(self.bounds.high_um) + ROUNDING
        out = ~((command.position_um >= low) & (command.position_um <= high)).all(axis=1)  # [M]
        if out.any():
            x, y = command.position_um[out][0]
            raise Fault(f"a spot at ({x:.4g}, {y:.4g}) um lies outside of the field that the beam may visit")
        position_v = self._um_to_v(command.position_um)
        reach = (position_v >= np.array(self.deflector.low_v)) & (position_v <= np.array(self.deflector.high_v))
        if not reach.all():
            x, y = command.position_um[~reach.all(axis=1)][0]
            raise Fault(f"a spot at ({x:.4g}, {y:.4g}) um is beyond the deflector's range of volts")

    def _watch(self) -> None:
        """The watchdog: darkens a lit beam that got no command for heartbeat_s."""
        while not self._closed.wait(self.bounds.heartbeat_s / 4.0):
            if self._lock.acquire(timeout=self.bounds.heartbeat_s / 4.0):
                try:
                    self._check_heartbeat()
                    self._end_lingering()
                finally:
                    self._lock.release()
            else:
                self._put_out_a_hung_beam()

    def _put_out_a_hung_beam(self) -> None:
        """Switch the laser off without the lock, since a hanging device call holds it."""
        if self._lit and self._clock.now_s() - self._last_s > self.bounds.heartbeat_s:
            self._silent = "a device did not answer within the heartbeat, and the beam went dark"
            try:
                self.laser.off()
            except Exception as trouble:  # noqa: BLE001 - tried again at the next beat; reported by the next send
                self._silent = f"a device did not answer, and the laser could not be put out: {text_of(trouble)}"


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ignore the signals that would end the process; this is possible in the main thread only."""
    handlers: dict[int, Any] = {}
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    remaining = list(numbers) if threading.current_thread() is threading.main_thread() else []
    while remaining:
        with suppress(BaseException):  # handlers may raise until all are replaced
            while remaining:
                handlers.setdefault(remaining[-1], signal.getsignal(remaining[-1]))
                signal.signal(remaining[-1], signal.SIG_IGN)
                remaining.pop()
    try:
        yield
    finally:
        for number, action in handlers.items():
            if action is not None:
                signal.signal(number, action)


def _joined(text: str, addition: str) -> str:
    return f"{text}; {addition}" if addition else text
