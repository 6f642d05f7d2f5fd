"""The guard: the Beam plug over one deflector and one laser, and the last word on every photon.

Dark at birth, when closed, at an exception, at the end of the process, at a command that it refuses, and when nobody
has sent a command for a while (the heartbeat). The heartbeat is a thread: it does not run while the process is stopped,
or while other code holds Python's lock. Then the light is the devices' affair (their `dead_man`).
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

ROUNDING = 1e-9  # a power or a place that is over its limit by this part is not over it


@dataclass(frozen=True, kw_only=True)
class GuardLimits:
    """What no command may exceed."""

    low_um: tuple[float, float]  # the field that the beam may visit
    high_um: tuple[float, float]
    power_mw: float
    heartbeat_s: float = 0.5  # longest time that light stays on without a new command


class Guard:
    """Checks, converts um to V, steers, shines, and answers what was done.

    Args:
        um_to_v: the calibrated map from the sample to the deflector.
        watch: whether a thread of its own keeps the heartbeat (rigs in real time). Without it the laser's own
            countdown does, which the simulated laser has, in the simulated world's time.
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
        self._silent = ""  # that the heartbeat was missed, until somebody was told
        self._last_s = 0.0
        self._came_s = 0.0  # when the last command came
        self._again_s = math.inf  # when the laser is switched off once more
        self._closing = False  # no new command is accepted; the watchdog still runs
        self._left = ""  # that light may have been left on when the devices were closed
        self._closed = threading.Event()
        laser.off()
        atexit.register(self._close_at_exit)
        self._watcher = threading.Thread(target=self._watch, name="watchdog", daemon=True) if watch else None
        if self._watcher:
            self._watcher.start()

    def send(self, command: Command) -> Command:
        """Steer and shine; a command without spots is dark. Answers what was done.

        Raises Fault, and is dark then; the Fault says so if the laser could not be put out.
        """
        came_s = self._clock.now_s()
        with self._lock:
            if self._closed.is_set():
                raise Fault(_joined("the beam is closed", self._left))
            self._came_s = came_s
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
        """Dark now. Never raises: a laser that does not answer is named in the reason that comes back."""
        with self._lock:
            if self._closed.is_set():
                return replace(dark_command(_joined(reason, self._left)), may_be_lit=bool(self._left))
            try:
                return self._off(reason)
            except Exception as trouble:  # noqa: BLE001 - whatever it is, the operator reads it
                self._silent = f"{STILL_LIT}: {text_of(trouble)}"
                return replace(dark_command(f"{reason}; {self._silent}"), may_be_lit=True)

    def close(self) -> None:
        """Dark, and let the devices go; returns when they are closed, whichever thread closes them.

        The watchdog runs until then: while a device call holds the lock, it puts the laser out. After that it raises a
        Fault if the laser could not be put out, or a device could not be closed.
        """
        self._closing = True
        close_all(self._close_devices, self._end_watchdog)

    def _close_at_exit(self) -> None:
        """`close`, which no signal cuts short: the process ends anyway, and a device has its time limits."""
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
        """Raises Fault, with STILL_LIT, where light may be left on."""
        self._left = self._silent if self._lit else ""
        try:
            of_light(self.laser.close)()
        except Fault as fault:
            if not says_lit(fault):
                raise Fault(_joined(str(fault), self._left)) from fault
            self._left = str(fault)
        if self._left:
            raise Fault(f"the beam was closed; {self._left}")

    def _end_watchdog(self) -> None:
        if self._watcher and self._watcher is not threading.current_thread():
            self._watcher.join(timeout=2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fail(self, trouble: BaseException) -> None:
        """Dark after a command that failed. Raises Fault with all that is known; returns if `trouble` says it all."""
        said, self._silent = self._silent, ""  # what the watchdog did meanwhile explains the rest
        self.dark(text_of(trouble))
        if isinstance(trouble, KeyboardInterrupt | SystemExit):
            return  # if it is still lit, the next command raises that
        lit, self._silent = self._silent, ""
        if isinstance(trouble, Fault) and not said and not lit:
            return
        text = text_of(trouble)
        words = text if isinstance(trouble, Fault) else f"{text} ({type(trouble).__name__})"
        words = f"{said} ({text})" if said else words
        raise Fault(words if STILL_LIT in words else _joined(words, lit)) from trouble

    def _light(self, command: Command) -> Command:
        steered = self.deflector.steer(self._um_to_v(command.position_um), command.dwell_s)
        self._check_still_wanted()
        if not self._lit:
            self._last_s = self._clock.now_s()  # the heartbeat of a dark beam begins with its light
        self._lit = True  # from here on it may be
        power_mw = self.laser.shine(command.power_mw, self.bounds.heartbeat_s)
        self._tell_silence()
        self._last_s = self._clock.now_s()
        position_um = self._v_to_um(steered.position_v)
        return Command(position_um, power_mw, steered.dwell_s, command.particle, "", steered.effect_s)

    def _check_still_wanted(self) -> None:
        """Raises Fault for a command whose moment passed while the deflector was steered."""
        if self._closing:
            raise Fault("the beam is closed")
        self._tell_silence()
        took_s = self._clock.now_s() - self._came_s
        if took_s > self.bounds.heartbeat_s:
            raise Fault(
                f"the deflector took {took_s:.3g} s for a command, and {self.bounds.heartbeat_s:.3g} s is allowed"
            )

    def _off(self, reason: str) -> Command:
        self.laser.off()
        # The loop calls `off` in each dark turn. Where it hangs, the watchdog does, once the emission is to end.
        if self._unconfirmed():
            self._again_s = self._clock.now_s() + self.bounds.heartbeat_s
        elif self._lit:
            linger_s = getattr(self.laser, "linger_s", 0.0)
            self._again_s = self._clock.now_s() + linger_s if linger_s > 0.0 else math.inf
        self._lit = False
        return Command(reason=reason, effect_s=self._clock.now_s())

    def _end_lingering(self) -> None:
        """Emission that stays on behind a dark modulator ends in its time, also if no command comes."""
        if not self._lit and self._clock.now_s() >= self._again_s:
            self._again_s = self._clock.now_s() + self.bounds.heartbeat_s  # if it fails, once more
            try:
                self.laser.off()
            except Exception as trouble:  # noqa: BLE001 - reported by the next send
                self._silent = f"{STILL_LIT}: {text_of(trouble)}"
            else:
                self._again_s = self._again_s if self._unconfirmed() else math.inf

    def _unconfirmed(self) -> bool:
        """Whether the laser is dark behind another shutter than its emission, which did not confirm that it is off."""
        return getattr(self.laser, "unconfirmed", False)

    def _check_alive(self) -> None:
        if self._closing:
            raise Fault("the beam is closed")
        self._check_heartbeat()
        self._tell_silence()

    def _tell_silence(self) -> None:
        """Raises Fault, once, if the watchdog has put the beam out."""
        if self._silent:
            said, self._silent = self._silent, ""
            raise Fault(said)

    def _check_heartbeat(self) -> None:
        silence_s = self._clock.now_s() - self._last_s
        if self._lit and silence_s > self.bounds.heartbeat_s:
            missed = f"no command came for {silence_s:.3g} s"
            self.dark(missed)
            self._silent = f"{missed}; {self._silent}" if self._lit else f"{missed}, and the beam went dark"

    def _check(self, command: Command) -> None:
        """Raises Fault for a command that no beam may carry out."""
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
        """The watchdog: darkens a lit beam that nobody has spoken to for a heartbeat."""
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
        """A device call holds the lock and does not come back: the laser is told without it."""
        if self._lit and self._clock.now_s() - self._last_s > self.bounds.heartbeat_s:
            self._silent = "a device did not answer within the heartbeat, and the beam went dark"
            try:
                self.laser.off()
            except Exception as trouble:  # noqa: BLE001 - tried again at the next beat; reported by the next send
                self._silent = f"a device did not answer, and the laser could not be put out: {text_of(trouble)}"


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Those that would end the process; they can be ignored in the main thread only."""
    before: dict[int, Any] = {}
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    left = list(numbers) if threading.current_thread() is threading.main_thread() else []
    while left:
        with suppress(BaseException):  # what the handlers raise until all are replaced
            while left:
                before.setdefault(left[-1], signal.getsignal(left[-1]))
                signal.signal(left[-1], signal.SIG_IGN)
                left.pop()
    try:
        yield
    finally:
        for number, action in before.items():
            if action is not None:
                signal.signal(number, action)


def _joined(words: str, more: str) -> str:
    return f"{words}; {more}" if more else words
