"""A run file may come from anywhere: a file that is no run, or refers to other files, is refused before it is read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from app.analysis.run_description import info
from app.commands.analyse import analyse_run
from app.commands.verify import verify_run
from config.refused import Refused
from drivers.journal import Journal, read_run
from drivers.journal import read as read_module
from drivers.journal import sound as sound_module
from drivers.journal.datasets import DataSets
from drivers.journal.header import MOST_VERSIONS, Header, header_of
from drivers.journal.sound import MOST_TEXT_BYTES
from drivers.journal.trust import LARGEST_HEADER, MOST_DATASETS
from tests.drivers.turns import header, plausible

LONGEST_S = 60  # generous: the machine may be busy


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("run") / "run.h5"
    journal = Journal(path, header(), True, wait_s=30.0)
    for number in range(20):
        journal.write(plausible(number))
    journal.close()
    return path.read_bytes()


def refused(path: Path) -> str:
    """The message of the refusal, which is the same for all ways to read a run."""
    with pytest.raises(Refused) as error, read_run(path) as run:
        list(run.turns())
    said = str(error.value)
    assert said.isprintable()
    assert len(said) < 500
    for read in (info, lambda path: verify_run(path, json=None), lambda path: analyse_run(path, None, json=None)):
        with pytest.raises(Refused):
            read(path)
    return said


def group(file: Any) -> None:
    file.create_group("turns")


def soft(file: Any) -> None:
    file["turns"] = h5py.SoftLink("/events")


def outside(file: Any) -> None:
    file["turns"] = h5py.ExternalLink("other.h5", "/turns")


def scalar(file: Any) -> None:
    file["turns"] = 5


def floats(file: Any) -> None:
    file["turns"] = np.zeros(20)


def words(file: Any) -> None:
    file.create_dataset("turns", data=["a", "b"], dtype=h5py.string_dtype())


def huge(file: Any) -> None:
    file.create_dataset("turns", (2**40,), np.dtype([("turn", "<i8")]), chunks=(1024,), maxshape=(None,))


def large_chunk(file: Any) -> None:
    file.create_dataset("turns", (10,), np.uint8, chunks=(2**30,), maxshape=(None,))


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((100,), np.uint8)
    layout[:] = h5py.VirtualSource("other.h5", "turns", (100,))
    file.create_virtual_dataset("turns", layout)


CRAFTED: dict[Callable[[Any], None], str] = {
    group: "'turns' is no table",
    soft: "'turns' is a link",
    outside: "'turns' is a link",
    scalar: "'turns' is not a table of a run",
    floats: "'turns' is not a table of a run",
    words: "of a type or a size",
    huge: "claims",
    large_chunk: "of a type or a size",
    virtual: "data in another file",
}


@pytest.mark.parametrize("craft", CRAFTED)
def test_other_data_in_place_of_a_table_are_refused(tmp_path: Path, sound: bytes, craft: Callable[[Any], None]) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        del file["turns"]
        craft(file)
    assert CRAFTED[craft] in refused(path)


def test_text_of_another_file_is_not_read_as_part_of_a_run(tmp_path: Path, sound: bytes) -> None:
    """`text_bytes` whose bytes are in a file beside the run: its content must not appear as text of the run."""
    path, secret = tmp_path / "run.h5", tmp_path / "secret"
    path.write_bytes(sound)
    secret.write_bytes(b"hidden " * 10_000)
    with h5py.File(path, "r+") as file:
        length = len(file["text_bytes"])
        del file["text_bytes"]
        file.create_dataset("text_bytes", (length,), np.uint8, external=[(str(secret), 0, length)])
    said = refused(path)
    assert "data in another file" in said
    assert "hidden" not in said


def unwritten_rows(file: Any) -> None:
    """3 kB of a file that claims 2.4 GB of rows."""
    rows = file["tracks"][...]
    del file["tracks"]
    made = file.create_dataset("tracks", (20_000_000,), rows.dtype, maxshape=(None,), chunks=(256,), compression="gzip")
    made[: len(rows)] = rows
    turns = file["turns"][...]
    turns["tracks_end"][-1] = len(made)
    file["turns"][...] = turns


def bomb_header(file: Any) -> None:
    """A chunk that expands to 1 GB, instead of a header."""
    text = file["header"][...]
    del file["header"]
    made = file.create_dataset("header", text.shape, np.uint8, chunks=text.shape, compression="gzip")
    made.attrs["blake2b"] = blake2b(text.data, digest_size=32).hexdigest()
    packer = zlib.compressobj(9)
    made.id.write_direct_chunk((0,), b"".join(packer.compress(bytes(1 << 24)) for _ in range(64)) + packer.flush())


def overlapping_rows(file: Any) -> None:
    rows = file["sent"][...]
    del file["sent"]
    file.create_dataset("sent", data=rows, chunks=(64,), maxshape=(None,), fletcher32=True)


@pytest.mark.timeout(LONGEST_S)
@pytest.mark.parametrize("craft", [unwritten_rows, bomb_header, overlapping_rows])
def test_a_compressed_table_is_refused_before_decompression(
    tmp_path: Path, sound: bytes, craft: Callable[[Any], None]
) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        craft(file)
    assert path.stat().st_size < 5_000_000
    assert "compressed or filtered" in refused(path)


def test_unwritten_rows_are_refused_in_a_run_that_ended_cleanly(tmp_path: Path, sound: bytes) -> None:
    """48 MB of zeros after 20 rows: allowed in a killed run, but not in a closed one."""
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        file["sent"].resize((1_000_000,))
    assert "'sent' claims 48000000 bytes" in refused(path)


def counted_reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Counts the reads of a table from now on, with the number of rows of each."""
    reads: list[tuple[str, int]] = []
    rows = DataSets.rows

    def counted(data: DataSets, table: str, begin: int, end: int) -> Any:
        reads.append((table, end - begin))
        return rows(data, table, begin, end)

    monkeypatch.setattr(DataSets, "rows", counted)
    return reads


@pytest.mark.parametrize("whole", [20, 7, 0])
def test_unwritten_turns_are_skipped_in_a_few_reads(
    tmp_path: Path, sound: bytes, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    """A killed run may claim 64 MB of them; one read for each took a minute."""
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        file["digest"][...] = 0
        turns = file["turns"][...]
        turns["hash"][whole:] = 0
        file["turns"][...] = turns
        file["turns"].resize((150_000,))
    reads = counted_reads(monkeypatch)
    with read_run(path) as run:
        assert len(run) == whole
        assert not run.ended_cleanly
    assert len([1 for table, _ in reads if table == "turns"]) < 30


def test_a_turn_with_missing_rows_does_not_count_in_a_killed_run(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        file["digest"][...] = 0
        turns = file["turns"][...]
        file["sent"].resize((int(turns["sent_end"][11]),))
    with read_run(path) as run:
        assert len(run) == 12
        assert sum(1 for _ in run.turns()) == 12


def test_unwritten_images_are_refused(tmp_path: Path, sound: bytes) -> None:
    """HDF5 reads them as zeros: black frames. In a killed run a few may be missing, and then they cannot be read."""
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        old = file["frames"]
        made, shape, kind = old.id.get_create_plist(), old.id.get_space(), old.id.get_type()
        mask, first = old.id.read_direct_chunk((0, 0, 0))
        del file["frames"]
        new = h5py.Dataset(h5py.h5d.create(file.id, b"frames", kind, shape, made))
        new.id.write_direct_chunk((0, 0, 0), first, filter_mask=mask)
    assert "'frames' claims 20 images, and the file holds 1 chunks" in refused(path)
    with h5py.File(path, "r+") as file:
        file["digest"][...] = 0
    with read_run(path) as run:
        run.image(0)
        with pytest.raises(Refused, match=r"image 1 can't be read .it was not written"):
            run.image(1)


def test_a_too_large_header_is_refused(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    assert "'header' is not what a run has there" in refused(resealed(path, rig="#" * LARGEST_HEADER))
    path.write_bytes(sound)
    many = {f"k{index}": "1" for index in range(MOST_VERSIONS + 1)}
    assert f"a mapping of at most {MOST_VERSIONS} texts" in refused(resealed(path, versions=many))


def test_a_run_with_a_too_large_header_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=rf"its rig and its experiment, take \d+ bytes .allowed: {LARGEST_HEADER}"):
        Journal(tmp_path / "run.h5", header(rig="#" * LARGEST_HEADER), True)
    assert not list(tmp_path.iterdir())


def test_frames_with_another_filter_or_chunk_are_refused(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "run.h5"
    for more, why in (({"compression": "gzip"}, "compressed or filtered"), ({}, "not stored image by image")):
        path.write_bytes(sound)
        with h5py.File(path, "r+") as file:
            images = file["frames"][...]
            del file["frames"]
            chunks = (1 if more else 2, *images.shape[1:])
            file.create_dataset("frames", data=images, chunks=chunks, maxshape=(None, *images.shape[1:]), **more)
        assert why in refused(path)


@pytest.mark.parametrize("claimed", [0, 1 << 30, (1 << 31) - 1])
def test_an_image_chunk_larger_than_an_image_is_refused(tmp_path: Path, sound: bytes, claimed: int) -> None:
    """Blosc requests as much memory as the chunk claims."""
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        sizes = b"".join(size.to_bytes(4, "little") for size in (claimed, 64, 96))  # full, block, stored
        chunk = bytes([2, 1, 0, 1]) + sizes + bytes(84)
        file["frames"].id.write_direct_chunk((3, 0, 0), chunk, filter_mask=0)
    with read_run(path) as run:
        run.image(2)
        with pytest.raises(Refused, match=f"image 3 can't be read .its chunk holds {claimed} bytes"):
            run.image(3)


def resealed(path: Path, **changes: object) -> Path:
    """The run with another header and its correct hash."""
    with h5py.File(path, "r+") as file:
        made = json.loads(file["header"][...].tobytes()) | changes
        text = np.frombuffer(json.dumps(made).encode(), np.uint8)
        del file["header"]
        file.create_dataset("header", data=text).attrs["blake2b"] = blake2b(text.data, digest_size=32).hexdigest()
    return path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rig", 5),
        ("rig", None),
        ("experiment", None),
        ("experiment", ["a"]),
        ("fps", "x"),
        ("fps", -1),
        ("fps", 1e308),
        ("height_px", 2.5),
        ("height_px", 2**40),
        ("width_px", "wide"),
        ("pixel_type", "object"),
        ("pixel_type", [1]),
        ("field_um", "abcd"),
        ("field_um", [1, 2]),
        ("field_um", 3),
        ("um_per_px", None),
        ("seed", "x"),
        ("calibration", 5),
        ("extra", {"folder": 5}),
        ("versions", {"python": 3}),
        ("started", {}),
        ("source", "a\0b"),
        ("kind", "SECRET"),
    ],
)
def test_a_header_of_other_types_is_refused(tmp_path: Path, sound: bytes, key: str, value: object) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    assert "header" in refused(resealed(path, **{key: value}))


def test_a_run_with_too_many_datasets_is_refused_before_opening_one(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        listed = len(file)
        for number in range(MOST_DATASETS + 1 - listed):
            file.create_dataset(f"a{number}", (0,), np.uint8)
    assert "found 101 data sets at its top (allowed: 100)" in refused(path)
    with h5py.File(path, "r+") as file:
        del file["a0"]
    read_run(path).close()


def test_too_large_corrections_are_refused_before_they_are_read(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    row = {"file": "dark.tif", "type": "float64", "shape": [1 << 16, 1 << 16], "sha256": ""}
    said = refused(resealed(path, extra={"corrections": [{**row, "file": f"{number}.tif"} for number in range(16)]}))
    assert (
        "the images that this run was corrected with take 549755813888 bytes by its header (allowed: 402653184" in said
    )


def lengthened(path: Path, texts: int, text_bytes: int) -> None:
    """As a killed run whose last turn has additional texts of NUL characters: so many texts, each of so many bytes."""
    with h5py.File(path, "r+") as file:
        file["digest"][...] = 0
        turns, ends = file["turns"][...], file["texts"][...]
        more = np.repeat(ends[-1:], texts)
        more["turn"], more["end"] = turns["turn"][-1], ends["end"][-1] + text_bytes * np.arange(1, texts + 1)
        file["texts"].resize((len(ends) + texts,))
        file["texts"][len(ends) :] = more
        file["text_bytes"].resize((int(more["end"][-1]),))
        turns["texts_end"][-1], turns["text_bytes_end"][-1] = len(ends) + texts, more["end"][-1]
        file["turns"][...] = turns


def test_texts_are_checked_in_pieces(tmp_path: Path, sound: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    lengthened(path, 60, 1_000_000)
    reads = counted_reads(monkeypatch)
    with read_run(path) as run:
        run.require_turns()
    assert max(rows for table, rows in reads if table == "text_bytes") <= MOST_TEXT_BYTES


def test_a_too_long_text_is_refused(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    lengthened(path, 1, 50_000_000)
    with read_run(path) as run:
        number = len(run.column("texts", "end")) - 1
        for look in (run.require_turns, lambda: run.text(number)):
            with pytest.raises(Refused, match=rf"text {number} can't be read"):
                look()


@pytest.mark.parametrize("piece_bytes", [1, 3, 7, 1 << 20])
@pytest.mark.parametrize("kept_bytes", [10, 1 << 26])
def test_texts_are_read_back_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int, kept_bytes: int
) -> None:
    """A run of hours may have more texts than are kept in memory."""
    monkeypatch.setattr(sound_module, "TEXTS_PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(read_module, "KEPT_TEXT_BYTES", kept_bytes)
    notes = ["", "a", "µm", "äöü" * 5, "\ud800", "a\U0001f600b", "x" * 40, "end"]
    journal = Journal(tmp_path / "run.h5", header(), True, wait_s=30.0)
    for number, note in enumerate(notes):
        journal.write(replace(plausible(number), notes=(note,)))
    journal.close()
    with read_run(tmp_path / "run.h5") as run:
        run.require_turns()
        assert [turn.notes for turn in run.turns()] == [(note,) for note in notes]
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        ends = file["texts"]["end"]
        row = next(row for row, end in enumerate(ends) if bytes(file["text_bytes"][end - 2 : end]) == "µm".encode()[1:])
        file["text_bytes"][int(ends[row]) - 1] = 0xFF
    with (
        read_run(tmp_path / "run.h5") as run,
        pytest.raises(Refused, match=rf"text {row} can't be read .it is no UTF-8"),
    ):
        run.require_turns()


@pytest.mark.parametrize("seed", [10**400, -(10**400)], ids=["above", "below"])
def test_a_too_large_seed_is_refused_also_beside_one_in_the_experiment(tmp_path: Path, sound: bytes, seed: int) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    said = refused(resealed(path, seed=seed, experiment="seed: 1.0"))
    assert "the header's 'seed' is a whole number of 1329 bits, where a whole number of at most 1e+40 is needed" in said


def test_a_valid_header_is_read_back(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with read_run(resealed(path)) as run:
        assert run.data.header_is_whole()
        assert header_of(run.header.text(), "here") == run.header
        assert isinstance(run.header, Header)


def test_an_alias_bomb_in_a_header_is_refused_quickly(tmp_path: Path, sound: bytes) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    resealed(path, rig="\n".join(levels))
    info(path)
    with pytest.raises(Refused, match="too many values"):
        analyse_run(path, None, json=None)


@pytest.mark.timeout(LONGEST_S)
def test_a_damaged_run_marked_as_growing_is_refused_quickly(tmp_path: Path, sound: bytes) -> None:
    """HDF5 itself would read it again without end."""
    path = tmp_path / "run.h5"
    changed = bytearray(sound)
    changed[11] |= 5  # marked as being written (SWMR); the checksum of the superblock is now wrong
    path.write_bytes(changed)
    with pytest.raises(Refused, match="cut off or damaged"):
        read_run(path)


@pytest.mark.timeout(LONGEST_S)
@pytest.mark.parametrize("growing", [False, True])
@pytest.mark.parametrize("kept", [0.05, 0.15])
@pytest.mark.parametrize("cut_off", [True, False])
def test_a_run_without_the_texts_of_its_attributes_is_refused(
    tmp_path: Path, sound: bytes, growing: bool, kept: float, cut_off: bool
) -> None:
    """HDF5 itself would search for them without end, in one call that no signal interrupts."""
    if growing:  # as a run that is being written, or was killed
        journal = Journal(tmp_path / "growing.h5", header(), True, wait_s=30.0)
        sound = (tmp_path / "growing.h5").read_bytes()
        journal.close()
        assert sound[11] != 0
    heap = sound.index(b"GCOL")
    size = int.from_bytes(sound[heap + 8 : heap + 16], "little")
    lost = heap + int(kept * size)
    changed = bytearray(sound[:lost] if cut_off else sound)
    if not cut_off:
        changed[lost : heap + size] = bytes(heap + size - lost)
    path = tmp_path / "run.h5"
    path.write_bytes(changed)
    with pytest.raises(Refused, match=r"cut off or damaged \((its texts end at byte|a text at byte)"):
        read_run(path)


@pytest.mark.timeout(LONGEST_S)
@pytest.mark.parametrize("at", [8, 9, 10, 12, 20, 28, 36, 44])
def test_a_bad_superblock_is_refused(tmp_path: Path, sound: bytes, at: int) -> None:
    path = tmp_path / "run.h5"
    changed = bytearray(sound)
    changed[at] ^= 0xFF
    path.write_bytes(changed)
    with pytest.raises(Refused):
        read_run(path)


@pytest.mark.timeout(300)
def test_a_run_with_changed_bytes_is_refused_or_read_without_a_crash(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "run.h5"
    chance = np.random.default_rng(1)
    said = []
    for _ in range(150):
        changed = bytearray(sound)
        for at in chance.integers(0, 6000, 3):
            changed[at] = int(chance.integers(256))
        path.write_bytes(changed)
        try:
            with read_run(path) as run:
                list(run.turns())
                run.data.digests()
        except Refused as error:
            said.append(str(error))
    assert len(said) > 30
    assert all(one.isprintable() for one in said)


@pytest.mark.parametrize(("table", "column"), [("tracks", "x_um"), ("events", "kind"), ("orders", "text")])
def test_a_table_without_a_required_column_is_refused(table: str, column: str, tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        rows = file[table][...]
        left = rows[[name for name in rows.dtype.names or () if name != column]]
        del file[table]
        file[table] = np.array(left.tolist(), np.dtype([(name, rows.dtype[name]) for name in left.dtype.names or ()]))
    assert f"'{table}' is not a table of a run" in refused(path)
