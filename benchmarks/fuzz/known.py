"""Inputs that once hung the program, used all memory or were accepted, with the commands that must refuse them."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzz.rules import Broken, verb
from benchmarks.fuzz.texts import CONFIG, EXPERIMENT, RIG

CARD = CONFIG / "checkpoints" / "ring_ponita.json"
SUPERBLOCK = (8, 9, 10, 12, 20, 28, 36, 44)  # bytes of an HDF5 file that describe the rest of the file and its length
PLAN_VERBS: tuple[tuple[str, ...], ...] = (
    ("run", "{}"), ("run", f"{EXPERIMENT}", "--rig", "{}"), ("train", "{}"), ("calibrate", "all", "{}"),
)  # fmt: skip
RUN_VERBS: tuple[tuple[str, ...], ...] = (("info", "{}"), ("verify", "{}"), ("analyse", "{}"), ("replay", "{}"))
RUN = ("run", f"{EXPERIMENT}", "--seconds")
LINES: tuple[tuple[str, ...], ...] = (
    *((*RUN, seconds) for seconds in ("nan", "inf", "1e308")),
    ("calibrate", "all", f"{RIG}", "--seconds", "1e308"),
    *(
        (*RUN, "0.01", "--set", item)
        for item in (
            "a=&a [*a]", "seed=0x" + "f" * 400, "optics.um_per_px=1e-300", "tracking.diameter_px=100001",
        )
    ),
)  # fmt: skip
COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "aliases.yaml": PLAN_VERBS,
    "list.yaml": PLAN_VERBS,
    "large": (("replay", "{}"), ("tune", "{}", "--out", "a.png")),
    "aliases.h5": (("analyse", "{}"),),
    "inflating.h5": RUN_VERBS,
    **{f"superblock-{at}.h5": RUN_VERBS[:1] for at in SUPERBLOCK},
    "attributes.json": (("evaluate", "{}"),),
    "reach.json": (("evaluate", "{}"),),
    "": LINES,
}  # by the name of the input, "{}" in the command; "": without input
KNOWN = [(name, words) for name, commands in COMMANDS.items() for words in commands]


@dataclass
class Known:
    """One of KNOWN in each case, chosen at random."""

    folder: Path
    name: str = "known"

    def prepare(self) -> None:
        sound = self.folder / "sound.h5"
        sound.unlink(missing_ok=True)
        small = ("--set", "camera.width_px=64", "--set", "camera.height_px=64")
        if verb("run", EXPERIMENT, "--seconds", "0.1", "--out", sound, *small) != 0:
            raise RuntimeError("the sound run could not be made")
        write_inputs(self.folder, sound)
        first = self.folder / "first"
        first.mkdir(exist_ok=True)
        for name, words in {words[0]: (name, words) for name, words in KNOWN}.values():  # imports of each verb
            self.must_refuse(name, words, first)

    def case(self, chance: Random, folder: Path) -> float:
        self.must_refuse(*chance.choice(KNOWN), folder)
        return 0.0

    def must_refuse(self, name: str, words: tuple[str, ...], folder: Path) -> None:
        """Raises Broken unless the command refuses the input of this name as bad input."""
        path = folder / name
        if name and not path.exists():
            (shutil.copytree if (self.folder / name).is_dir() else shutil.copyfile)(self.folder / name, path)
        code = verb(*(word.replace("{}", str(path)) for word in words))
        if code != 2:
            raise Broken(f"exit code {code} (allowed: 2) of {' '.join(words)[-60:]!r} with {name or 'no file'}")


def write_inputs(folder: Path, sound: Path) -> None:
    """Write every input of COMMANDS into this folder."""
    tens = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    aliases = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *tens])
    (folder / "aliases.yaml").write_text(aliases, encoding="utf-8")
    (folder / "list.yaml").write_text("title:\n" + "- 1\n" * 100_000, encoding="utf-8")
    (folder / "large").mkdir(exist_ok=True)
    (folder / "large" / "1.png").write_bytes(png_that_claims(30_000, 30_000))
    changed_run(sound, folder / "aliases.h5", lambda file: put_header(file, rig=aliases))
    changed_run(sound, folder / "inflating.h5", put_inflating_header)
    data = sound.read_bytes()
    for at in SUPERBLOCK:
        (folder / f"superblock-{at}.h5").write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    for key, value in (("attributes", 2**31), ("reach", 1e308)):
        card = json.loads(CARD.read_bytes())
        if sealed(card) != card:
            raise RuntimeError("a card's check sum is computed in another way by now")
        (folder / f"{key}.json").write_text(json.dumps(sealed(card | {key: value})), encoding="utf-8")
        shutil.copyfile(CARD.with_suffix(".safetensors"), folder / f"{key}.safetensors")


def png_that_claims(width_px: int, height_px: int) -> bytes:
    """A PNG with this size in its header, and almost no image data."""
    size = width_px.to_bytes(4, "big") + height_px.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    pieces = [(b"IHDR", size), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    chunks = [
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in pieces
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def changed_run(sound: Path, path: Path, change: Callable[[Any], None]) -> None:
    """Write a copy of the sound run to `path`, and `change` the open HDF5 file."""
    import h5py

    shutil.copyfile(sound, path)
    with h5py.File(path, "r+") as file:
        change(file)


def put_header(file: Any, **values: object) -> None:
    """Change values in the header of a run, and correct its hash."""
    import numpy as np

    header = json.loads(file["header"][...].tobytes()) | values
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    del file["header"]
    file.create_dataset("header", data=text).attrs["blake2b"] = blake2b(text.data, digest_size=32).hexdigest()


def put_inflating_header(file: Any) -> None:
    """Replace the header by one chunk of 1 MB that inflates to 1 GiB."""
    import numpy as np

    text, sums = file["header"][...], dict(file["header"].attrs)
    del file["header"]
    made = file.create_dataset("header", text.shape, np.uint8, chunks=text.shape, compression="gzip")
    made.attrs.update(sums)
    made.id.write_direct_chunk((0,), zeros_deflated(64 << 24))


def zeros_deflated(count: int) -> bytes:
    """`count` zeros (a multiple of 16 MiB) in the zlib format: one block of 16 MiB, repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    adler32 = (count % 65521) << 16 | 1
    return b"\x78\xda" + block * (count >> 24) + packer.flush() + adler32.to_bytes(4, "big")


def sealed(card: dict[str, Any]) -> dict[str, Any]:
    """The card with the correct hash of its values, valid or not."""
    body = json.dumps(card | {"card_sha256": ""}, sort_keys=True)
    return card | {"card_sha256": sha256(body.encode()).hexdigest()}
