"""Input that the program must refuse: a case fails if the input is accepted."""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzz.rules import SECONDS, Broken, sentence, verb
from benchmarks.fuzz.texts import CONFIG, EXPERIMENT
from config.refused import Refused

RING = CONFIG / "experiments" / "ring_crystal.yaml"  # its beam is lit from the first frames on
KINDS_A_CASE = 4  # so that a short run includes every kind
ODD_NAMES = ("1²3", "①", "٣", "a\u202eb", "é" * 60, "1" * 200, " ", "-", "\udcff", "\x1b[31m", "9e9", "½", "a\nb")
NOT_FINITE = ("nan", "inf", "-inf", "", "1e999", "1e308", "x")
NEEDED = ("time_s", "particle", "x_um", "y_um")
ABSURD: tuple[tuple[str, ...], ...] = (
    ("camera.width_px=8192", "camera.height_px=8192"),
    ("camera.width_px=8192", "camera.height_px=4096"),
    ("camera.readout_s=1e8",),
    ("sample.number=3", "sample.arrangement=line", "sample.drag_pn_s_per_um=1e-9"),
    ("sample.number=3", "sample.arrangement=line", "sample.temperature_k=1e8", "sample.drag_pn_s_per_um=1e-4"),
    ("sample.number=5000", "sample.cells=5000", "sample.arrangement=grid"),
    ("sample.number=5000", "sample.arrangement=grid", "sample.spacing_um=1e-6", "sample.disturbance_um=1e-6"),
    ("camera..fps=3",),
    ("camera.new.fps=3",),
)


@dataclass
class Forbidden:
    """Some of KINDS in each case."""

    folder: Path
    name: str = "forbidden"

    def prepare(self) -> None:
        self.sound = self.folder / "sound.h5"
        self.sound.unlink(missing_ok=True)
        small = ("--set", "camera.width_px=64", "--set", "camera.height_px=64")
        if verb("run", EXPERIMENT, "--seconds", "0.2", "--out", self.sound, *small) != 0:
            raise RuntimeError("the sound run could not be made")
        (self.folder / "first").mkdir(exist_ok=True)
        for kind in KINDS.values():
            kind(Random(1), self.folder / "first", self.sound)

    def case(self, chance: Random, folder: Path) -> float:
        for name in chosen(chance):
            inside = folder / name
            inside.mkdir()
            try:
                KINDS[name](chance, inside, self.sound)
            except Broken as broken:
                raise Broken(f"{name}: {broken}") from None
        return SECONDS * (KINDS_A_CASE - 1)


def chosen(chance: Random) -> list[str]:
    """The kinds of one case."""
    return chance.sample(sorted(KINDS), KINDS_A_CASE)


def must_refuse(*words: str | Path) -> None:
    """Raises Broken unless the command line refuses this: exit code 2, or 1 if the fault appears only in its run."""
    code = verb(*words)
    if code == 0:
        raise Broken(f"this was taken: {[str(word)[-60:] for word in words]}")


def recording_must_be_refused(path: Path) -> None:
    """Raises Broken if the recording is opened."""
    from app.assembly.recording import open_recording
    from drivers.video import VideoCamera

    try:
        opened = open_recording(VideoCamera(path=str(path), channel="grey"))
    except Refused as refused:
        sentence(refused)
        return
    opened.camera.close()
    raise Broken(f"this recording was opened: {path.name}")


def with_run(sound: Path, folder: Path, change: Callable[[Any], None]) -> None:
    """`change` a copy of the sound run. Raises Broken unless the verb info refuses it."""
    import h5py

    path = folder / f"run-{time.monotonic_ns()}.h5"
    shutil.copyfile(sound, path)
    with h5py.File(path, "r+") as file:
        change(file)
    must_refuse("info", path)


def odd_names(chance: Random, folder: Path, sound: Path) -> None:
    """A folder of sound images with odd names: it is opened and read, or refused with one sentence."""
    import cv2
    import numpy as np

    from app.assembly.recording import open_recording
    from drivers.video import VideoCamera

    data = cv2.imencode(".png", np.full((32, 32), 7, np.uint8))[1].tobytes()
    images = folder / "images"
    images.mkdir(exist_ok=True)
    for name in chance.sample(ODD_NAMES, 6):
        (images / f"{name}.png").write_bytes(data)
    try:
        opened = open_recording(VideoCamera(path=str(images), channel="grey"))
    except Refused as refused:
        sentence(refused)
        return
    opened.camera.read()
    opened.camera.close()


def large_image(chance: Random, folder: Path, sound: Path) -> None:
    """A small sound file with more pixels than the program accepts."""
    height_px, width_px = chance.choice(((5000, 4000), (20_000, 1000), (4097, 4097)))
    rows = bytes(1 + width_px) * height_px
    images = folder / "large"
    images.mkdir(exist_ok=True)
    size = width_px.to_bytes(4, "big") + height_px.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    pieces = [(b"IHDR", size), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in pieces
    ]
    (images / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    recording_must_be_refused(images)


def large_tiff(chance: Random, folder: Path, sound: Path) -> None:
    """As `large_image`, but a TIFF."""
    import numpy as np
    import tifffile

    path = folder / "large.tif"
    shape = chance.choice(((5000, 4000), (2, 4097, 4097)))
    tifffile.imwrite(path, np.zeros(shape, np.uint8), compression="zlib", photometric="minisblack")
    recording_must_be_refused(path)


def elsewhere(chance: Random, folder: Path, sound: Path) -> None:
    """A table whose data are in another file, of the right type and length."""
    name = chance.choice(("turns", "tracks", "sent", "text_bytes", "events", "header", "extra"))

    def change(file: Any) -> None:
        import numpy as np

        dtype, shape = (file[name].dtype, file[name].shape) if name in file else (np.dtype(np.uint8), (10,))
        if name in file:
            del file[name]
        length = dtype.itemsize * max(shape[0], 1)
        (folder / "other").write_bytes(bytes(length))
        file.create_dataset(name, (max(shape[0], 1),), dtype, external=[(str(folder / "other"), 0, length)])

    with_run(sound, folder, change)


def virtual(chance: Random, folder: Path, sound: Path) -> None:
    """A table that is a view of another one, in this file or in another."""
    name = chance.choice(("turns", "tracks", "sent", "text_bytes", "events", "header"))
    other = chance.choice((".", str(sound)))

    def change(file: Any) -> None:
        import h5py

        dtype, shape = file[name].dtype, (max(file[name].shape[0], 1),)
        file.move(name, "kept")
        layout = h5py.VirtualLayout(shape, dtype)
        layout[:] = h5py.VirtualSource(other, "kept" if other == "." else name, shape)
        made = file.create_virtual_dataset(name, layout)
        made.attrs.update(file["kept"].attrs)

    with_run(sound, folder, change)


def unwritten(chance: Random, folder: Path, sound: Path) -> None:
    """A table of very many rows that were never written, compressed or not."""
    name = chance.choice(("turns", "tracks", "sent", "events"))
    more: dict[str, Any] = chance.choice(({}, {"compression": "gzip"}, {"compression": "lzf"}, {"fletcher32": True}))
    count = chance.choice((10**6, 2 * 10**7, 10**9))

    def change(file: Any) -> None:
        rows = file[name][...]
        del file[name]
        made = file.create_dataset(name, (count,), rows.dtype, maxshape=(None,), chunks=(256,), **more)
        made[: len(rows)] = rows
        if name == "turns":
            made[count - 1 :] = rows[-1:]
        else:
            turns = file["turns"][...]
            turns[f"{name}_end"][-1] = count
            file["turns"][...] = turns

    with_run(sound, folder, change)


def inflating(chance: Random, folder: Path, sound: Path) -> None:
    """One chunk that inflates to 0.5 GB in place of a small table."""
    name = chance.choice(("header", "digest"))

    def change(file: Any) -> None:
        import numpy as np

        values, said = file[name][...], dict(file[name].attrs)
        del file[name]
        made = file.create_dataset(name, values.shape, np.uint8, chunks=values.shape, compression="gzip")
        made.attrs.update(said)
        packer = zlib.compressobj(1)
        body = b"".join(packer.compress(bytes(1 << 24)) for _ in range(32)) + packer.flush()
        made.id.write_direct_chunk((0,), body)

    with_run(sound, folder, change)


def large_parquet(chance: Random, folder: Path, sound: Path) -> None:
    """A sound table in a small file, with very many values in additional columns of zeros."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    count, more = chance.choice(((23_000, 900), (230_000, 90)))
    at, who = np.divmod(np.arange(count), 23)
    table = {"time_s": 0.1 * at, "particle": who, "x_um": np.sin(np.arange(count)), "y_um": 3.0 * who}
    zeros = pa.array(np.zeros(count))
    path = folder / "large.parquet"
    parquet.write_table(pa.table(table | {f"c{number}": zeros for number in range(more)}), path, compression="zstd")
    must_refuse("symmetry", path)


def beads() -> list[list[str]]:
    """The lines of a sound table: 8 particles at 60 times each."""
    walk = Random(1)
    return [
        [f"{0.1 * step:g}", f"{who}", *(f"{5.0 * who + walk.gauss(0.0, 0.1):.5f}" for _ in range(2))]
        for who in range(8)
        for step in range(60)
    ]


def wide_csv(chance: Random, folder: Path, sound: Path) -> None:
    """A sound table, but with too many columns."""
    more = chance.choice((1500, 6000))
    path = folder / "wide.csv"
    head = ",".join([*NEEDED, *(f"c{number}" for number in range(more))])
    path.write_text("\n".join([head, *(",".join([*line, *["1"] * more]) for line in beads())]), "utf-8")
    must_refuse("symmetry", path)


def not_finite(chance: Random, folder: Path, sound: Path) -> None:
    """A sound table, except for one value."""
    lines = beads()
    lines[chance.randrange(len(lines))][chance.randrange(4)] = chance.choice(NOT_FINITE)
    path = folder / "odd.csv"
    path.write_text("\n".join([",".join(NEEDED), *(",".join(line) for line in lines)]), "utf-8")
    must_refuse("symmetry", path)


def absurd_rig(chance: Random, folder: Path, sound: Path) -> None:
    """Impossible settings, for example values that are allowed singly, but together exceed a computer."""
    words = [word for one in chance.choice(ABSURD) for word in ("--set", one)]
    out = folder / f"run-{time.monotonic_ns()}.h5"
    must_refuse("run", EXPERIMENT, "--seconds", "0.03", "--out", out, *words)


def strong_light(chance: Random, folder: Path, sound: Path) -> None:
    """Light far stronger than in the settings of the instrument: it can't be simulated."""
    power = chance.choice(("1e9", "1e10", "1e12"))
    out = folder / f"run-{time.monotonic_ns()}.h5"
    must_refuse("run", RING, "--seconds", "0.1", "--out", out, "--set", f"laser.depth_kt_per_mw={power}")


KINDS: dict[str, Callable[[Random, Path, Path], None]] = {
    kind.__name__: kind
    for kind in (
        odd_names, large_image, large_tiff, elsewhere, virtual, unwritten, inflating, large_parquet, wide_csv,
        not_finite, absurd_rig, strong_light,
    )
}  # fmt: skip
