"""Every number of every settings class has bounds, which the reader enforces."""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

import app
import control
import drivers
import models
import tracking
from app.assembly.plan import plan
from config.fields import LARGEST_COUNT, LONGEST_TEXT, beyond, bounds, describe
from config.reader import Document, build, plain, put
from config.refused import Refused

ROOT = Path(__file__).parent.parent.parent
EXPERIMENT = ROOT / "config" / "experiments" / "annular_activity.yaml"
EXTREMES: tuple[Any, ...] = (1e308, -1e308, 1e-300, math.nan, math.inf, -math.inf, 2**63, -(2**63) - 1, "x" * 20_001)


def settings_classes() -> list[type]:
    """Every settings class of the program."""
    found: dict[str, type] = {}
    for package in (app, control, drivers, models, tracking):
        for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not one.name.startswith(("app.desktop", "drivers.emulate.__main__")):
                found |= _in(importlib.import_module(one.name))
    return sorted(found.values(), key=lambda cls: f"{cls.__module__}.{cls.__qualname__}")


def _in(module: ModuleType) -> dict[str, type]:
    return {
        f"{cls.__module__}.{name}": cls
        for name, cls in vars(module).items()
        if isinstance(cls, type) and "__pydantic_config__" in vars(cls) and cls.__module__ == module.__name__
    }


def test_every_number_has_plausible_bounds() -> None:
    classes = settings_classes()
    assert len(classes) > 50
    numbers = 0
    for cls in classes:
        own = bounds(cls)
        for form in describe(cls):
            if form.type in (int, float) or set(get_args(form.type)) & {int, float}:
                low, high = own[form.name]
                numbers += 1
                assert -1e18 <= low < high <= 1e18 or (form.type is int and high <= LARGEST_COUNT), (cls, form.name)
                assert low >= form.minimum, (cls, form.name)
    assert numbers > 150


def test_every_field_refuses_values_beyond_its_bounds() -> None:
    for cls in settings_classes():
        for form in describe(cls):
            if Any in (form.type, *get_args(form.type)) or form.choices:
                continue
            low, high = bounds(cls)[form.name]
            made: Any = object.__new__(cls)
            for extreme in EXTREMES:
                for field in dataclasses.fields(cls):
                    object.__setattr__(made, field.name, None)
                object.__setattr__(made, form.name, extreme)
                inside = isinstance(extreme, (int, float)) and low <= extreme <= high
                assert bool(list(beyond(made))) is not inside, (cls, form.name, extreme)


def keys(inside: Any, at: tuple[Any, ...] = ()) -> list[str]:
    """The dotted keys of nested data."""
    inner = inside.items() if isinstance(inside, dict) else enumerate(inside) if isinstance(inside, list) else ()
    return [".".join(map(str, at))] * bool(at) + [key for name, below in inner for key in keys(below, (*at, name))]


def refusal(document: Document, cls: type) -> str:
    """The reason why these settings are refused; "" if they are accepted."""
    try:
        build(document, cls)
    except Refused as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("extreme", EXTREMES, ids=lambda value: str(value)[:12])
def test_every_key_accepts_or_refuses_extreme_values(extreme: Any) -> None:
    """Only Refused is raised, with a sentence that names the key."""
    made = plan(EXPERIMENT)
    refused = 0
    for part in (made.rig, made.experiment):
        document = Document("plan.yaml", plain(part), {})
        for key in [key for key in keys(plain(part)) if not key.startswith("set.")]:
            said = refusal(put(document, key, extreme, "here"), type(part))
            if said:
                refused += 1
                assert len(said) < 500, said
                assert key.split(".")[0] in said or "here" in said, said
            else:
                assert extreme == 1e-300, key  # equivalent to 0
    assert refused > 80


def test_settings_that_needed_74_gib_are_refused() -> None:
    with pytest.raises(Refused, match=r"'tracking\.diameter_px' is 100001"):
        plan(EXPERIMENT, None, ["tracking.diameter_px=100001"])
    with pytest.raises(Refused, match=r"'optics\.um_per_px' is 1e-300"):
        plan(EXPERIMENT, None, ["optics.um_per_px=1e-300"])
    assert sys.maxsize > LONGEST_TEXT
