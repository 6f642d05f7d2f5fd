"""The strict reader of settings in YAML. Each error is one sentence with file, line and key."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints, overload

import yaml
from pydantic import TypeAdapter, ValidationError

from config.fields import beyond
from config.files import kind_of, read_text
from config.refused import Refused
from config.words import one_line, quoted

T = TypeVar("T")
Place = tuple[str | int, ...]

DEEPEST = 60  # deepest nesting of mappings and lists
LONGEST = 4_000_000  # bytes of a file, or characters of a text
MOST = 50_000  # most values of a text, including those repeated by an alias
DIGITS = 40  # most digits of a whole number
TAG = "tag:yaml.org,2002:"
PLAIN = frozenset(TAG + name for name in ("null", "bool", "int", "float", "str", "seq", "map"))
MERGE = TAG + "merge"
# errors of PyYAML for a text that is not a value of its type
NO_VALUE = (ValueError, KeyError, IndexError, OverflowError, TypeError, AttributeError)


@dataclass(frozen=True)
class Document:
    """Data as read, and the place of each part of it, for messages."""

    source: str
    data: dict[str, Any]
    where: dict[Place, str]  # key path -> "file, line 4" or "--set camera.fps"

    def place(self, at: Place) -> str:
        """The place of the nearest recorded part at or above `at`."""
        for length in range(len(at), -1, -1):
            if at[:length] in self.where:
                return self.where[at[:length]]
        return self.source

    def place_of_all(self, at: Place) -> str:
        """The place of the part; if a value in it was set from elsewhere, that value's place, then the part's."""
        place = self.place(at)
        origins = [
            origin for inner, origin in self.where.items() if inner[: len(at)] == at and not self._is_own(origin)
        ]
        return f"{origins[-1]} (in {place})" if origins and self._is_own(place) else place

    def _is_own(self, place: str) -> bool:
        return place == self.source or place.startswith(f"{self.source}, line ")


_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is twenty times faster


class _Loader(_Safe):  # type: ignore[misc]
    """Safe YAML in which 1e3 is a number (as in YAML 1.2) and a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _in_place(make: Callable[[Any, Any], Any], kind: str) -> Callable[[Any, Any], Any]:
    """A constructor for PyYAML whose error names the line of a text that is not a value of this kind."""

    def construct(loader: Any, node: yaml.Node) -> Any:
        try:
            return make(loader, node)
        except NO_VALUE:  # '', '+', 'maybe', sexagesimals beyond a float
            problem = f"'{quoted(node.value)}' where {kind} is needed"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    return construct


for _name, _kind_of in (("int", "a whole number"), ("float", "a number"), ("bool", "true or false")):
    _Loader.add_constructor(TAG + _name, _in_place(getattr(yaml.SafeLoader, f"construct_yaml_{_name}"), _kind_of))


def read(path: Path | str) -> Document:
    """Read a YAML file. Raises Refused if it is missing, not YAML, or not a mapping, or if it repeats a key."""
    path = Path(path)
    if not kind_of(path):
        raise Refused(f"{path}: there is no such file{_near_file(path)}")
    return parse(read_text(path, LONGEST, "a file of settings"), str(path))


def parse(text: str, source: str) -> Document:
    """Read YAML text; `source` is its name in messages. Raises Refused."""
    where: dict[Place, str] = {(): source}
    data = _value(text, source, where)
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise Refused(f"{source}: found {_description(data)} at the top, where a mapping (key: value) is needed")
    return Document(source, data, where)


def value_of(text: str, source: str) -> Any:
    """The value of a YAML text: a mapping, list, number, text, true, false or null. Raises Refused."""
    return _value(text, source, {})


def _value(text: str, source: str, where: dict[Place, str]) -> Any:
    """The value of the text, None if it is empty; fills `where`. Raises Refused."""
    try:
        _measure(text, source)
        return _data(text, source, where)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise Refused(f"{source}{line}: this is not YAML ({one_line(error.problem or error)})") from None
    except (yaml.YAMLError, *NO_VALUE) as error:  # a character that is not allowed in YAML
        raise Refused(f"{source}: this is not YAML ({one_line(error)})") from None
    except RecursionError:
        raise Refused(f"{source}: this is nested too deeply (allowed: {DEEPEST})") from None


def _measure(text: str, source: str) -> None:
    """Raises Refused for text that is too long, too deeply nested or of too many values, before it is constructed."""
    if len(text) > LONGEST:
        raise Refused(f"{source}: this text is too long (allowed: {LONGEST} characters)")
    values = depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent, yaml.CollectionStartEvent)):
            values += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if values > MOST or depth > DEEPEST + 1:
            mark: Any = event.start_mark
            _refuse_size(f"{source}, line {mark.line + 1}", deep=depth > DEEPEST + 1)


def _refuse_size(place: str, *, deep: bool) -> None:
    if deep:
        raise Refused(f"{place}: this is nested too deeply (allowed: {DEEPEST})")
    raise Refused(f"{place}: there are too many values (allowed: {MOST}, with those that an alias repeats)")


def _data(text: str, source: str, where: dict[Place, str]) -> Any:
    """As `_value`, for text of bounded size."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _Index(source, where).add(node, ())
        return loader.construct_document(node)
    finally:
        loader.dispose()


@dataclass
class _Index:
    """Records the place of each value of a text; raises Refused for values that no setting accepts."""

    source: str
    where: dict[Place, str]
    values: int = 0

    def add(self, node: yaml.Node, at: Place) -> None:
        line = self.line(node)
        self.where[at] = line
        self.values += 1
        if self.values > MOST or len(at) > DEEPEST:
            _refuse_size(line, deep=len(at) > DEEPEST)
        if node.tag not in PLAIN:
            raise Refused(f"{line}: found a value of the type {quoted(node.tag.removeprefix(TAG))} "
                          "(allowed: texts, numbers, true, false, null, lists and mappings)")  # fmt: skip
        if isinstance(node, yaml.MappingNode):
            self.mapping(node, at)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.add(value, (*at, index))
        else:
            self.scalar(node, line)

    def mapping(self, node: yaml.MappingNode, at: Place) -> None:
        for key, value in node.value:
            line = self.line(key)
            if not isinstance(key, yaml.ScalarNode):
                raise Refused(f"{line}: found a list or a mapping where a key is needed")
            self.scalar(key, line)
            if key.tag not in PLAIN and key.tag != MERGE:
                raise Refused(f"{line}: found a key of the type {quoted(key.tag.removeprefix(TAG))} (allowed: a text)")
            inner = (*at, key.value)
            if inner in self.where:
                first = self.where[inner]
                raise Refused(f"{line}: the key '{quoted(key.value)}' is written twice (first at {first})")
            self.add(value, inner)
            self.where[inner] = line

    def scalar(self, node: yaml.Node, line: str) -> None:
        if node.tag.endswith(":int") and len(node.value) > DIGITS:
            raise Refused(f"{line}: found a number of {len(node.value)} digits (allowed: {DIGITS})")
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in node.value):
            raise Refused(f"{line}: found a character that is not allowed in a text: '{quoted(node.value)}'")

    def line(self, node: yaml.Node) -> str:
        return f"{self.source}, line {node.start_mark.line + 1}"


def override(document: Document, key: str, text: str, source: str) -> Document:
    """The document with one value set from YAML text; `key` is as in camera.fps or forces.0.delay_s. Raises Refused."""
    source = quoted(source, 120)
    return put(document, key, value_of(text, source), source)


def put(document: Document, key: str, value: Any, source: str) -> Document:
    """The document with one value set; `source` is its place in messages. Raises Refused."""
    return put_all(document, [(key, value, source)])


def put_all(document: Document, entries: Iterable[tuple[str, Any, str]]) -> Document:
    """The document with several values set in order, each as (key, value, source). Raises Refused."""
    data, where = json.loads(json.dumps(document.data)), dict(document.where)
    for key, value, source in entries:
        _put(data, where, key, value, source)
    return replace(document, data=data, where=where)


def _put(data: Any, where: dict[Place, str], key: str, value: Any, source: str) -> None:
    parts = key.split(".", DEEPEST)
    if "" in parts:
        raise Refused(f"{source}: found the key '{quoted(key)}', of which a piece is empty (needed: as in camera.fps)")
    inside: Any = data
    at: Place = ()
    for part in parts[:-1]:
        step = _step(part, inside)
        at = (*at, step)
        if isinstance(inside, dict) and step not in inside:
            inside[step] = {}
            where[at] = source
        if not _has(inside, step):
            missing = ".".join(map(str, at))
            raise Refused(f"{source}: there is nothing at '{quoted(missing)}' to set a value in")
        inside = inside[step]
    last = _step(parts[-1], inside)
    place = (*at, last)
    if not (isinstance(inside, dict) or _has(inside, last)):
        raise Refused(f"{source}: there is nothing at '{quoted(key)}' to set")
    if _has(inside, last) and isinstance(inside[last], dict | list):
        for inner in _places(inside[last], place):
            where.pop(inner, None)
    inside[last] = value
    where[place] = source


def _places(value: Any, at: Place) -> Iterator[Place]:
    """The places of a value and of all values in it. The time is proportional to their number."""
    yield at
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*at, step))


def _step(part: str, inside: Any) -> str | int:
    """A part of a dotted key: an index if it is a number and `inside` is a list, else a name."""
    number = isinstance(inside, list) and part.isascii() and part.isdecimal() and len(part) < 10
    return int(part) if number else part


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
        if not _has(part, step):
            raise Refused(f"{document.source}: the key '{'.'.join(map(str, at))}' is missing")
        part = part[step]
    try:
        adapter = _adapter(cls) if isinstance(cls, type) else TypeAdapter(cls)
        value = adapter.validate_json(json.dumps(part), strict=True)
    except ValidationError as error:
        raise Refused(_sentence(document, cls, at, part, error)) from None
    for inner, problem in beyond(value):
        place = (*at, *inner)
        raise Refused(f"{document.place(place)}: '{'.'.join(map(str, place))}' {problem}")
    return value


def mapping_at(document: Document, key: str) -> dict[str, Any]:
    """The mapping at a top-level key, such as a rig's `camera`; empty if the key is missing. Raises Refused."""
    value = document.data.get(key, {})
    if not isinstance(value, dict):
        raise Refused(f"{document.place((key,))}: '{quoted(key)}' is {_description(value)}, where a mapping is needed")
    return value


@lru_cache(maxsize=256)
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _sentence(document: Document, cls: Any, at: Place, part: Any, error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    unknown = ("extra_forbidden", "unexpected_keyword_argument")  # first: often the cause of a missing key
    problem = next((candidate for candidate in problems if candidate["type"] in unknown), problems[0])
    loc = _without_tags(part, problem["loc"])
    place = document.place((*at, *loc))
    key = quoted(".".join(str(step) for step in (*at, *loc)), 120)
    kind = problem["type"]
    if kind == "value_error":  # concerns the whole part, including values set from elsewhere
        place = document.place_of_all((*at, *loc))
    if kind in unknown:
        allowed = _keys(cls, part, loc[:-1])
        similar = difflib.get_close_matches(str(loc[-1])[:80], allowed, 1)
        hint = f"; did you mean '{similar[0]}'?" if similar else ""
        return f"{place}: found the unknown key '{quoted(key)}'{hint} (allowed here: {', '.join(allowed)})"
    if kind in ("missing", "missing_keyword_only_argument", "missing_argument"):
        return f"{place}: the key '{key}' is missing"
    if kind == "union_tag_not_found":
        return (
            f"{place}: '{key}' needs a 'kind' (allowed: {problem['ctx'].get('expected_tags') or _tags(cls, part, loc)})"
        )
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in problem["ctx"]["expected_tags"].split(",")]
        similar = difflib.get_close_matches(problem["ctx"]["tag"][:80], tags, 1)
        hint = f"; did you mean '{similar[0]}'?" if similar else ""
        return (f"{document.place((*at, *loc, 'kind'))}: '{key}' has the kind '{quoted(problem['ctx']['tag'])}'{hint} "
                f"(allowed: {', '.join(tags)})")  # fmt: skip
    if kind == "value_error":
        return f"{place}: '{key}': {problem['ctx']['error']}" if key else f"{place}: {problem['ctx']['error']}"
    value = problem["input"]
    message = problem["msg"].removeprefix("Input ")
    return f"{place}: '{key}' is {_description(value)}, and it {message}" if key else f"{place}: {message}"


def _without_tags(part: Any, loc: tuple[int | str, ...]) -> Place:
    """pydantic's location without the union tags in it, which the data does not have."""
    location: list[str | int] = []
    inside, tagged = part, False  # whether the union tag of this mapping was passed
    for step in loc:
        if isinstance(inside, dict) and inside.get("kind") == step and not tagged:
            tagged = True
            continue
        location.append(step)
        inside, tagged = (inside[step] if _has(inside, step) else None), False
    return tuple(location)


def _members(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(inner for member in get_args(hint) for inner in _members(member))
    return (hint,)


def _type_at(cls: Any, part: Any, at: Place) -> Any:
    """The settings class for the data at `at`, as far as the types determine it."""
    options = _members(cls)
    if isinstance(part, dict) and len(options) > 1:
        options = tuple(o for o in options if dataclasses.is_dataclass(o) and _kind(o) == part.get("kind")) or options
    selected = options[0]
    if not at:
        return selected
    if dataclasses.is_dataclass(selected):
        hint = get_type_hints(selected, include_extras=True).get(str(at[0]))
        return _type_at(hint, part.get(at[0]) if isinstance(part, dict) else None, at[1:])
    inner = [argument for argument in get_args(selected) if argument is not Ellipsis]
    if not inner:
        return selected
    try:
        below = part[at[0]]
    except (KeyError, IndexError, TypeError):
        below = None
    return _type_at(inner[-1], below, at[1:])


def _kind(cls: Any) -> Any:
    return next((f.default for f in dataclasses.fields(cls) if f.name == "kind"), None)


def _keys(cls: Any, part: Any, at: Place) -> list[str]:
    hint = _type_at(cls, part, at)
    return [field.name for field in dataclasses.fields(hint)] if dataclasses.is_dataclass(hint) else []


def _tags(cls: Any, part: Any, at: Place) -> str:
    hint: Any = cls
    if at:
        above = _type_at(cls, part, at[:-1])
        hint = get_type_hints(above, include_extras=True).get(str(at[-1])) if dataclasses.is_dataclass(above) else None
        hint = hint if hint is not None else next(iter(get_args(above)), None)
    return ", ".join(str(_kind(member)) for member in _members(hint) if dataclasses.is_dataclass(member))


def _description(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{quoted(value)}'"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return quoted(value)


def _near_file(path: Path) -> str:
    folder = path.parent
    try:
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    except OSError:  # an unreadable folder, or an invalid name
        names = []
    similar = difflib.get_close_matches(path.name, names, 1)
    return f"; did you mean {folder / similar[0]}?" if similar else ""


def plain(value: Any) -> Any:
    """Settings as plain mappings, lists and scalars, from which `build` makes the same settings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def write(value: Any) -> str:
    """Settings as YAML, from which `read` and `build` make the same settings."""
    return str(yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110))
