"""The strict reader: YAML into settings. What it refuses, it refuses in one sentence with file, line and key."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import types
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints, overload

import yaml
from pydantic import TypeAdapter, ValidationError

from config.refused import Refused

T = TypeVar("T")
Place = tuple[str | int, ...]

DEEPEST = 60  # mappings and lists within one another


@dataclass(frozen=True)
class Document:
    """Data as read, and where each piece of it stands."""

    source: str
    data: dict[str, Any]
    where: dict[Place, str]  # place -> "file, line 4" or "--set camera.fps"

    def place(self, at: Place) -> str:
        """Where the nearest known piece at or above `at` stands."""
        for length in range(len(at), -1, -1):
            if at[:length] in self.where:
                return self.where[at[:length]]
        return self.source


class _Loader(yaml.SafeLoader):
    """Safe YAML, with 1e3 read as a number (YAML 1.2), as a physicist writes it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read(path: Path | str) -> Document:
    """A YAML file. Refuses a missing file, bad YAML, a key written twice, and anything but a mapping at the top."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Refused(f"{path}: there is no such file{_near_file(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: this file can't be read as text ({error})") from None
    return parse(text, str(path))


def parse(text: str, source: str) -> Document:
    """YAML text; `source` is what an error calls it."""
    where: dict[Place, str] = {(): source}
    try:
        data = _data(text, source, where)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise Refused(f"{source}{line}: this is not YAML ({error.problem})") from None
    except (yaml.YAMLError, ValueError) as error:  # a character, a date, a number that there can't be
        raise Refused(f"{source}: this is not YAML ({' '.join(str(error).split())})") from None
    except RecursionError:
        raise Refused(f"{source}: this is nested too deeply (allowed: {DEEPEST})") from None
    if not isinstance(data, dict):
        raise Refused(f"{source}: found {_say(data)} at the top, where a mapping (key: value) is needed")
    return Document(source, data, where)


def _data(text: str, source: str, where: dict[Place, str]) -> Any:
    """What the text says, an empty mapping if nothing; fills `where`."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return {}
        _index(node, (), source, where)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _index(node: yaml.Node, at: Place, source: str, where: dict[Place, str]) -> None:
    where[at] = f"{source}, line {node.start_mark.line + 1}"
    if len(at) > DEEPEST:
        raise Refused(f"{where[at]}: this is nested too deeply (allowed: {DEEPEST})")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = f"{source}, line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise Refused(f"{line}: found a list or a mapping where a key is needed")
            inner = (*at, key.value)
            if inner in where:
                raise Refused(f"{line}: the key '{key.value}' is written twice (first at {where[inner]})")
            _index(value, inner, source, where)
            where[inner] = line
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _index(value, (*at, index), source, where)


def override(document: Document, key: str, text: str, source: str) -> Document:
    """With one value set: key "camera.fps" or "forces.0.delay_s", text as it would stand in YAML."""
    try:
        value = yaml.load(text, _Loader)  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Refused(f"{source}: '{text}' is not a YAML value") from None
    return put(document, key, value, source)


def put(document: Document, key: str, value: Any, source: str) -> Document:
    """With one value set; `source` is what an error calls it."""
    parts: list[str | int] = [int(part) if part.isdigit() else part for part in key.split(".")]
    data = json.loads(json.dumps(document.data))
    inside: Any = data
    for depth, part in enumerate(parts[:-1]):
        if isinstance(inside, dict) and part not in inside:
            inside[part] = {}
        if not _has(inside, part):
            raise Refused(f"{source}: there is nothing at '{'.'.join(map(str, parts[: depth + 1]))}' to set a value in")
        inside = inside[part]
    if not (isinstance(inside, dict) or _has(inside, parts[-1])):
        raise Refused(f"{source}: there is nothing at '{key}' to set")
    inside[parts[-1]] = value
    where = {place: said for place, said in document.where.items() if place[: len(parts)] != tuple(parts)}
    return replace(document, data=data, where={**where, tuple(parts): source})


def _has(inside: Any, part: str | int) -> bool:
    if isinstance(inside, list):
        return isinstance(part, int) and part < len(inside)
    return isinstance(inside, dict) and part in inside


@overload
def build(document: Document, cls: type[T], at: Place = ()) -> T: ...
@overload
def build(document: Document, cls: Any, at: Place = ()) -> Any: ...
def build(document: Document, cls: Any, at: Place = ()) -> Any:
    """The settings `cls` from the document, or from its part at `at`. Raises Refused."""
    part: Any = document.data
    for step in at:
        part = part[step]
    try:
        return TypeAdapter(cls).validate_json(json.dumps(part, default=_not_json), strict=True)
    except ValidationError as error:
        raise Refused(_sentence(document, cls, at, part, error)) from None


def _not_json(value: Any) -> Any:
    return f"{value}"  # dates and the like: YAML has them, no setting does


def _sentence(document: Document, cls: Any, at: Place, part: Any, error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    unknown = ("extra_forbidden", "unexpected_keyword_argument")  # said first: it is often why another is missing
    problem = next((one for one in problems if one["type"] in unknown), problems[0])
    loc = _real(part, problem["loc"])
    place = document.place((*at, *loc))
    key = ".".join(str(step) for step in (*at, *loc))
    kind = problem["type"]
    if kind in unknown:
        known = _keys(cls, part, loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return f"{place}: found the unknown key '{key}'{hint} (allowed here: {', '.join(known)})"
    if kind in ("missing", "missing_keyword_only_argument", "missing_argument"):
        return f"{place}: the key '{key}' is missing"
    if kind == "union_tag_not_found":
        return (
            f"{place}: '{key}' needs a 'kind' (allowed: {problem['ctx'].get('expected_tags') or _tags(cls, part, loc)})"
        )
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in problem["ctx"]["expected_tags"].split(",")]
        near = difflib.get_close_matches(problem["ctx"]["tag"], tags, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return (f"{document.place((*at, *loc, 'kind'))}: '{key}' has the kind '{problem['ctx']['tag']}'{hint} "
                f"(allowed: {', '.join(tags)})")  # fmt: skip
    if kind == "value_error":
        return f"{place}: '{key}': {problem['ctx']['error']}" if key else f"{place}: {problem['ctx']['error']}"
    found = problem["input"]
    message = problem["msg"].removeprefix("Input ")
    return f"{place}: '{key}' is {_say(found)}, and it {message}" if key else f"{place}: {message}"


def _real(part: Any, loc: tuple[int | str, ...]) -> Place:
    """pydantic's location without the union tags that stand in it but not in the data."""
    real: list[str | int] = []
    inside, tagged = part, False  # whether the union tag of this mapping has been passed
    for step in loc:
        if isinstance(inside, dict) and inside.get("kind") == step and not tagged:
            tagged = True
            continue
        real.append(step)
        inside, tagged = (inside[step] if _has(inside, step) else None), False
    return tuple(real)


def _members(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(inner for member in get_args(hint) for inner in _members(member))
    return (hint,)


def _type_at(cls: Any, part: Any, at: Place) -> Any:
    """The settings class that the data at `at` is meant for, as far as the types tell."""
    options = _members(cls)
    if isinstance(part, dict) and len(options) > 1:
        options = tuple(o for o in options if dataclasses.is_dataclass(o) and _kind(o) == part.get("kind")) or options
    here = options[0]
    if not at:
        return here
    if dataclasses.is_dataclass(here):
        hint = get_type_hints(here, include_extras=True).get(str(at[0]))
        return _type_at(hint, part.get(at[0]) if isinstance(part, dict) else None, at[1:])
    inner = [argument for argument in get_args(here) if argument is not Ellipsis]
    if not inner:
        return here
    try:
        below = part[at[0]]
    except (KeyError, IndexError, TypeError):
        below = None
    return _type_at(inner[-1], below, at[1:])


def _kind(cls: Any) -> Any:
    return next((f.default for f in dataclasses.fields(cls) if f.name == "kind"), None)


def _keys(cls: Any, part: Any, at: Place) -> list[str]:
    found = _type_at(cls, part, at)
    return [field.name for field in dataclasses.fields(found)] if dataclasses.is_dataclass(found) else []


def _tags(cls: Any, part: Any, at: Place) -> str:
    hint: Any = cls
    if at:
        above = _type_at(cls, part, at[:-1])
        hint = get_type_hints(above, include_extras=True).get(str(at[-1])) if dataclasses.is_dataclass(above) else None
        hint = hint if hint is not None else next(iter(get_args(above)), None)
    return ", ".join(str(_kind(member)) for member in _members(hint) if dataclasses.is_dataclass(member))


def _say(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{value}'"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"{value}"


def _near_file(path: Path) -> str:
    folder = path.parent
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, 1)
    return f"; did you mean {folder / near[0]}?" if near else ""


def plain(value: Any) -> Any:
    """Settings as plain mappings, lists and scalars: what `build` reads back to the same settings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def write(value: Any) -> str:
    """Settings as YAML that a person can read and `read` takes back."""
    return str(yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110))
