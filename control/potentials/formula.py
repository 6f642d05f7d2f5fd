"""A potential given by a formula."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

import numpy as np

from config.fields import Doc, settings
from control.potentials.dual import Dual, constant
from control.potentials.expression import RESERVED, FormulaError, evaluate, names_in, parse
from control.potentials.finite import refuse_infinities
from control.potentials.shape import Central, Floats

VARIABLES = ("r", "x", "y", "t")
MOST_PARAMETERS = 32
CENTRAL_RANGE_UM = (0.0, 10.0)
PLANE_RANGE_UM = (-100.0, 100.0)
TIMES_S = (0.0, 0.37, 1.0, 7.3, 60.0, 3600.0)  # times at which a formula of t must be finite


@settings
class Formula(Central):
    """V as a formula of the distance r, or of x and y (right and down from the centre), and of the time t in s.

    The force is the exact gradient. It must be finite within range_um. Below the range the force is that at its lower
    end; above the range it is 0.
    """

    kind: Literal["formula"] = "formula"
    formula: Annotated[str, Doc("such as 0.5*k*(r-R)**2; with + - * / **, pi, and functions from sin to where")]
    parameters: Annotated[dict[str, float], Doc("names in the formula, with their values")] = field(
        default_factory=dict, hash=False
    )
    unit: Annotated[Literal["pn_um", "kt"], Doc("unit of the energy")] = "pn_um"
    range_um: Annotated[
        tuple[float, float] | None, Doc("range of r, or of x and y each; left out: 0 to 10, or -100 to 100")
    ] = None

    def __post_init__(self) -> None:
        assert_parameters(len(self.parameters))
        for name in self.parameters:
            if not (name.isidentifier() and name.isascii()) or name in (*VARIABLES, *RESERVED):
                raise ValueError(f"a parameter can't be called '{name}': it is taken, or not a name")
        low, high = self.limits_um
        if low >= high or (self.central and low < 0.0):
            raise ValueError(f"range_um is {low:g} to {high:g}; it has to rise{', from 0 or more' * self.central}")
        self._refuse_infinities()

    @property
    def tree(self) -> ast.expr:
        """The checked syntax tree. Raises FormulaError."""
        return parse(self.formula, (*VARIABLES, *self.parameters))

    @property
    def central(self) -> bool:
        return not names_in(self.tree) & {"x", "y"}

    @property
    def steady(self) -> bool:
        return "t" not in names_in(self.tree)

    @property
    def limits_um(self) -> tuple[float, float]:
        return self.range_um or (CENTRAL_RANGE_UM if self.central else PLANE_RANGE_UM)

    @property
    def reach_um(self) -> float:
        return self.limits_um[1] if self.central else math.inf

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        clamped_um = np.clip(r_um, *self.limits_um)
        value, slope = self._radial(clamped_um, kt_pn_um, time_s)
        return np.asarray(value + slope * np.minimum(r_um - clamped_um, 0.0))

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        _, slope = self._radial(np.clip(r_um, *self.limits_um), kt_pn_um, time_s)
        return np.where(r_um > self.limits_um[1], 0.0, -slope)

    def energy_pn_um(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        if self.central:
            return super().energy_pn_um(offset_um, kt_pn_um=kt_pn_um, time_s=time_s)
        return self._planar(np.clip(offset_um, *self.limits_um), kt_pn_um, time_s)[0]

    def force_pn(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        if self.central:
            return super().force_pn(offset_um, kt_pn_um=kt_pn_um, time_s=time_s)
        clamped_um = np.clip(offset_um, *self.limits_um)
        _, gradient = self._planar(clamped_um, kt_pn_um, time_s)
        force_pn = np.where(clamped_um == offset_um, -gradient, 0.0)
        return np.where(np.isnan(offset_um).any(axis=-1, keepdims=True), np.nan, force_pn)

    def _radial(self, r_um: Floats, kt_pn_um: float, time_s: float) -> tuple[Floats, Floats]:
        """(energy [...], slope [...]) at distances [...]."""
        result = self._evaluated(_from_distance(r_um), kt_pn_um, time_s)
        slope = result.slopes[0] if result.slopes else np.zeros(())
        return np.broadcast_to(result.value, r_um.shape), np.broadcast_to(slope, r_um.shape)

    def _planar(self, offset_um: Floats, kt_pn_um: float, time_s: float) -> tuple[Floats, Floats]:
        """(energy [...], gradient [..., 2]) at offsets [..., 2]."""
        shape = offset_um.shape[:-1]
        result = self._evaluated(_from_offset(offset_um), kt_pn_um, time_s)
        slopes = [np.broadcast_to(slope, shape) for slope in result.slopes or (np.zeros(()),) * 2]
        return np.broadcast_to(result.value, shape), np.stack(slopes, axis=-1)

    def _evaluated(self, variables: Mapping[str, Dual], kt_pn_um: float, time_s: float) -> Dual:
        unit = constant(kt_pn_um if self.unit == "kt" else 1.0)
        return evaluate(self.tree, {**variables, **self._numbers(time_s)}) * unit

    def _numbers(self, time_s: float) -> dict[str, Dual]:
        return {name: constant(value) for name, value in (*self.parameters.items(), ("t", time_s))}

    def _refuse_infinities(self) -> None:
        """Raises FormulaError if the formula is not finite in its range, at several times if it depends on t."""
        axes = ("r",) if self.central else ("x", "y")
        for time_s in TIMES_S[:1] if self.steady else TIMES_S:

            def at(points_um: Floats, time_s: float = time_s) -> dict[str, Dual]:
                place = _from_distance(points_um[:, 0]) if self.central else _from_offset(points_um)
                return {**place, **self._numbers(time_s)}

            try:
                refuse_infinities(self.tree, self.formula, at, axes, self.limits_um)
            except FormulaError as error:
                if self.steady:
                    raise
                raise FormulaError(f"at t = {time_s:g} s {error.sentence}", self.formula, error.column) from None


def assert_parameters(count: int) -> None:
    """Raises ValueError if a formula has more than MOST_PARAMETERS parameters."""
    if count > MOST_PARAMETERS:
        raise ValueError(f"the formula has {count} parameters, and {MOST_PARAMETERS} are allowed")


def _from_distance(r_um: Floats) -> dict[str, Dual]:
    return {"r": Dual(r_um, (np.ones_like(r_um),))}


def _from_offset(offset_um: Floats) -> dict[str, Dual]:
    x_um, y_um = offset_um[..., 0], offset_um[..., 1]
    ones, zeros = np.ones_like(x_um), np.zeros_like(x_um)
    r_um = np.hypot(x_um, y_um)
    divisor_um = np.where(r_um == 0.0, 1.0, r_um)
    return {
        "x": Dual(x_um, (ones, zeros)),
        "y": Dual(y_um, (zeros, ones)),
        "r": Dual(r_um, (x_um / divisor_um, y_um / divisor_um)),
    }
