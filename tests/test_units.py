"""Every setting with a unit has the unit at the end of its name: checked for the settings of all packages."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator

from config.units import SUFFIXES, unit_of

ROOMS = ("config", "control", "tracking", "drivers", "models", "app")

# Counts, indices, pure ratios and grey levels of trackpy's own names; of a check and of a family; and words
# that are units themselves.
PURE = {
    "average", "blink", "blur", "brightness", "core", "crowd_share", "diameter_ratio", "doubt", "drag_ratio", "drop",
    "efficiency_edge", "factor", "fps", "gain", "gradient", "layer_scale", "learning_rate", "light_spread", "matrix",
    "minmass", "minutes", "noise", "options", "parameters", "percentile", "power_factor", "precision", "ratio",
    "residual", "response", "seconds", "share", "size_spread", "stale_periods", "stated", "sure", "terms", "threshold",
    "tolerance", "true_shear", "true_stretch", "uneven", "values", "want", "weight_decay", "within",
}  # fmt: skip
UNKNOWN_UNITS = {
    "sec",
    "secs",
    "msec",
    "usec",
    "mm",
    "nm",
    "micron",
    "microns",
    "degrees",
    "watt",
    "w",
    "percent",
}


def settings_classes() -> Iterator[type]:
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            for found in vars(importlib.import_module(module.name)).values():
                if isinstance(found, type) and found.__module__ == module.name and dataclasses.is_dataclass(found):
                    yield found


def test_the_name_of_every_setting_ends_in_its_unit_unless_it_has_none() -> None:
    bare = {
        f"{cls.__module__}.{cls.__name__}.{field.name}"
        for cls in settings_classes()
        if hasattr(cls, "__pydantic_config__")
        for field in dataclasses.fields(cls)
        if "float" in str(field.type) and not unit_of(field.name) and field.name not in PURE
    }
    of_the_models_own_units = {name for name in bare if name.startswith("models.")}  # a card has the scale of its task
    assert bare - of_the_models_own_units == set()


def test_no_name_ends_in_a_unit_that_is_not_in_the_table() -> None:
    wrong = {
        f"{cls.__module__}.{cls.__name__}.{field.name}"
        for cls in settings_classes()
        for field in dataclasses.fields(cls)
        if field.name.rsplit("_", 1)[-1] in UNKNOWN_UNITS - SUFFIXES.keys()
    }
    assert wrong == set()
