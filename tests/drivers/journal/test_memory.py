"""The memory of a loop as bytes: exact round trip, detection of changed bytes, and no execution of code."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import h5py
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from config.refused import Refused
from control.contract import Fault, Level
from drivers.journal import Journal, check, compare, read_run, same_contents
from drivers.journal.memory import MAGIC, MOST_TREE_BYTES, NotStorable, decode, encode, is_whole
from tests.drivers.turns import header, plausible


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    name: Literal["a", "b"] = "a"
    places: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    pair: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Outer:
    inner: Inner
    many: tuple[Inner, ...] = ()
    by: dict[int, float] = field(default_factory=dict)
    colour: Colour = Colour.RED
    rest: Any = None
    count: int = 0
    maybe: str | None = None


HERE = "tests.drivers.journal.test_memory"
NAMES = {
    "inner": f"{HERE}:Inner", "outer": f"{HERE}:Outer", "colour": f"{HERE}:Colour", "level": "control.contract:Level",
}  # fmt: skip

arrays = st.sampled_from(["f8", "f4", "i8", "u1", "u2", "?"]).flatmap(
    lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
numbers = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(width=64), st.text(max_size=5),
    st.text(st.characters(categories=["Cs"]), max_size=2), st.sampled_from(list(Level)),
    st.floats(width=64).map(np.float64), st.integers(-(2**63), 2**63 - 1).map(np.int64), arrays,
    arrays.map(np.transpose),
)  # fmt: skip
inners = st.builds(Inner, st.sampled_from(["a", "b"]), hnp.arrays(np.float64, (3, 2)))
values = st.recursive(
    st.one_of(numbers, inners),
    lambda inside: st.one_of(
        st.lists(inside, max_size=4).map(tuple), st.frozensets(st.integers(0, 99), max_size=4),
        st.dictionaries(st.one_of(st.integers(), st.text(max_size=3)), inside, max_size=3),
        st.builds(Outer, inners, st.lists(inners, max_size=2).map(tuple), st.dictionaries(st.integers(), st.floats()),
                  st.just(Colour.RED), inside, st.integers(), st.one_of(st.none(), st.text())),
    ),
    max_leaves=12,
)  # fmt: skip


def alike(a: Any, b: Any) -> None:
    """The same types and bits."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tobytes() == b.tobytes()
        assert a.flags.f_contiguous == b.flags.f_contiguous  # the result of a sum may depend on the order
    elif isinstance(a, (float, np.floating)):
        assert struct.pack("<d", a) == struct.pack("<d", b)
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for pair in zip(a, b, strict=True):
            alike(*pair)
    elif isinstance(a, dict):
        assert [*a] == [*b]
        for key in a:
            alike(a[key], b[key])
    elif isinstance(a, (Inner, Outer)):
        for name in type(a).__dataclass_fields__:
            alike(getattr(a, name), getattr(b, name))
    else:
        assert a == b


@given(values)
@example("\ud849\udee2")
def test_every_value_is_decoded_bit_for_bit(value: Any) -> None:
    data = encode(value, NAMES)
    assert is_whole(data)
    alike(decode(data, NAMES, "here"), value)
    assert encode(decode(data, NAMES, "here"), NAMES) == data


class Foreign:
    pass


@dataclass(frozen=True)
class Unlisted:
    pass


@pytest.mark.parametrize(
    "value",
    [Foreign(), Unlisted(), (1, [2]), 1j, b"", np.array(["a"]), np.array([None]), np.zeros(1, np.complex128), print,
     {1: Foreign()}],
)  # fmt: skip
def test_other_types_are_not_stored(value: Any) -> None:
    with pytest.raises(NotStorable, match="can't be kept in a record"):
        encode(value, NAMES)


@given(values, st.data())
def test_a_changed_byte_is_detected(value: Any, data: st.DataObject) -> None:
    bytes_ = bytearray(encode(value, NAMES))
    at = data.draw(st.integers(0, len(bytes_) - 1))
    bytes_[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Refused, match="is damaged"):
        decode(bytes(bytes_), NAMES, "here")
    with pytest.raises(Refused, match="is damaged"):
        decode(bytes(bytes_[: data.draw(st.integers(0, len(bytes_) - 1))]), NAMES, "here")


def sealed(tree: str | Any, arrays: bytes = b"") -> bytes:
    """Any content of a hostile file, with a correct hash."""
    text = tree if isinstance(tree, str) else json.dumps(tree)
    data = MAGIC + struct.pack("<Q", len(text)) + text.encode() + arrays
    return data + blake2b(data, digest_size=32).digest()


INNER = ["d", "inner", {}]
HOSTILE = [
    "", "{", "nonsense", "[" * 100_000, '{"a": 1}', "[]", "1.5", "NaN", '["f", NaN]', '["x"]', '[["t"]]', '["d"]',
    ["d", "os.system", {}], ["d", "os:system", {}], ["d", "level", {}], ["d", "colour", {}], ["e", "inner", 1],
    ["e", "colour", "blue"], ["e", "nothing", 1], ["d", "inner", {"nothing": 1}], ["d", "inner", {"name": "c"}],
    ["d", "inner", {"name": ["t", "a"]}], ["d", "inner", {"places": 5}], ["d", "inner", {"pair": ["t", 1]}],
    ["d", "inner", {"pair": ["t", 1, "x"]}], ["d", "inner", 5], ["d", "inner", {"__class__": 5}], ["d", ["t"], {}],
    ["d", "outer", {}], ["d", "outer", {"inner": 5}], ["d", "outer", {"inner": INNER, "many": ["t", 1]}],
    ["d", "outer", {"inner": INNER, "by": ["m", ["a", 1]]}], ["d", "outer", {"inner": INNER, "count": True}],
    ["d", "outer", {"inner": INNER, "count": "5"}], ["d", "outer", {"inner": INNER, "maybe": 5}],
    ["a", "<f8", "C", 10**12], ["a", "<f8", "C", -1], ["a", "|O", "C", 1], ["a", "<f8", "K", 0], ["a", "<f8", "C", 1.5],
    ["a", "<f8", "C", 1, 1, 1, 1, 1], ["a", "<f8", "C", True], ["a"], ["f", "00"], ["f", 5], ["f", "zz" * 8],
    ["n", "<f8", "00"], ["n", "|O", "00" * 8], ["m", 5], ["m", ["t"]], ["m", [["m"], 1]], ["s", ["m"]], ["t", 1.5],
    ["n", "<f8", "00" * 16], "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("tree", HOSTILE, ids=lambda tree: str(tree)[:40])
def test_a_hostile_memory_is_one_sentence(tree: Any) -> None:
    with pytest.raises(Refused, match=r"^here: the memory that the record begins with can't be read \(") as refused:
        decode(sealed(tree), NAMES, "here")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_more_or_fewer_bytes_than_the_tree_states_are_refused() -> None:
    for data in (sealed(["a", "<f8", "C", 2], bytes(8)), sealed(["a", "<f8", "C", 2], bytes(24)), sealed("1", b"x")):
        with pytest.raises(Refused, match="can't be read"):
            decode(data, NAMES, "here")
    too_long = MAGIC + struct.pack("<Q", 2**63) + b"1"
    with pytest.raises(Refused, match="too large"):
        decode(too_long + blake2b(too_long, digest_size=32).digest(), NAMES, "here")


def test_a_tree_that_is_too_large_is_not_stored() -> None:
    with pytest.raises(NotStorable, match="is more than a record holds"):
        encode("x" * MOST_TREE_BYTES, NAMES)


# in the run file ----------------------------------------------------------------------------------------------------


FEW = [plausible(number) for number in range(71, 76)]
REMEMBERED = Outer(Inner("b", np.arange(8.0).reshape(4, 2)), rest=(1, Level.TRIPPED), count=71)


def recorded(path: Path, memory: Any = REMEMBERED) -> Path:
    journal = Journal(path, header(), True, encoded=lambda value: encode(value, NAMES))
    if memory is not None:
        journal.begin(memory)
    for turn in FEW:
        journal.write(turn)
    journal.close()
    return path


def test_a_record_begun_during_a_run_keeps_memory_and_turn_numbers(tmp_path: Path) -> None:
    with read_run(recorded(tmp_path / "a.h5")) as run:
        assert run.ended_cleanly
        assert (run.first_turn, len(run)) == (71, 5)
        alike(decode(run.memory, NAMES, "here"), REMEMBERED)
        assert check(run) is None
        assert [compare(a, b) for a, b in zip(run.turns(), FEW, strict=True)] == [None] * 5
        assert run.turn(4).number == 75
    with read_run(recorded(tmp_path / "b.h5", None)) as run:
        assert run.memory == b""
        assert check(run) is None


def test_records_with_different_memories_differ(tmp_path: Path) -> None:
    memories = {"a": REMEMBERED, "b": None, "c": REMEMBERED}
    paths = [recorded(tmp_path / f"{name}.h5", memory) for name, memory in memories.items()]
    with read_run(paths[0]) as a, read_run(paths[1]) as b, read_run(paths[2]) as c:
        assert same_contents(a, c) is None
        assert same_contents(a, b) == "the memories that the records begin with differ"
        assert a.rows("turns")["hash"].tobytes() == c.rows("turns")["hash"].tobytes()


def test_a_changed_byte_of_the_memory_in_a_file_is_detected(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.h5")
    with h5py.File(path) as file:
        chunk, length = file["memory"].id.get_chunk_info(0), len(file["memory"])
    whole = path.read_bytes()
    for at in (0, 20, 60, length // 2, length - 1):
        changed = bytearray(whole)
        changed[chunk.byte_offset + at] ^= 4
        path.write_bytes(changed)
        with read_run(path) as run:
            assert check(run) == f"{path}: the memory that the record begins with is not what was written"


def test_a_memory_of_another_record_is_detected(tmp_path: Path) -> None:
    """It is valid, but the chain of hashes begins with another one."""
    path = recorded(tmp_path / "a.h5")
    for data in (encode(Outer(Inner()), NAMES), b""):
        with h5py.File(path, "r+") as file:
            file["memory"].resize(len(data), 0)
            file["memory"][...] = np.frombuffer(data, np.uint8)
        with read_run(path) as run:
            assert str(check(run)).startswith(f"{path}: turn 71 is not what was written")


def test_a_memory_that_can_not_be_stored_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"a\.h5: the record can't be written: a Foreign can't be kept in a record"):
        recorded(tmp_path / "a.h5", Foreign())


def replaced(make: Callable[[Any], Any]) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            del file["memory"]
            make(file)

    return put


@pytest.mark.parametrize(
    "make",
    [
        lambda file: file.create_group("memory"),
        lambda file: file.create_dataset("memory", data=np.zeros(4)),
        lambda file: file.create_dataset("memory", data=np.zeros((2, 2), np.uint8)),
        lambda file: file.create_dataset("memory", data=np.uint8(1)),
        lambda file: file.create_dataset("memory", (2**40,), np.uint8, chunks=(1 << 20,)),
        lambda file: file.create_dataset("memory", (4,), np.uint8, external=[("/etc/hostname", 0, 4)]),
    ],
    ids=["group", "floats", "table", "scalar", "huge", "external"],
)  # fmt: skip
def test_other_data_in_place_of_a_memory_is_refused(make: Callable[[Any], Any], tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.h5")
    replaced(make)(path)
    with pytest.raises(Refused, match=r"a\.h5: 'memory' "):
        read_run(path)


def test_a_read_only_mapping_is_stored_as_a_mapping() -> None:
    """A law receives its history in this form, and may keep it in its memory."""
    assert encode(MappingProxyType({1: 2.0}), NAMES) == encode({1: 2.0}, NAMES)
