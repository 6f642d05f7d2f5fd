"""Videos, run files, checkpoints and tables."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Literal

from benchmarks.fuzz.rules import NASTY, Broken, flipped, sentence, special, verb
from benchmarks.fuzz.texts import CONFIG, EXPERIMENT
from config.refused import Refused

LARGE_PX = (0, 1, 30000, 65535, 2**31 - 1, 2**32 - 1)


@dataclass
class Videos:
    """TIFF, folders of images, AVI, MP4: truncated, with changed bytes, or with a wrong size in the header."""

    folder: Path
    name: str = "videos"
    sound: dict[str, bytes] = field(default_factory=dict)

    def prepare(self) -> None:
        import cv2
        import numpy as np
        import tifffile

        images = np.random.default_rng(1).integers(0, 255, (4, 48, 64), np.uint8)
        for name, more in (
            ("a.tif", {}),
            ("b.tif", {"bigtiff": True}),
            ("c.tif", {"compression": "zlib"}),
            ("d.tif", {"imagej": True}),
            ("e.tif", {"tile": (16, 16)}),
        ):
            tifffile.imwrite(self.folder / name, images, photometric="minisblack", **more)
            self.sound[name] = (self.folder / name).read_bytes()
        self.sound["f.png"] = cv2.imencode(".png", images[0])[1].tobytes()
        self.sound["g.jpg"] = cv2.imencode(".jpg", images[0])[1].tobytes()
        self.sound["h.bmp"] = cv2.imencode(".bmp", images[0])[1].tobytes()
        for name, code in (("i.avi", "MJPG"), ("j.mp4", "mp4v")):
            film = cv2.VideoWriter(str(self.folder / name), cv2.VideoWriter.fourcc(*code), 10.0, (64, 48))
            for image in images:
                film.write(np.repeat(image[:, :, None], 3, 2))
            film.release()
            self.sound[name] = (self.folder / name).read_bytes()
        for name, data in self.sound.items():
            self.read(self.folder, name, data)

    def case(self, chance: Random, folder: Path) -> float:
        name = chance.choice(sorted(self.sound))
        data = self.sound[name]
        if chance.random() < 0.3:
            data = claimed(chance, name, data)
        if chance.random() < 0.8:
            data = flipped(chance, data)
        self.read(folder, name, data)
        return 0.0

    def read(self, folder: Path, name: str, data: bytes) -> None:
        from app.assembly.recording import open_recording
        from control.contract import Ended, Fault
        from drivers.video import VideoCamera

        path = folder / name
        if path.suffix in (".png", ".jpg", ".bmp"):
            path = folder / "images"
            path.mkdir(exist_ok=True)
            (path / name).write_bytes(data)
        else:
            path.write_bytes(data)
        try:
            opened = open_recording(VideoCamera(path=str(path), channel="grey"))
            try:
                for _ in range(6):
                    opened.camera.read()
            finally:
                opened.camera.close()
        except Ended:
            return
        except (Refused, Fault) as error:
            sentence(error)


def claimed(chance: Random, name: str, data: bytes) -> bytes:
    """The same file with another width or height in its header."""
    changed = bytearray(data)
    size_px = chance.choice(LARGE_PX)
    orders: tuple[tuple[int, Literal["little", "big"]], ...] = ((4, "little"), (4, "big"), (2, "little"), (2, "big"))
    for length, order in orders:
        for px in (64, 48):
            old = px.to_bytes(length, order)
            at = changed.find(old)
            if at >= 0 and chance.random() < 0.5:
                changed[at : at + length] = (size_px % 256**length).to_bytes(length, order)
    if name.endswith(".png"):
        import zlib

        changed[29:33] = zlib.crc32(bytes(changed[12:29])).to_bytes(4, "big")
    return bytes(changed)


@dataclass
class Runs:
    """Run files: truncated, or with changed bytes, other types in the header, groups or links in place of tables."""

    folder: Path
    name: str = "runs"
    verbs: tuple[tuple[str, ...], ...] = (
        ("info",),
        ("verify",),
        ("export", "--to", "csv"),
        ("export", "--to", "ome-tiff"),
        ("symmetry",),
        ("analyse",),
        ("replay",),
    )
    cost_s: dict[tuple[str, ...], float] = field(default_factory=dict)

    def prepare(self) -> None:
        self.sound = self.folder / "sound.h5"
        self.sound.unlink(missing_ok=True)
        small = ("--set", "camera.width_px=160", "--set", "camera.height_px=160")
        code = verb("run", EXPERIMENT, "--seconds", "0.4", "--out", self.sound, *small)
        if code != 0:
            raise RuntimeError("the sound run could not be made")
        for words in self.verbs:
            for _ in range(2):  # the second counts: the first one also imports and compiles
                began_s = time.process_time()
                verb(words[0], self.sound, *self.more(words, self.folder))
                self.cost_s[words] = time.process_time() - began_s

    def more(self, words: tuple[str, ...], folder: Path) -> tuple[str, ...]:
        out = {"export": "tables", "analyse": "report.html", "replay": f"again-{time.monotonic_ns()}.h5"}.get(words[0])
        return (*words[1:], *(("--out", str(folder / out)) if out else ()))

    def case(self, chance: Random, folder: Path) -> float:
        path = folder / "run.h5"
        words = chance.choice(self.verbs[:5]) if chance.random() < 0.85 else chance.choice(self.verbs)
        way = chance.random()
        if way < 0.6:
            path.write_bytes(flipped(chance, self.sound.read_bytes()))
        else:
            shutil.copyfile(self.sound, path)
            (crafted if way < 0.75 else headed)(chance, path)
        verb(words[0], path, *self.more(words, folder))
        return 1.5 * self.cost_s[words]


def crafted(chance: Random, path: Path) -> None:
    """Replace a table of the file by another object, or by a table of another shape or type."""
    import h5py
    import numpy as np

    with h5py.File(path, "r+") as file:
        name = chance.choice(sorted(file))
        old = file[name][...] if chance.random() < 0.5 and file[name].dtype.hasobject is False else None
        del file[name]
        way = chance.randrange(10)
        if way == 0:
            file.create_group(name)
        elif way == 1:
            file[name] = h5py.SoftLink(chance.choice(("/turns", "/nowhere", f"/{name}")))
        elif way == 2:
            file[name] = h5py.ExternalLink(chance.choice((str(path), "/etc/passwd", "/dev/zero")), "/turns")
        elif way == 3:
            file.create_dataset(name, (100,), np.uint8, external=[("/etc/passwd", 0, 100)])
        elif way == 4:
            layout = h5py.VirtualLayout((100,), np.uint8)
            layout[:] = h5py.VirtualSource(str(path), "header", (100,))
            file.create_virtual_dataset(name, layout)
        elif way == 5:
            file.create_dataset(
                name, (2**40,), old.dtype if old is not None else np.uint8, chunks=(1024,), maxshape=(None,)
            )
        elif way == 6:
            file.create_dataset(name, data="text")
        elif way == 7:
            file.create_dataset(name, (3, 4), chance.choice((np.float64, np.uint8, np.int64, "S5")))
        elif way == 8 and old is not None and old.dtype.names:
            fewer = [one for one in old.dtype.names if chance.random() < 0.8] or [old.dtype.names[0]]
            file.create_dataset(name, data=old[fewer], chunks=(64,), maxshape=(None,))
        elif way == 9 and old is not None:
            raw = np.frombuffer(chance.randbytes(old.nbytes), old.dtype) if old.nbytes else old
            file.create_dataset(name, data=raw.reshape(old.shape))
        if chance.random() < 0.1:
            file.attrs[chance.choice(("format", "keep_frames"))] = chance.choice((5, "x", [1, 2, 3], 2.5))


def headed(chance: Random, path: Path) -> None:
    """Change values and types in the header, and correct its hash."""
    import h5py
    import numpy as np

    with h5py.File(path, "r+") as file:
        header = json.loads(file["header"][...].tobytes())
        for _ in range(chance.choice((1, 1, 2))):
            key = chance.choice(sorted(header))
            header[key] = chance.choice(
                (
                    None,
                    5,
                    "x",
                    [],
                    {},
                    [1],
                    1e308,
                    -1,
                    2**70,
                    True,
                    "\x1b[31mred",
                    "\ud800",
                    {"made": 3},
                    {"folder": 7},
                    "a: &a [*a]",
                    "x" * 20000,
                    chance.choice(NASTY),
                )
            )
            if key in ("rig", "experiment") and chance.random() < 0.7:
                from benchmarks.fuzz.texts import changed

                name = "rigs/simulated.yaml" if key == "rig" else "experiments/annular_activity.yaml"
                header[key] = changed(chance, CONFIG / name)
        if chance.random() < 0.1:
            header.pop(chance.choice(sorted(header)))
        text = np.frombuffer(json.dumps(header).encode(), np.uint8)
        del file["header"]
        file.create_dataset("header", data=text).attrs["blake2b"] = blake2b(text.data, digest_size=32).hexdigest()


@dataclass
class Checkpoints:
    """Cards and weights with changed bytes, and cards with changed values and a correct hash."""

    folder: Path
    name: str = "checkpoints"

    def prepare(self) -> None:
        self.cards = sorted(path for path in (CONFIG / "checkpoints").rglob("*.json"))
        for path in self.cards:
            self.load(path)

    def case(self, chance: Random, folder: Path) -> float:
        source = chance.choice(self.cards)
        path = folder / "net.json"
        text, weights = source.read_bytes(), source.with_suffix(".safetensors").read_bytes()
        if chance.random() < 0.3:
            text = flipped(chance, text)
        elif chance.random() < 0.8:
            text = resealed(chance, json.loads(text))
        if chance.random() < 0.3:
            weights = flipped(chance, weights)
        path.write_bytes(text)
        path.with_suffix(".safetensors").write_bytes(weights)
        if chance.random() < 0.05:
            path = special(chance, folder)
        self.load(path)
        return 0.5

    def load(self, path: Path) -> None:
        from models.checkpoint import load_checkpoint
        from models.lie.card import read_classifier

        for read in (load_checkpoint, read_classifier):
            try:
                read(path)
            except Refused as refused:
                sentence(refused)


def resealed(chance: Random, card: dict[str, Any]) -> bytes:
    """A card with one changed value and, if it can still be read, a correct hash."""
    from config.reader import build, parse
    from models.checkpoint import Card, digest
    from models.lie.card import SpeciesCard

    places: list[tuple[Any, Any]] = []

    def walk(inside: Any) -> None:
        inner = inside.items() if isinstance(inside, dict) else enumerate(inside) if isinstance(inside, list) else ()
        for key, below in inner:
            places.append((inside, key))
            walk(below)

    walk(card)
    inside, key = chance.choice(places)
    inside[key] = chance.choice(
        (2**31, 2**63, 1e308, 1e-300, 0, -1, None, "x", [], {}, True, 4096, 64, 1024, "x" * 20000, 2, 3, 7, [[1]])
    )
    text = json.dumps(card)
    for kind in (Card, SpeciesCard):
        try:
            made: Any = build(parse(text, "card"), kind)
        except Refused:
            continue
        return json.dumps(card | {"card_sha256": digest(made)}).encode()
    return text.encode()


@dataclass
class Tables:
    """Tables of tracks from other programs."""

    folder: Path
    name: str = "tables"

    def prepare(self) -> None:
        import numpy as np
        import pandas as pd

        x, y = np.random.default_rng(1).normal(0, 0.1, (2, 8, 60)).cumsum(2) + 5.0 * np.arange(8)[:, None]
        who, step = np.indices(x.shape)
        table = pd.DataFrame(
            {"time_s": 0.1 * step.ravel(), "particle": who.ravel(), "x_um": x.ravel(), "y_um": y.ravel()}
        )
        table.to_csv(self.folder / "sound.csv", index=False)
        table.to_parquet(self.folder / "sound.parquet")
        for _ in range(2):
            began_s = time.process_time()
            if verb("symmetry", self.folder / "sound.csv") or verb("symmetry", self.folder / "sound.parquet"):
                raise Broken("sound tables were refused")
            self.cost_s = time.process_time() - began_s

    def case(self, chance: Random, folder: Path) -> float:
        name = chance.choice(("sound.csv", "sound.parquet"))
        data = (self.folder / name).read_bytes()
        if name.endswith("csv") and chance.random() < 0.6:
            lines = data.decode().splitlines()
            at = chance.randrange(len(lines))
            words = lines[at].split(",")
            words[chance.randrange(len(words))] = chance.choice(NASTY)
            lines[at] = ",".join(words)
            data = "\n".join(lines).encode("utf-8", "replace")
        else:
            data = flipped(chance, data)
        (folder / name).write_bytes(data)
        verb("symmetry", folder / name)
        return 1.5 * self.cost_s
