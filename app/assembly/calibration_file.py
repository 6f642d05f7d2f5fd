"""The calibration file of a rig: records, newest last. Each record sets values of the rig; they apply in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from app.assembly.plane import Pair, StoredMap
from app.assembly.probe_move import SIZE, ProbeMove, probe_of_older_file
from config.atomic import write_file
from config.fields import Doc, Gt, settings
from config.files import kind_of
from config.reader import Document, build, mapping_at, plain, put, put_all, read, write
from config.refused import Refused
from control.calibrate.power import Efficiency
from control.contract import Fault
from drivers.journal import read_run


@settings
class Evenness:
    """How the efficiency of the light varies over the field (control.calibrate.power.Efficiency)."""

    centre_um: Annotated[Pair, Doc("where it is 1")]
    radius_um: Annotated[float, Gt(0), Doc("unit of length")]
    terms: Annotated[tuple[float, float, float, float, float], Doc("of X, Y, X^2, X Y, Y^2")]

    def efficiency(self) -> Efficiency:
        return Efficiency(self.centre_um, self.radius_um, self.terms)


@settings
class Made:
    """Summary of one calibration, stored in the header of every run."""

    what: Annotated[str, Doc("what was measured")]
    date: Annotated[str, Doc("when (UTC)")]
    residual: Annotated[float | None, Doc("what the fit left over, or its standard error")] = None
    unit: Annotated[str, Doc("unit of the residual")] = ""


@settings
class Calibration:
    """The measured properties of a rig, and whether the beam may be armed with its map."""

    file: Annotated[str, Doc("the calibration file that this comes from")] = ""
    map: Annotated[
        Literal["simulated", "unconfirmed", "confirmed"],
        Doc("simulated: as the settings of a simulated deflector say; confirmed: `probe` has shown it right"),
    ] = "simulated"
    probe: Annotated[ProbeMove | None, Doc("the probe move that confirmed the map; calibrate map writes it")] = None
    probe_size_px: Annotated[
        tuple[int, int] | None, Doc("size of the images of a probe move whose record does not have it, by its run")
    ] = None
    plane: Annotated[StoredMap | None, Doc("the measured map; left out: as the deflector's settings say")] = None
    evenness: Annotated[Evenness | None, Doc("the measured efficiency over the field; left out: even")] = None
    made: Annotated[tuple[Made, ...], Doc("what was calibrated, newest last")] = ()


@settings
class CalibrationRecord(Made):
    """The full record of one calibration: values set in the rig, results, and data."""

    set: Annotated[dict[str, Any], Doc("values of the rig, by dotted key")] = field(default_factory=dict)
    found: Annotated[dict[str, Any], Doc("everything that was measured, with standard errors")] = field(
        default_factory=dict
    )
    runs: Annotated[tuple[str, ...], Doc("run files it was measured in, from the calibration file's folder")] = ()
    data: Annotated[dict[str, Any], Doc("the points that were fitted")] = field(default_factory=dict)

    def brief(self) -> Made:
        return Made(what=self.what, date=self.date, residual=self.residual, unit=self.unit)


@settings
class CalibrationFile:
    """All calibrations of one rig."""

    rig: Annotated[str, Doc("title of the rig")]
    records: tuple[CalibrationRecord, ...] = ()


def made_in(calibration: Mapping[str, Any], source: str) -> tuple[Made, ...]:
    """The calibrations that the header of the run `source` lists. Raises Refused."""
    try:
        return tuple(build(Document(source, dict(item), {}), Made) for item in calibration.get("made", ()))
    except (TypeError, ValueError, AttributeError, Refused):
        raise Refused(f"{source}: what the header says of the calibration can't be read") from None


def load(path: Path) -> CalibrationFile:
    """Read a calibration file. Raises Refused."""
    calibrations: CalibrationFile = build(read(path), CalibrationFile)
    return calibrations


def save(path: Path, calibrations: CalibrationFile) -> None:
    """Write the file atomically: completely or not at all. Raises Fault."""
    try:
        write_file(path, write(calibrations), "a calibration file", kind=None, own=True)
    except OSError as error:
        raise Fault(f"{path}: the calibration could not be saved ({error.strerror or error})") from None


def add(path: Path, rig: str, record: CalibrationRecord) -> None:
    """Append a record to the file. Create the file if it does not exist. Raises Refused, Fault."""
    calibrations = load(path) if kind_of(path) else CalibrationFile(rig=rig)
    save(path, replace(calibrations, records=(*calibrations.records, record)))


def newest(path: Path) -> CalibrationRecord:
    """The newest record, which `undo` would remove. Raises Refused if there is none."""
    records = load(path).records
    if not records:
        raise Refused(f"{path}: there is no calibration left to undo")
    return records[-1]


def undo(path: Path) -> CalibrationRecord:
    """Remove the newest record and return it. Raises Refused if there is none, Fault."""
    record = newest(path)
    calibrations = load(path)
    save(path, replace(calibrations, records=calibrations.records[:-1]))
    return record


def today() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def calibrated(bench: Document, before: Any = None) -> Document:
    """The rig with the values of its calibration file, if `calibration` names a file. Raises Refused.

    `before` is the value of `calibration` before a file was named: its `map` holds until a record sets another one.
    """
    name = bench.data.get("calibration")
    if not isinstance(name, str):
        return bench
    place = bench.place(("calibration",))
    path = next((candidate for candidate in (Path(bench.source).parent / name, Path(name)) if kind_of(candidate)), None)
    if path is None:
        raise Refused(f"{place}: there is no calibration file {name}")
    saved = load(path)
    stated_map = {"map": before["map"]} if isinstance(before, dict) and "map" in before else {}
    map_number = max(
        (number for number, entry in enumerate(saved.records, 1) if "calibration.plane" in entry.set), default=0
    )
    entries: list[tuple[str, Any, str]] = [("calibration", {"file": str(path), **stated_map}, str(path))]
    for number, record in enumerate(saved.records, 1):
        source = f"{path}: {record.what} of {record.date}"
        entries += [(key, value, source) for key, value in record.set.items()]
        if number == map_number and "calibration.probe" not in record.set:
            older_probe = probe_of_older_file(saved.records[:number], saved.rig, str(bench.data.get("title")))
            entries.append(("calibration.probe", plain(older_probe) if older_probe is not None else None, source))
    entries.append(("calibration.made", [plain(record.brief()) for record in saved.records], str(path)))
    bench = put_all(bench, entries)
    size_px = _size_by_run(path.parent, mapping_at(bench, "calibration").get("probe"))
    return put(bench, "calibration.probe_size_px", size_px, str(path)) if size_px is not None else bench


def _size_by_run(folder: Path, probe: Any) -> list[int] | None:
    """Width and height of the images of a probe move, read from its run file.

    None if the record of the probe move contains them, or if the run file can't be read.
    """
    if not isinstance(probe, dict):
        return None
    try:
        move: ProbeMove = build(Document("", probe, {}), ProbeMove)
        if set(SIZE) <= move.rig.keys():
            return None
        with read_run(folder / move.run) as run:
            return [run.header.width_px, run.header.height_px]
    except (Refused, ValueError):  # ValueError: an impossible path
        return None
