"""A simulated two-axis beam deflector: V to um, with its converter, jumps, delay and uneven efficiency."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Ge, Gt, Interval, settings
from config.geometry import Affine
from control.contract import Fault
from drivers.device_settings import DeflectorSettings
from drivers.light_protocols import DeflectorReadback
from drivers.readback import Returned
from drivers.sim.clock import SimulatedClock
from drivers.sim.laser import Aim, SimulatedLaserDriver

Floats = NDArray[np.float64]


@settings
class SimulatedDeflector(DeflectorSettings):
    """A simulated deflector. The instrument does not use its `true_` numbers."""

    simulated: ClassVar[bool] = True

    kind: Literal["simulated"] = "simulated"
    range_v: Annotated[float, Gt(0), Doc("the converter gives -range_v to +range_v on each axis")] = 10.0
    v_per_um: Annotated[float, Interval(ge=1e-6, le=1e4), Doc("voltage that moves the spot by 1 um in the sample")] = (
        0.25
    )
    bits: Annotated[int, Interval(ge=4, le=32), Doc("resolution of the converter")] = 16
    settle_s: Annotated[float, Ge(0), Doc("dark time of a jump (estimate for an acousto-optic deflector)")] = 1e-5
    delay_s: Annotated[float, Ge(0), Doc("from the command to the first visit")] = 1e-4
    min_dwell_s: Annotated[float, Ge(0), Doc("shortest visit; shorter ones are made so long")] = 2e-5
    efficiency_edge: Annotated[float, Interval(ge=0, le=1), Doc("efficiency at the ends of the range, middle = 1")] = (
        0.8
    )
    jitter_um: Annotated[float, Ge(0), Doc("rms wander of the spot, along each axis")] = 0.0
    true_rotation_deg: Annotated[float, Doc("by how much the deflector's axes are turned against the image's")] = 0.0
    true_shift_um: Annotated[tuple[float, float], Doc("where 0 V really points, from the middle of the field")] = (0, 0)
    true_delay_s: Annotated[float, Ge(0), Doc("the real delay_s; 0: as configured")] = 0.0
    true_v_per_um: Annotated[float, Interval(ge=0, le=1e4), Doc("the real v_per_um; 0: as configured")] = 0.0

    @property
    def dead_man(self) -> str:
        """State of the light after the program has died."""
        return "simulated: it ends with the program"


class SimulatedDeflectorDriver:
    """The Deflector plug over a simulated world."""

    firmware = "simulated deflector"
    identity = ""
    returned: tuple[Returned, ...] = ()

    def __init__(
        self, config: SimulatedDeflector, middle_um: tuple[float, float], clock: SimulatedClock,
        laser: SimulatedLaserDriver,
    ) -> None:  # fmt: skip
        self._config, self._clock, self._laser = config, clock, laser
        self._middle_um = np.array(middle_um)
        self.low_v = (-config.range_v, -config.range_v)
        self.high_v = (config.range_v, config.range_v)
        self._v_to_um = true_map(config, middle_um).inverse
        self._open = True

    def steer(self, position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        """Steer, quantised to the converter's steps and to ns. Raises Fault out of range, or after `close`."""
        config = self._config
        if not self._open:
            raise Fault("the simulated deflector is closed")
        if not (np.abs(position_v) <= config.range_v).all():
            raise Fault(
                f"the simulated deflector gives -{config.range_v:g} to {config.range_v:g} V, and more was asked"
            )
        step_v = 2.0 * config.range_v / (2**config.bits - 1)
        steps = np.rint((position_v + config.range_v) / step_v)
        position_v = np.asarray(steps * step_v - config.range_v, np.float64)  # [M, 2]
        dwell_ns = np.rint(np.maximum(dwell_s, config.min_dwell_s) * 1e9).astype(np.int64)  # [M]
        dwell_ns = np.maximum(dwell_ns, 1)
        due_ns = self._clock.acts_ns() + round(config.delay_s * 1e9)
        relative = np.hypot(*(position_v / config.range_v).T)  # [M] 1 at the end of an axis
        efficiency = np.maximum(1.0 - (1.0 - config.efficiency_edge) * relative**2, 0.0)
        settle_ns = round(config.settle_s * 1e9)
        really_ns = self._clock.acts_ns() + round((config.true_delay_s or config.delay_s) * 1e9)
        self._laser.aim = Aim(self._v_to_um(position_v), efficiency, dwell_ns, settle_ns, really_ns)
        return DeflectorReadback(position_v, dwell_ns.astype(np.float64) * 1e-9, due_ns * 1e-9)

    def status(self) -> str:
        return "ready" if self._open else "closed"

    def close(self) -> None:
        self._open = False


def true_map(config: SimulatedDeflector, middle_um: tuple[float, float]) -> Affine:
    """The true map from um to V."""
    scale = config.true_v_per_um or config.v_per_um
    turn = math.radians(config.true_rotation_deg)
    matrix = scale * np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    shift = -matrix @ (np.array(middle_um) + np.array(config.true_shift_um))
    (a, b), (c, d) = matrix.tolist()
    return Affine("um", "v", ((a, b), (c, d)), (float(shift[0]), float(shift[1])))
