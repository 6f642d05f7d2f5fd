"""The record of a probe move, sealed with the map that it confirmed. Without it, a map of a real rig is not valid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from app.assembly.plane import Pair, StoredMap
from config.fields import Doc, settings
from config.reader import Document, build, plain
from config.refused import Refused
from control.calibrate.plane import fit_map

if TYPE_CHECKING:
    from app.assembly.rig import Rig

FOLLOWS = 0.3  # largest deviation of the slopes from the identity matrix; it keeps the determinant positive
SAME_SCALE = 0.1  # allowed relative change of um_per_px, which may have been measured again since
REFIT_V = 1e-3  # a map of an older file must agree with a new fit to its points within this
AGAIN = "calibrate the map again (main.py calibrate map)"
ASKED = ("camera.device", "deflector.device", "laser.device")  # identities that the devices report once they are open
SIZE = ("camera.width_px", "camera.height_px")


@settings
class ProbeMove:
    """Evidence that particles followed their spots under a map, and the devices of that measurement."""

    date: Annotated[str, Doc("when (UTC)")]
    slopes: Annotated[tuple[Pair, Pair], Doc("um that particles moved for 1 um that their spots were moved, x and y")]
    run: Annotated[str, Doc("run file of the probe move, from the calibration file's folder")]
    rig: Annotated[dict[str, Any], Doc("devices, with kinds and ports, optics and images that it was made with")]
    seal: Annotated[str, Doc("SHA-256 of the map's numbers and of the above")] = ""

    def sealed(self, plane: StoredMap) -> ProbeMove:
        """A copy with the seal of this map and this record."""
        return replace(self, seal=self.seal_of(plane))

    def seal_of(self, plane: StoredMap) -> str:
        record = {"plane": plain(plane), **plain(replace(self, seal=""))}
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def follows(slopes: Any) -> bool:
    """Whether particles followed their spots, by the slopes [2, 2] of a probe move."""
    try:
        matrix = np.asarray(slopes, np.float64)
    except (TypeError, ValueError):  # of a file from another source
        return False
    return matrix.shape == (2, 2) and bool(np.abs(matrix - np.eye(2)).max() < FOLLOWS)


def devices_of(rig: Rig) -> dict[str, Any]:
    """The settings of a rig to which a map belongs: kinds and addresses of its devices, and the scale of its images.

    The image size is included if the camera does not report which part of its sensor it shows: such a camera may scale
    or crop an image of another size.
    """
    values: dict[str, Any] = {}
    for part, device in (("camera", rig.camera), ("deflector", rig.deflector), ("laser", rig.laser)):
        values[f"{part}.kind"] = device.kind
        if device.address_key:
            values[f"{part}.{device.address_key}"] = device.address
    if not rig.camera.states_its_cut:
        values |= {name: getattr(rig.camera, name.partition(".")[2]) for name in SIZE}
    return {**values, "optics.um_per_px": rig.optics.um_per_px}


def reason_unconfirmed(
    plane: StoredMap | None, probe: ProbeMove | None, rig: Mapping[str, Any], size_px: tuple[int, int] | None = None
) -> str:
    """Why a map marked as confirmed is not valid for the rig with these devices; "" if it is valid.

    Args:
        size_px: width and height of the images of the probe move, if its record lacks them; None: not known.
    """
    if plane is None or probe is None:
        return f"its map is marked as confirmed, and there is no record of a probe move that confirmed it; {AGAIN}"
    if probe.seal != probe.seal_of(plane):
        return f"its map or the record of its probe move of {probe.date} was changed since; {AGAIN}"
    if not follows(probe.slopes):
        return f"in its probe move of {probe.date} particles did not follow their spots; {AGAIN}"
    size = {name: px for name, px in zip(SIZE, size_px or (), strict=False) if name in rig}
    return _difference({name: value for name, value in {**size, **probe.rig}.items() if name not in ASKED}, rig)


def why_other_devices(probe: ProbeMove, devices: Mapping[str, str]) -> str:
    """Why a map is not valid with the devices that answer at the ports; "" if it is valid."""
    return _difference({name: value for name, value in probe.rig.items() if name in ASKED}, devices)


def _difference(confirmed: Mapping[str, Any], present: Mapping[str, Any]) -> str:
    for name, value in confirmed.items():
        if not _same(value, present.get(name)):
            return f"its map was confirmed with {name} {value}, and this rig has {present.get(name)}; {AGAIN}"
    return ""


def _same(confirmed: Any, present: Any) -> bool:
    if isinstance(confirmed, float) and isinstance(present, int | float):
        return abs(confirmed - present) <= SAME_SCALE * confirmed
    return bool(confirmed == present)


def probe_of_older_file(records: Any, title: str, rig_title: str) -> ProbeMove | None:
    """The probe move that confirmed the newest map of a file without seals (an older file); None if there is none.

    Conditions: the file belongs to this rig; a record names the run of the probe move (the record of this map, or of an
    earlier map under which this one was measured); particles followed in that run; and the map agrees with a new fit to
    its points.

    Args:
        records: the records up to and including that of the map.
    """
    maps = [record for record in records if record.what == "map"]
    probe_record = next((record for record in reversed(maps) if _probe_run(record)), None)
    if title != rig_title or probe_record is None or not follows(probe_record.found.get("followed", ())):
        return None
    try:
        plane = build(Document("", {**maps[-1].set["calibration.plane"]}, {}), StoredMap)
        point, target = (np.asarray(maps[-1].data[name], np.float64) for name in ("point_px", "target_v"))
        difference_v = np.abs(plane.warp()(point) - fit_map(point, target).warp(point)).max()
    except (TypeError, ValueError, KeyError, Refused):
        return None
    if not difference_v < REFIT_V:
        return None
    (a, b), (c, d) = probe_record.found["followed"]
    return ProbeMove(date=probe_record.date, slopes=((a, b), (c, d)), run=_probe_run(probe_record), rig={}).sealed(
        plane
    )


def is_probe_run(run: str) -> bool:
    """Whether the name of a run file of a calibration is that of a probe move."""
    return run.replace("\\", "/").rpartition("/")[2].startswith("probe-")


def _probe_run(record: Any) -> str:
    return next((run for run in record.runs if is_probe_run(run)), "")
