"""The header of a run file: data that are known before the first turn."""

from __future__ import annotations

import dataclasses
import json
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from config.reader import parse
from config.refused import Refused
from config.words import one_line, quoted
from drivers.journal.corrections import Images

# Key of the kernel number in `versions`. 2: results do not depend on earlier compilations; 3: fits are kept near the
# centroid; 4: grey levels are rounded down from float64, common moves of many particles are followed or raise an alarm,
# fits allow for the background's slope, windows are compared with the full frame; 5: the measured step variance is used
# for doubtful links; 6: a link much longer than the particle's own steps is doubtful; 7: so it is after missed
# frames, and five particles that move alike are not doubtful. A run of an older number is verified with its rules.
KERNELS = "cybloids kernels"
NEWEST_KERNELS = 7
RECORDED_PACKAGES = (
    "cybloids", "numpy", "scipy", "numba", "opencv-python", "trackpy", "pandas", "h5py", "hdf5plugin", "tifffile",
    "torch",
)  # fmt: skip


LARGEST_PX = 10**9  # side of an image; frames of the plant bench are positions, as float64
PIXELS = ("uint8", "uint16", "float64")
LARGEST_NUMBER = 1e15
LARGEST_SEED = 10**40  # the strict reader accepts no longer number
MOST_VERSIONS = 200  # packages
LEAST_FPS, LARGEST_FPS = 1e-6, 1e6  # of a camera; wider than the range of the setting
SAME = 1e-6  # relative difference up to which two numbers are equal

# Numbers of the header, and their places in its settings.
TWICE = (
    ("fps", "rig", ("camera", "fps")),
    ("um_per_px", "rig", ("optics", "um_per_px")),
    ("seed", "experiment", ("seed",)),
)


class Kind(StrEnum):
    """Source of the frames, and whether light of the run acted on the imaged particles."""

    SIMULATED = "SIMULATED"
    REPLAY = "REPLAY"
    REAL = "REAL"
    WATCH_ONLY = "WATCH ONLY"  # frames of a real camera, and simulated light

    @property
    def light_acts(self) -> bool:
        """Whether light of the run, if there was any, acted on the particles in its frames."""
        return self in (Kind.SIMULATED, Kind.REAL)


@dataclass(frozen=True)
class Header:
    """All data that describe a run and are needed to compute it again."""

    kind: Kind
    rig: str  # the effective settings, YAML
    experiment: str  # the effective settings, YAML
    height_px: int
    width_px: int
    pixel_type: str = "uint8"  # or "uint16"
    fps: float = 0.0
    um_per_px: float = 0.0
    seed: int | None = None
    source: str = ""  # the video or the run that was replayed
    field_um: tuple[float, ...] = ()  # field that the beam may visit: left, top, right, bottom
    calibration: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    git_hash: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    started: str = ""  # wall clock, ISO 8601
    corrections: Images = field(default_factory=dict, compare=False)  # not in the text: `extra` has their hashes

    def text(self) -> str:
        """The header as JSON with sorted keys, without the images of `corrections`."""
        said = dataclasses.asdict(dataclasses.replace(self, corrections={}))
        del said["corrections"]
        return json.dumps(said, sort_keys=True, indent=1, ensure_ascii=True)

    def seal(self) -> bytes:
        """BLAKE2b of the header without `started`: the first link of the hash chain."""
        timeless = dataclasses.replace(self, started="")
        return blake2b(timeless.text().encode(), digest_size=32).digest()


def _text(value: Any) -> bool:
    return isinstance(value, str) and not any(one == "\0" or "\ud800" <= one <= "\udfff" for one in value)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _size_px(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_PX


def _seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_SEED


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


# Checks of the header's fields: a run file may come from any source.
CHECKS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    *((name, _text, "a text") for name in ("rig", "experiment", "source", "git_hash", "started")),
    *((name, _size_px, f"a whole number from 0 to {LARGEST_PX}") for name in ("height_px", "width_px")),
    ("pixel_type", lambda value: value in PIXELS, " or ".join(PIXELS)),
    (
        "fps",
        lambda value: _number(value) and LEAST_FPS <= value <= LARGEST_FPS,
        f"a number from {LEAST_FPS:g} to {LARGEST_FPS:g}",
    ),
    ("um_per_px", lambda value: _number(value) and value >= 0, "a number, 0 or more"),
    ("seed", lambda value: value is None or _seed(value), f"a whole number of at most {LARGEST_SEED:.0e}"),
    (
        "field_um",
        lambda value: isinstance(value, tuple) and len(value) in (0, 4) and all(map(_number, value)),
        "a list of four numbers",
    ),
    ("calibration", _mapping, "a mapping"),
    ("extra", lambda value: _mapping(value) and _text(value.get("folder", "")), "a mapping, its folder a text,"),
    (
        "versions",
        lambda value: _mapping(value) and len(value) <= MOST_VERSIONS and all(map(_text, value.values())),
        f"a mapping of at most {MOST_VERSIONS} texts",
    ),
)


def header_of(text: str, source: str) -> Header:
    """The header from its JSON; `source` is its name in errors. Raises Refused."""
    made = Header(**_fields(text, source), corrections={})
    for name, test, needed in CHECKS:
        value = getattr(made, name)
        if not test(value):
            raise Refused(f"{source}: the header's '{name}' is {quoted(value)}, where {needed} is needed")
    return made


def _fields(text: str, source: str) -> dict[str, Any]:
    """The fields of a header by name. Only the kind is checked. Raises Refused."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{source}: the header can't be read, it is not JSON ({one_line(error)})") from None
    if not isinstance(data, dict):
        raise Refused(f"{source}: the header is {quoted(data)}, where a mapping is needed")
    for one in dataclasses.fields(Header):
        needed = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if needed and one.name not in data:
            raise Refused(f"{source}: the header has no '{one.name}'")
    names = {one.name for one in dataclasses.fields(Header)} - {"corrections"}  # which are not in the text
    unknown = sorted(set(data) - names)
    if unknown:
        raise Refused(f"{source}: the header's '{quoted(unknown[0])}' is not known; this run may be of a newer version")
    kinds = [kind.value for kind in Kind]
    if data["kind"] not in kinds:
        raise Refused(f"{source}: the header's 'kind' is {quoted(data['kind'])}, where {' or '.join(kinds)} is needed")
    field_um = data.get("field_um", ())
    return {**data, "kind": Kind(data["kind"]), "field_um": tuple(field_um) if isinstance(field_um, list) else field_um}


def require_same_numbers(header: Header, source: str) -> None:
    """Raises Refused if a number of the header differs from that in its rig or experiment.

    Numbers that are not stated, and settings that can't be read, are skipped here.
    """
    settings = {which: _data(getattr(header, which)) for which in ("rig", "experiment")}
    for name, which, place in TWICE:
        here, there = getattr(header, name), _stated(settings[which], place)
        if here is None or there is None or abs(here - there) <= SAME * abs(there):
            continue
        raise Refused(
            f"{source}: the header's '{name}' is {quoted(here)}, and {'.'.join(place)} of its {which} is "
            f"{quoted(there)}"
        )


def _data(settings: str) -> dict[str, Any]:
    """Settings in YAML; empty if they can't be read."""
    try:
        return parse(settings, "settings").data
    except Refused:
        return {}


def _stated(found: Any, place: tuple[str, ...]) -> float | None:
    """A number in settings; None if they do not state it."""
    for key in place:
        found = found.get(key) if isinstance(found, dict) else None
    return found if _number(found) else None


def kernels_of(header: Header) -> int:
    """The kernel number of a run; 1 for runs without a number."""
    said = header.versions.get(KERNELS, "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 1


def now() -> str:
    """The wall clock, for `started`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result may depend on."""
    found = {"python": platform.python_version(), KERNELS: str(NEWEST_KERNELS)}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_hash(folder: Path = Path(__file__).parent) -> str:
    """The commit of the code, followed by "-dirty" if files were changed; "unknown" outside of a checkout."""
    checkout = Path(__file__).parents[2] / ".git"
    if not checkout.exists():  # an installed package may be inside another checkout
        return "unknown"
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--match="],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()
