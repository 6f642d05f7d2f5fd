"""The record of a probe move, sealed with the map that it confirmed: without it a map of a real rig does not count."""

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

FOLLOWS = 0.3  # largest error of the slope with which particles follow, of 1: so its determinant is positive
SAME_SCALE = 0.1  # um_per_px may have been measured again since, and differ by so large a part
REFIT_V = 1e-3  # a map of an older file agrees with the points that it was fitted to
AGAIN = "calibrate the map again (main.py calibrate map)"
ASKED = ("camera.device", "deflector.device", "laser.device")  # what they call themselves, once they are open
SIZE = ("camera.width_px", "camera.height_px")


@settings
class ProbeMove:
    """That particles followed their spots under a map, and with what it was measured."""

    date: Annotated[str, Doc("when (UTC)")]
    slopes: Annotated[tuple[Pair, Pair], Doc("um that particles moved for 1 um that their spots were moved, x and y")]
    run: Annotated[str, Doc("run file of the probe move, from the calibration file's folder")]
    rig: Annotated[dict[str, Any], Doc("devices, with kinds and ports, optics and images that it was made with")]
    seal: Annotated[str, Doc("SHA-256 of the map's numbers and of the above")] = ""

    def sealed(self, plane: StoredMap) -> ProbeMove:
        """With the seal of this map and this record."""
        return replace(self, seal=self.seal_of(plane))

    def seal_of(self, plane: StoredMap) -> str:
        whole = {"plane": plain(plane), **plain(replace(self, seal=""))}
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def follows(slopes: Any) -> bool:
    """Whether particles followed their spots, by the slopes [2, 2] of a probe move."""
    try:
        found = np.asarray(slopes, np.float64)
    except (TypeError, ValueError):  # of a file that was made otherwise
        return False
    return found.shape == (2, 2) and bool(np.abs(found - np.eye(2)).max() < FOLLOWS)


def devices_of(rig: Rig) -> dict[str, Any]:
    """What a map belongs to, of a rig's settings: where its devices are, and what a pixel of its images is.

    A camera that does not say which part of its sensor it shows may scale an image of another size down, or cut it.
    """
    found: dict[str, Any] = {}
    for part, device in (("camera", rig.camera), ("deflector", rig.deflector), ("laser", rig.laser)):
        found[f"{part}.kind"] = device.kind
        if device.address_key:
            found[f"{part}.{device.address_key}"] = device.address
    if not rig.camera.states_its_cut:
        found |= {name: getattr(rig.camera, name.partition(".")[2]) for name in SIZE}
    return {**found, "optics.um_per_px": rig.optics.um_per_px}


def why_it_does_not_count(
    plane: StoredMap | None, probe: ProbeMove | None, rig: Mapping[str, Any], size_px: tuple[int, int] | None = None
) -> str:
    """Why a map that is said to be confirmed does not count for the rig with these devices; "" where it does.

    Args:
        size_px: width and height of the images of a probe move whose record does not have them; None: not known.
    """
    if plane is None or probe is None:
        return f"its map is said to be confirmed, and there is no record of a probe move that confirmed it; {AGAIN}"
    if probe.seal != probe.seal_of(plane):
        return f"its map or the record of its probe move of {probe.date} was changed since; {AGAIN}"
    if not follows(probe.slopes):
        return f"in its probe move of {probe.date} particles did not follow their spots; {AGAIN}"
    size = {name: px for name, px in zip(SIZE, size_px or (), strict=False) if name in rig}
    return _difference({name: then for name, then in {**size, **probe.rig}.items() if name not in ASKED}, rig)


def why_other_devices(probe: ProbeMove, devices: Mapping[str, str]) -> str:
    """Why a map does not count with the devices that answer at the ports; "" where it does."""
    return _difference({name: then for name, then in probe.rig.items() if name in ASKED}, devices)


def _difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    for name, value in then.items():
        if not _same(value, now.get(name)):
            return f"its map was confirmed with {name} {value}, and this rig has {now.get(name)}; {AGAIN}"
    return ""


def _same(then: Any, now: Any) -> bool:
    if isinstance(then, float) and isinstance(now, int | float):
        return abs(then - now) <= SAME_SCALE * then
    return bool(then == now)


def probe_of_older_file(records: Any, title: str, rig_title: str) -> ProbeMove | None:
    """The probe move that confirmed the newest map of a file that was made before seals; None where it is not there.

    It counts if the file is this rig's, the record names the run of the probe move (of this map, or of one before it,
    under which it was measured), particles followed in it, and the map agrees with the points that it was fitted to.

    Args:
        records: those up to and with the one that set the map.
    """
    maps = [one for one in records if one.what == "map"]
    probed = next((one for one in reversed(maps) if _probe_run(one)), None)
    if title != rig_title or probed is None or not follows(probed.found.get("followed", ())):
        return None
    try:
        made = build(Document("", {**maps[-1].set["calibration.plane"]}, {}), StoredMap)
        point, target = (np.asarray(maps[-1].data[name], np.float64) for name in ("point_px", "target_v"))
        apart_v = np.abs(made.warp()(point) - fit_map(point, target).warp(point)).max()
    except (TypeError, ValueError, KeyError, Refused):
        return None
    if not apart_v < REFIT_V:
        return None
    (a, b), (c, d) = probed.found["followed"]
    return ProbeMove(date=probed.date, slopes=((a, b), (c, d)), run=_probe_run(probed), rig={}).sealed(made)


def is_probe_run(run: str) -> bool:
    """Whether a run file of a calibration is that of a probe move, by its name."""
    return run.replace("\\", "/").rpartition("/")[2].startswith("probe-")


def _probe_run(record: Any) -> str:
    return next((run for run in record.runs if is_probe_run(run)), "")
