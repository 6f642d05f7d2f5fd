"""Whether Python finds the packages of Cybloids: a file of the same name in the working folder hides one."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PACKAGES = ("app", "benchmarks", "config", "control", "drivers", "models", "tracking")


class HiddenPackage(ImportError):
    """A package of Cybloids that Python does not find, because another file has its name. One sentence."""


def require_own_packages() -> None:
    """To be called before any of the packages is imported; imports none of them. Raises HiddenPackage."""
    for name in PACKAGES:
        hiding = _found_instead(name)
        if hiding:
            raise HiddenPackage(_sentence(name, hiding))


def _found_instead(name: str) -> str:
    """The path of what an import of this name gives; "" where that is our own package."""
    try:
        spec = find_spec(name)
    except ValueError:  # a module of this name was imported, and does not say from where
        return str(getattr(sys.modules[name], "__file__", None) or f"a module '{name}' of the running program")
    if spec is None:
        return "nothing"
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    found = Path(places[0]).resolve() if places else Path()
    return "" if found in (FOLDER / name, FOLDER / name / "__init__.py") else str(found)


def _sentence(name: str, hiding: str) -> str:
    if hiding == "nothing":
        return f"the package '{name}' of Cybloids is missing in {FOLDER}: install Cybloids again"
    if name in sys.modules:
        return (
            f"'{name}' was imported from {hiding} before, and hides the package '{name}' of Cybloids: rename that "
            "file, and start Python again"
        )
    return (
        f"{hiding} hides the package '{name}' of Cybloids: rename that file, or start Python in another folder "
        "(the command cybloids is not affected)"
    )
