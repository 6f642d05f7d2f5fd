"""Serialises the loop's memory for a record that begins in flight. It contains values only, and no code.

The bytes are MAGIC, the length of a tree (8 bytes), the tree (JSON, ASCII), its arrays one after another, and BLAKE2b
of all that. In the tree null, truth values, whole numbers and texts are stored directly; other values are lists that
begin with a letter:

    f float           its 8 bytes, hexadecimal        t tuple       its values
    n numpy number    type, its bytes                 s frozenset   its values
    a array           type, "C" or "F", its shape     m mapping     pairs of key and value
    e enumeration     class, value                    d dataclass   class, {field: value}

Only classes that the caller names can be stored.
"""

from __future__ import annotations

import dataclasses
import json
import math
import struct
import types
from collections.abc import Mapping
from enum import Enum
from hashlib import blake2b
from importlib import import_module
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import h5py
import numpy as np
from numpy.typing import NDArray

from config.refused import Refused

DATASET = "memory"
MAGIC = b"cybloids memory 1\n"
HASH_BYTES = 32
MOST_TREE_BYTES, MOST_BYTES = 8 << 20, 128 << 20
CHUNK_BYTES = 1 << 14
MOST_DIMENSIONS = 4
TYPES = frozenset({"|b1", "|u1", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8"})
Names = Mapping[str, str]  # class name in the file -> "module:class"
DAMAGE = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, struct.error,
)  # fmt: skip


class NotStorable(TypeError):
    """A value that can't be stored in a run file. The text is one sentence."""


# encoding ----------------------------------------------------------------------------------------------------------


def encode(value: Any, names: Names) -> bytes:
    """The bytes of a value. Raises NotStorable for other types than those above, and if it is too large."""
    arrays: list[bytes] = []
    nodes = _node(value, {path: name for name, path in names.items()}, arrays)
    # not as \\u escapes: two adjacent halves of a surrogate pair would be read as one character
    tree = json.dumps(nodes, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    size = len(tree) + sum(map(len, arrays))
    if len(tree) > MOST_TREE_BYTES or size > MOST_BYTES:
        raise NotStorable(f"the loop's memory of {size / 1e6:.0f} MB is more than a record holds")
    data = b"".join([MAGIC, struct.pack("<Q", len(tree)), tree, *arrays])
    return data + _digest(data)


def _node(value: Any, names: Mapping[str, str], arrays: list[bytes]) -> Any:
    """The tree of a value; the data of its arrays are appended to `arrays`."""

    def each(values: Any) -> list[Any]:
        return [_node(item, names, arrays) for item in values]

    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return ["f", struct.pack("<d", value).hex()]
    if isinstance(value, Enum):
        return ["e", _name(value, names), value.value]
    if isinstance(value, np.generic):
        return ["n", _type(value.dtype), value.tobytes().hex()]
    if isinstance(value, np.ndarray):
        order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        arrays.append(value.tobytes(order))  # type: ignore[arg-type]
        return ["a", _type(value.dtype), order, *value.shape]
    if type(value) is tuple:
        return ["t", *each(value)]
    if type(value) is frozenset:
        return ["s", *each(sorted(value))]
    if isinstance(value, Mapping):
        return ["m", *(each(pair) for pair in value.items())]
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return ["d", _name(value, names), {name: _node(item, names, arrays) for name, item in fields.items()}]
    raise NotStorable(f"a {type(value).__name__} can't be kept in a record")


def _name(value: Any, names: Mapping[str, str]) -> str:
    cls = type(value)
    name = names.get(f"{cls.__module__}:{cls.__qualname__}")
    if name is None:
        raise NotStorable(f"a {cls.__name__} can't be kept in a record")
    return name


def _type(dtype: np.dtype[Any]) -> str:
    if dtype.str not in TYPES:
        raise NotStorable(f"numbers of the type {dtype} can't be kept in a record")
    return dtype.str


# decoding -----------------------------------------------------------------------------------------------------------


def decode(data: bytes, names: Names, source: str) -> Any:
    """The value of bytes from `encode`. Raises Refused, starting with `source`, for any other bytes."""
    if not is_whole(data):
        raise Refused(f"{source}: the memory that the record begins with is damaged")
    begin = len(MAGIC) + 8
    (length,) = struct.unpack("<Q", data[len(MAGIC) : begin])
    content = memoryview(data)[begin + length : -HASH_BYTES]
    try:
        if length > MOST_TREE_BYTES:
            raise ValueError(f"a tree of {length} bytes is too large")
        reader = _Reader(names, content)
        value = reader.value(json.loads(data[begin : begin + length]))
        if reader.at != len(content):
            raise ValueError("more bytes than arrays")
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise Refused(f"{source}: the memory that the record begins with can't be read ({reason})") from None
    return value


def is_whole(data: bytes) -> bool:
    """Whether these are complete bytes of `encode`."""
    long_enough = len(data) >= len(MAGIC) + 8 + HASH_BYTES
    return long_enough and data.startswith(MAGIC) and data[-HASH_BYTES:] == _digest(data[:-HASH_BYTES])


class _Reader:
    """Converts a tree to values. Raises one of DAMAGE."""

    def __init__(self, names: Names, data: memoryview) -> None:
        self.names, self.data, self.at = names, data, 0
        self.classes: dict[str, tuple[type, dict[str, Any]]] = {}  # name -> class, types of its fields

    def value(self, node: Any) -> Any:
        if not isinstance(node, list):
            if node is None or type(node) in (bool, int, str):
                return node
            raise ValueError(f"a {type(node).__name__} stands where a value is needed")
        kind, *operands = node
        convert = {"f": self._float, "n": self._number, "a": self._array, "t": self._tuple, "s": self._set,
                   "m": self._mapping, "e": self._enumeration, "d": self._dataclass}[kind]  # fmt: skip
        return convert(operands)

    def _float(self, operands: list[Any]) -> float:
        (text,) = operands
        return float(struct.unpack("<d", bytes.fromhex(text))[0])

    def _number(self, operands: list[Any]) -> Any:
        type_, text = operands
        (number,) = np.frombuffer(bytes.fromhex(text), _listed_type(type_))
        return number

    def _array(self, operands: list[Any]) -> NDArray[Any]:
        type_, order, *shape = operands
        dtype = _listed_type(type_)
        sizes_ok = len(shape) <= MOST_DIMENSIONS and all(type(size) is int and size >= 0 for size in shape)
        if not sizes_ok or order not in "CF":
            raise ValueError("an array has no such shape")
        end = self.at + math.prod(shape) * dtype.itemsize
        if end > len(self.data):
            raise ValueError("an array is longer than what is stored")
        flat = np.frombuffer(self.data[self.at : end], dtype).copy()
        self.at = end
        return flat.reshape(shape, order=order)

    def _tuple(self, operands: list[Any]) -> tuple[Any, ...]:
        return tuple(self.value(node) for node in operands)

    def _set(self, operands: list[Any]) -> frozenset[Any]:
        return frozenset(self.value(node) for node in operands)

    def _mapping(self, operands: list[Any]) -> dict[Any, Any]:
        return {self.value(key): self.value(node) for key, node in operands}

    def _enumeration(self, operands: list[Any]) -> Enum:
        name, value = operands
        cls = self._class(name)
        if not issubclass(cls, Enum):
            raise ValueError(f"{name} is no enumeration")
        return cls(value)

    def _dataclass(self, operands: list[Any]) -> Any:
        name, nodes = operands
        if name not in self.classes:
            self.classes[name] = self._class(name), get_type_hints(self._class(name))
        cls, hints = self.classes[name]
        if not dataclasses.is_dataclass(cls):
            raise ValueError(f"{name} has no fields")
        values = {field: self.value(node) for field, node in nodes.items()}
        for field, value in values.items():
            if field not in hints or not fits(value, hints[field]):
                raise ValueError(f"{name}.{field} is of a wrong type")
        return cls(**values)

    def _class(self, name: Any) -> type:
        module, _, cls = self.names[name].partition(":")
        result: type = getattr(import_module(module), cls)
        return result


def _listed_type(name: Any) -> np.dtype[Any]:
    if name not in TYPES:
        raise ValueError("numbers of an unknown type")
    dtype: np.dtype[Any] = np.dtype(name)
    return dtype


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a field's annotated type. Arrays are not checked further."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return fits(value, arguments[0])
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in arguments)
    if origin is Literal:
        return type(value) in (str, int) and value in arguments
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return isinstance(value, tuple) and all(fits(item, arguments[0]) for item in value)
        return isinstance(value, tuple) and len(value) == len(arguments) and all(map(fits, value, arguments))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(all(map(fits, pair, arguments)) for pair in value.items())
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return hint is Any or isinstance(value, origin or hint)


# storage in the run file ---------------------------------------------------------------------------------------------


def create(file: Any) -> None:
    """Create the dataset, empty: a record that begins with the loop has no memory."""
    file.create_dataset(DATASET, (0,), np.uint8, maxshape=(None,), chunks=(CHUNK_BYTES,))


def stored(file: Any, source: str) -> bytes:
    """The stored bytes; empty if there are none. Raises Refused."""
    if DATASET not in file:
        return b""
    dataset = file[DATASET]
    is_bytes = isinstance(dataset, h5py.Dataset) and dataset.ndim == 1 and dataset.dtype == np.uint8
    if not is_bytes or dataset.external or dataset.is_virtual or len(dataset) > MOST_BYTES + (1 << 10):
        raise Refused(f"{source}: '{DATASET}' is not what a record begins with")
    try:
        data: bytes = dataset[...].tobytes()
    except (OSError, RuntimeError) as error:
        raise Refused(f"{source}: '{DATASET}' can't be read ({' '.join(str(error).split())})") from None
    return data


def first_link(seal: bytes, memory: bytes) -> bytes:
    """First link of the hash chain: the header's seal, combined with the memory if the record began in flight."""
    return _digest(seal + memory) if memory else seal


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=HASH_BYTES).digest()
