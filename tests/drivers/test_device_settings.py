"""Members that the settings of every device must have, and the class that opens it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from config.fields import variants
from config.kinds import missing_members
from config.refused import Refused
from drivers.cameras import AnyCamera
from drivers.cameras.opencv_capture import OpenCVCamera
from drivers.deflectors import AnyDeflector
from drivers.deflectors.serial_galvo import SerialGalvo
from drivers.device_settings import (
    CameraSettings,
    DeflectorSettings,
    LaserSettings,
    RealCamera,
    RealDeflector,
    RealLaser,
    of_class,
)
from drivers.emulate.kinds import KINDS
from drivers.lasers import AnyLaser
from drivers.sim.camera import SimulatedCamera
from tests.drivers.paper_devices import PaperCamera, PaperDeflector, PaperLaser

PAGES = [(AnyCamera, CameraSettings), (AnyDeflector, DeflectorSettings), (AnyLaser, LaserSettings)]


@pytest.mark.parametrize(("page", "plug"), PAGES)
def test_every_kind_has_all_required_members(page: Any, plug: type) -> None:
    for kind, cls in variants(page).items():
        assert missing_members(cls, plug) == [], kind
        key = cls.address_key  # type: ignore[attr-defined]
        assert key == "" or key in {field.name for field in dataclasses.fields(cls)}


def test_every_named_emulator_exists() -> None:
    named = {cls.emulator for page in (AnyDeflector, AnyLaser) for cls in variants(page).values()}  # type: ignore[attr-defined]
    assert named - {""} == set(KINDS)


@pytest.mark.parametrize(
    ("family", "made", "missing"),
    [
        (RealCamera, PaperCamera, ["fps", "height_px", "open", "width_px"]),
        (RealDeflector, PaperDeflector,
         ["dead_man", "delay_s", "min_dwell_s", "open", "range_v", "settle_s", "v_per_um"]),
        (RealLaser, PaperLaser, ["dead_man", "max_power_mw", "open", "put_out"]),
    ],
)  # fmt: skip
def test_missing_members_of_a_device_are_listed(family: type, made: type, missing: list[str]) -> None:
    @dataclasses.dataclass
    class Bare(family):  # type: ignore[misc]
        kind: str = "bare"

    assert missing_members(Bare, family) == missing
    assert missing_members(made, family) == []


def test_the_nominal_map_has_0_v_in_the_middle() -> None:
    deflector = SerialGalvo(port="x", v_per_um=0.2)
    middle_um = SimulatedCamera(width_px=101, height_px=51).middle_um(0.1)
    assert middle_um == pytest.approx((5.0, 2.5))
    volts = deflector.nominal_map(middle_um)(np.array([middle_um, (6.0, 4.5)]))
    assert volts == pytest.approx(np.array([(0.0, 0.0), (0.2, 0.4)]))


def test_the_address_is_read_from_the_named_field() -> None:
    assert OpenCVCamera(source="2").address == "2"
    assert SerialGalvo(port="COM3").address == "COM3"
    assert SimulatedCamera().address == ""


def test_a_kind_of_another_class_is_refused() -> None:
    assert of_class(PaperCamera(), RealCamera) == PaperCamera()
    with pytest.raises(Refused, match="the kind 'paper' is no SimulatedCamera"):
        of_class(PaperCamera(), SimulatedCamera)
