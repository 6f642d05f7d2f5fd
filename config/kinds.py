"""List pages: the kinds of settings that a key accepts, built-in ones and those of installed plug-ins.

A list page names one settings class per line, as "package.module:Class". An installed package adds a kind to a page by
an entry point of the group "cybloids.<page>", which names a class in the same way:

    [project.entry-points."cybloids.potentials"]
    cosine = "my_package.cosine:Cosine"
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_type_hints

from pydantic import Field, TypeAdapter
from typing_extensions import get_protocol_members

from config.refused import Refused
from config.words import is_signal, one_line, quoted

LARGEST_SOURCE = 10_000_000  # bytes of a plug-in's Python files
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class PlugIn:
    """A kind that an installed package adds to a list page."""

    page: str  # "potentials"
    kind: str
    package: str  # its name for pip
    version: str
    source_sha256: str  # of all Python files of its top-level package

    @property
    def words(self) -> str:
        return f"the plug-in '{quoted(self.kind)}' of {quoted(self.package)} {quoted(self.version)}"


PLUG_INS: dict[type, PlugIn] = {}  # the settings classes that come from plug-ins
NAMED: dict[tuple[str, str], PlugIn] = {}  # the functions that come from plug-ins, by page and name
LEFT_OUT: list[str] = []  # one sentence for each plug-in that can't be used


_REPORTED: set[tuple[str, str]] = set()  # (package, why): a module that can't be imported is reported once


def _report(entry: str, package: str, why: str) -> None:
    if (package, why) in _REPORTED:
        return
    _REPORTED.add((package, why))
    LEFT_OUT.append(f"warning: the plug-in '{quoted(entry)}' of {package} is left out ({why})")
    print(LEFT_OUT[-1], file=sys.stderr)


def kinds(page: str, *own: str | type, plug: type) -> Any:
    """The union of the settings classes of a list page, distinguished by their `kind`.

    A plug-in that can't be used is left out, with one sentence on standard error.

    Args:
        page: its name; plug-ins are entry points of the group "cybloids.<page>".
        own: built-in classes, or their places: "package.module:Class".
        plug: the protocol, or the abstract class, that each class implements.
    """
    classes = [_class_at(place) if isinstance(place, str) else place for place in own]
    packages = {kind_of(cls): "Cybloids" for cls in classes}

    def add(entry: EntryPoint, package: str, version: str) -> None:
        cls = entry.load()
        _require_plug(cls, plug, packages)
        TypeAdapter(cls)  # raises for the type of a field that can't be read from a file
        PLUG_INS[cls] = PlugIn(page, kind_of(cls), package, version, source_sha256(entry.module))
        packages[kind_of(cls)] = package
        classes.append(cls)

    _add_all(page, add)
    return Annotated[Union[tuple(classes)], Field(discriminator="kind")]  # noqa: UP007  made at run time


def lazy(**pages: Callable[[], Any]) -> Callable[[str], Any]:
    """A module's __getattr__ that makes its list pages on first access.

    Plug-ins are imported only then, which avoids circular imports. Annotations name such a page as an attribute of its
    module.
    """

    @cache
    def attribute(name: str) -> Any:
        if name not in pages:
            raise AttributeError(name)
        return pages[name]()

    return attribute


def functions(page: str, *own: str) -> dict[str, Callable[..., Any]]:
    """The functions that plug-ins add to a list page of functions, by name; `own` are the names of built-in ones.

    A plug-in that can't be used is left out, with one sentence on standard error.
    """
    packages, added = dict.fromkeys(own, "Cybloids"), {}

    def add(entry: EntryPoint, package: str, version: str) -> None:
        function = entry.load()
        if not callable(function) or isinstance(function, type):
            raise Refused("it is not a function")
        if entry.name in packages or not NAME.fullmatch(entry.name):
            raise Refused(f"the name '{quoted(entry.name)}' is already one of {packages[entry.name]}"
                          if entry.name in packages else "its name is not of small letters, digits and _")  # fmt: skip
        NAMED[page, entry.name] = PlugIn(page, entry.name, package, version, source_sha256(entry.module))
        packages[entry.name], added[entry.name] = package, function

    _add_all(page, add)
    return added


def _add_all(page: str, add: Callable[[EntryPoint, str, str], None]) -> None:
    """`add` each entry point of a page, with the name and version of its package; report those that can't be used."""
    for entry in sorted(entry_points(group=f"cybloids.{page}"), key=lambda entry: entry.name):
        package, version = ("an unknown package", "") if entry.dist is None else (entry.dist.name, entry.dist.version)
        try:
            add(entry, package, version)
        except BaseException as error:  # of the code of a plug-in
            if is_signal(error):
                raise
            why = str(error) if issubclass(type(error), Refused) else f"{type(error).__name__}: {one_line(error)}"
            _report(entry.name, f"{package} {version}".strip(), why)


def _class_at(place: str) -> type:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)  # type: ignore[no-any-return]


def kind_of(cls: type) -> str:
    """The value of `kind` in a settings class. Raises Refused if there is none."""
    hint = get_type_hints(cls).get("kind")
    values = get_args(hint)
    if len(values) != 1 or not isinstance(values[0], str) or not NAME.fullmatch(values[0]):
        raise Refused(f"its 'kind' is {quoted(hint)}, where Literal['a_name'] is needed")
    return values[0]


def _require_plug(cls: Any, plug: type, packages: dict[str, str]) -> None:
    """Raises Refused unless `cls` is a settings class that implements the plug, with a `kind` that is not taken."""
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls) and "__pydantic_config__" in vars(cls)):
        raise Refused("it is not a class with the decorator config.fields.settings")
    kind = kind_of(cls)
    if kind in packages:
        raise Refused(f"its kind '{kind}' is already one of {packages[kind]}")
    if missing := missing_members(cls, plug):
        raise Refused(f"{cls.__name__} lacks {', '.join(missing)} of {plug.__module__}.{plug.__name__}")


def missing_members(cls: type, plug: type) -> list[str]:
    """Members of the plug that `cls` lacks: attributes of a protocol; of a class, abstract and undefined ones.

    "the superclass" if `cls` is not derived from the class.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    abstract: set[str] = set()
    if getattr(plug, "_is_protocol", False):
        declared = set(get_protocol_members(plug))
    elif not issubclass(cls, plug):
        return ["the superclass"]
    else:
        abstract = set(getattr(cls, "__abstractmethods__", ()))
        plain = [base for base in cls.__mro__ if not dataclasses.is_dataclass(base)]
        declared = {name for base in plain for name in vars(base).get("__annotations__", ())}
    return sorted(abstract | {name for name in declared if name not in names and not hasattr(cls, name)})


@cache
def source_sha256(module: str) -> str:
    """SHA-256 of all Python files, with their paths, of the top-level package of a module. Raises Refused."""
    top = import_module(module.partition(".")[0])
    places = [Path(place) for place in getattr(top, "__path__", ())]
    files = [(file.relative_to(place), file) for place in places for file in place.rglob("*.py")]
    if not places and getattr(top, "__file__", None):
        files = [(Path(Path(str(top.__file__)).name), Path(str(top.__file__)))]
    if not files:
        raise Refused("its source can't be found")
    if sum(file.stat().st_size for _, file in files) > LARGEST_SOURCE:
        raise Refused(f"its source is too large (allowed: {LARGEST_SOURCE} bytes)")
    digest = sha256()
    for name, file in sorted(files, key=lambda pair: pair[0].as_posix()):
        text = file.read_bytes()
        digest.update(f"{name.as_posix()}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()


def used_plug_ins(*settings: Any) -> tuple[PlugIn, ...]:
    """The plug-ins whose kinds are used in settings."""
    plug_ins = set()
    for value in _values(settings):
        if type(value) in PLUG_INS:
            plug_ins.add(PLUG_INS[type(value)])
        for field, page in getattr(type(value), "function_pages", {}).items():
            if (page, getattr(value, field)) in NAMED:
                plug_ins.add(NAMED[page, getattr(value, field)])
    return tuple(sorted(plug_ins, key=lambda plug_in: (plug_in.page, plug_in.kind)))


def installed_plug_ins() -> tuple[PlugIn, ...]:
    """All plug-ins that can be used."""
    return tuple(sorted({*PLUG_INS.values(), *NAMED.values()}, key=lambda plug_in: (plug_in.page, plug_in.kind)))


def _values(value: Any) -> Iterator[Any]:
    """A value, and all settings and items in it."""
    yield value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    elif isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _values(inner)


def recorded_plug_ins(entries: Any, source: str) -> tuple[PlugIn, ...]:
    """The plug-ins that a run's header lists. Raises Refused for an invalid list."""
    names = {field.name for field in dataclasses.fields(PlugIn)}
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and set(entry) == names and all(isinstance(text, str) for text in entry.values())
        for entry in entries
    ):
        raise Refused(f"{source}the header's 'plug_ins' is {quoted(entries)}, where a list of plug-ins is needed")
    return tuple(PlugIn(**entry) for entry in entries)


def require_recorded(used: Iterable[PlugIn], recorded: Iterable[PlugIn], source: str) -> None:
    """Raises Refused if settings use a plug-in that was not recorded, or was recorded with another source."""
    before = {(plug_in.page, plug_in.kind): plug_in for plug_in in recorded}
    for now in used:
        then = before.get((now.page, now.kind))
        if then is None:
            raise Refused(f"{source}{now.words} is used, and the run was recorded without it")
        if then.source_sha256 != now.source_sha256:
            raise Refused(
                f"{source}the run was recorded with {then.words}, source {then.source_sha256[:12]}; installed is "
                f"{now.words}, source {now.source_sha256[:12]}"
            )


def require_installed(recorded: Iterable[PlugIn], *texts: str, source: str) -> None:
    """Raises Refused if settings, as YAML texts, name the kind of a recorded plug-in that is not installed."""
    installed = {(plug_in.page, plug_in.kind) for plug_in in installed_plug_ins()}
    for plug_in in recorded:
        pattern = re.compile(rf": ['\"]?{re.escape(plug_in.kind)}\b")
        if (plug_in.page, plug_in.kind) not in installed and any(map(pattern.search, texts)):
            raise Refused(f"{source}the run was recorded with {plug_in.words}, which is not installed")
