"""The map from camera to deflector as stored in a calibration file."""

from __future__ import annotations

from typing import Annotated

from config.fields import Doc, Gt, settings
from config.geometry import Affine
from config.warp import Warp

Pair = tuple[float, float]


@settings
class StoredMap:
    """The map from camera to deflector, from px of the whole sensor: affine, plus a polynomial of low order."""

    matrix_v_per_px: Annotated[tuple[Pair, Pair], Doc("its affine part")]
    shift_v: Annotated[Pair, Doc("where px (0, 0) goes")]
    centre_px: Annotated[Pair, Doc("origin of the polynomial")] = (0.0, 0.0)
    radius_px: Annotated[float, Gt(0), Doc("unit of length of the polynomial")] = 1.0
    terms_v: Annotated[tuple[Pair, ...], Doc("coefficients of X^2, X Y, Y^2, X^3, ...; none: affine")] = ()

    def warp(self) -> Warp:
        return Warp(
            Affine("sensor_px", "v", self.matrix_v_per_px, self.shift_v), self.centre_px, self.radius_px, self.terms_v
        )

    @classmethod
    def of(cls, warp: Warp) -> StoredMap:
        return cls(
            matrix_v_per_px=warp.affine.matrix, shift_v=warp.affine.shift, centre_px=warp.centre,
            radius_px=warp.radius, terms_v=warp.terms,
        )  # fmt: skip
