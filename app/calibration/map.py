"""The map from camera to deflector: a scan without prior map, a probe move, then a fit with many trapped particles."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.calibration_file import CalibrationRecord, today
from app.assembly.plane import StoredMap
from app.assembly.probe_move import ProbeMove, devices_of, follows, is_probe_run
from app.assembly.rig import Plan, Rig, field_um
from app.calibration.job import CalibrationJob, map_of, rounded, share_of_budget_kt
from app.calibration.seen import CalibrationRun
from app.console.terminal import say
from config.reader import plain
from config.refused import Refused
from control.calibrate.plane import fit_map, sensor_map
from control.calibrate.scan import where_light_lands
from control.contract import Fault
from control.policies.calibrating import Carry, Carrying, Scan, Scanning
from drivers.journal import read_run

Floats = NDArray[np.float64]

PROBES = 4  # particles in the probe move
HELD_UM = 0.25  # largest rms deviation from the commanded move for a particle that counts as held
STEP_UM = 1.5
CROSS = ((0.0, 0.0), (1.2, 0.0), (1.2, 1.2), (0.0, 1.2))
AROUND = tuple((STEP_UM * x, STEP_UM * y) for x, y in (
    (0, 0), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1),
))  # fmt: skip


def camera_to_deflector(job: CalibrationJob) -> CalibrationRecord:
    """Measure the map. If it is not confirmed, scan and probe at probe power first; then use the full power of the rig.

    Raises Refused if no map explains the motion; Fault if the particles do not follow their spots.
    """
    first_map = None if job.rig().confirmed else scanned(job)
    slopes = probed(job, plain(first_map) if first_map is not None else None)
    rig_values = confirmed_by(job, first_map, slopes) if first_map is not None else {}
    number = 64
    rig = job.rig()
    shared_count = min(number, max(rig.sample.number, 16))
    motion = Carry(
        number=number,
        depth_kt=share_of_budget_kt(job.rig_with(rig_values, "calibration"), shared_count),
        path_um=AROUND,
    )
    plan, run_data = job.fly("map", motion, 20.5, rig=rig_values)
    point_px, target_v = rests(plan, run_data)
    try:
        fit = fit_map(point_px, target_v)
    except ValueError as error:
        raise Refused(f"the map can't be fitted: {error}") from None
    coarse = map_of(plan.rig)
    middle_px = point_px.mean(axis=0)
    if np.sign(_determinant(coarse, plan.rig)) != np.sign(fit.warp.affine.determinant):
        raise Fault("the fine map has another sense of rotation than the probed one: nothing was kept")
    um = plan.rig.optics.um_per_px
    results = {**_words(fit.warp.jacobian(middle_px), um), "order": fit.warp.order, "points": len(point_px),
             "outliers": int((~fit.used).sum()), "residual_um": fit.rms_px * um, "followed": slopes}  # fmt: skip
    sets = confirmed_by(job, StoredMap.of(fit.warp), slopes)
    return job.keep(
        "map", fit.rms_px * um, "um", sets, results, point_px=point_px, target_v=target_v, left_px=fit.left_px
    )


def confirmed_by(job: CalibrationJob, plane: StoredMap, slopes: Floats) -> dict[str, Any]:
    """Values of the rig for this map, and the record of its probe move, sealed together."""
    run = next(run for run in reversed(job.runs) if is_probe_run(run))
    (a, b), (c, d) = rounded(slopes)
    with read_run(job.file.parent / run) as recorded:
        devices = recorded.header.extra.get("devices", {})
    probe = ProbeMove(date=today(), slopes=((a, b), (c, d)), run=run, rig={**devices_of(job.rig()), **devices})
    return {"calibration.map": "confirmed", "calibration.plane": plain(plane),
            "calibration.probe": plain(probe.sealed(plane))}  # fmt: skip


def scanned(job: CalibrationJob) -> StoredMap:
    """A first map, to about 0.1 um: from the displacements of particles by a spot that scans the field."""
    rig = job.rig()
    low_um, high_um = field_um(rig)
    scan = Scan(depth_kt=rig.power_mw * rig.optics.depth_kt_per_mw)
    seconds = (Scanning(scan, low_um, high_um).turns + 8) / rig.camera.fps
    plan, run_data = job.fly("scan", scan, seconds)
    spot_um, place_um, kick_um = pulls(run_data, scan.turns)
    try:
        light_map, number = where_light_lands(spot_um, place_um, kick_um, reach=0.8, seed=job.seed)
    except ValueError as error:
        raise Refused(f"the scan found no map: {error}") from None
    width, height = rig.camera.width_px, rig.camera.height_px
    corner_px = np.array([(0, 0), (width, 0), (0, height), (width, height), (width / 2, height / 2)], np.float64)
    commanded_um = light_map.inverse(corner_px * rig.optics.um_per_px)
    sensor_px = sensor_of(rig)(corner_px)
    warp = fit_map(sensor_px, map_of(plan.rig)(commanded_um), order=1).warp
    say(f"  scan: {number} pulls; light lands within {_words(warp.jacobian(corner_px[4]), rig.optics.um_per_px)}")
    return StoredMap.of(warp)


def pulls(run_data: CalibrationRun, turns: int) -> tuple[Floats, Floats, Floats]:
    """(commanded spot [K, 2], position [K, 2] before, displacement [K, 2]) of every particle at every stop."""
    path = run_data.spot[-1]
    stop = np.flatnonzero(np.r_[True, (np.diff(path.place_um, axis=0) != 0).any(axis=1)])
    before = np.searchsorted(run_data.time_s, path.effect_s[stop] + 1e-9) - 1  # the last frame before the light came
    in_range = (before >= 0) & (before + turns < len(run_data.time_s))
    stop, before = stop[in_range], before[in_range]
    place, after = run_data.place_um[before], run_data.place_um[before + turns]  # [S, P, 2]
    spot = np.broadcast_to(path.place_um[stop][:, None], place.shape)
    kick = after - place
    complete = np.isfinite(kick).all(axis=-1)
    return spot[complete], place[complete], kick[complete]


def probed(job: CalibrationJob, plane: dict[str, Any] | None) -> Floats:
    """[2, 2] slopes with which particles follow a move of their spots. Raises Fault unless more than half follow.

    `plane` is the map to probe; None: the map of the rig.

    The motion of a particle is compared with the commanded move, not with its spot: a spot that has lost its particle
    is put at the position of the particle, which would then seem to follow.
    """
    rig = job.rig()
    motion = Carry(
        number=PROBES, depth_kt=share_of_budget_kt(rig, PROBES), path_um=CROSS, rest_s=0.6, speed_um_per_s=1.2
    )
    rig_values = {} if plane is None else {"calibration.plane": plane}
    plan, run_data = job.fly("probe", motion, 8.0, rig=rig_values)
    low_um, high_um = field_um(plan.rig)
    carrying = Carrying(motion, low_um, high_um, rig.optics.waist_um)
    slopes, probes = [], 0
    for particle, path in run_data.spot.items():
        position_um = run_data.place_um[:, run_data.column(particle)]
        caught = run_data.time_s > path.effect_s[0] + 0.5
        valid = caught & np.isfinite(position_um).all(axis=1)
        if valid.sum() < 0.5 * len(run_data.time_s):
            continue
        probes += 1
        commanded_um = np.array([carrying.offset_um(time_s - path.effect_s[0]) for time_s in run_data.time_s[valid]])
        design = np.column_stack([commanded_um, np.ones(len(commanded_um))])
        coefficients, *_ = np.linalg.lstsq(design, position_um[valid], rcond=None)
        residual_um = float(np.sqrt(((position_um[valid] - design @ coefficients) ** 2).sum(axis=1).mean()))
        if residual_um < HELD_UM and follows(coefficients[:2].T):
            slopes.append(coefficients[:2].T)
    if 2 * len(slopes) <= probes or not slopes:
        raise Fault(f"probe move: {len(slopes)} of {probes} particles followed their spots; the map is not confirmed")
    return np.asarray(np.mean(slopes, axis=0))


def rests(plan: Plan, run_data: CalibrationRun, settle_s: float = 0.35, least_s: float = 0.5) -> tuple[Floats, Floats]:
    """(mean position [K, 2] of a held particle in sensor px, V [K, 2] of its spot) for each rest of each spot."""
    to_sensor = sensor_of(plan.rig)
    point, target = [], []
    for particle, path in run_data.spot.items():
        moved = (np.diff(path.place_um, axis=0) != 0).any(axis=1) | (np.diff(path.effect_s) > 2.5 / run_data.fps)
        edges = np.r_[0, np.flatnonzero(moved) + 1, len(path.effect_s)]
        for first, last in pairwise(edges):
            begin_s, end_s = path.effect_s[first] + settle_s, path.effect_s[last - 1]
            inside = (run_data.time_s >= begin_s) & (run_data.time_s <= end_s)
            position_px = run_data.place_px[inside, run_data.column(particle)]
            position_px = position_px[np.isfinite(position_px).all(axis=1)]
            if len(position_px) >= least_s * run_data.fps:
                point.append(to_sensor(position_px.mean(axis=0)))
                target.append(run_data.light_v(path.place_um[first]))
    return np.array(point).reshape(-1, 2), np.array(target).reshape(-1, 2)


def sensor_of(rig: Rig) -> Any:
    """The map from px of the image of this rig to px of the whole sensor."""
    corner_px = (getattr(rig.camera, "left_px", 0), getattr(rig.camera, "top_px", 0))
    return sensor_map(corner_px, getattr(rig.camera, "binning", 1))


def _determinant(um_to_v: Any, rig: Rig) -> float:
    """Determinant of a map at the centre of the image; um and px have the same sense of rotation."""
    middle = np.array(rig.middle_um)
    columns = [um_to_v(middle + step) - um_to_v(middle - step) for step in 0.5 * np.eye(2)]
    return float(np.linalg.det(np.array(columns)))


def _words(jacobian_v_per_px: Floats, um_per_px: float) -> dict[str, Any]:
    """Rotation, mirroring and scale of a map."""
    determinant = float(np.linalg.det(jacobian_v_per_px))
    mirror = determinant < 0
    straight = jacobian_v_per_px @ np.diag([-1.0 if mirror else 1.0, 1.0])
    turn = math.degrees(math.atan2(straight[1, 0] - straight[0, 1], straight[0, 0] + straight[1, 1]))
    return {"turn_deg": turn, "mirror": mirror, "v_per_um": math.sqrt(abs(determinant)) / um_per_px}
