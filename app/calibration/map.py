"""The map from camera to deflector: a blind scan, a check by a probe move, then a measurement with many particles."""

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
from app.calibration.run_arrays import RunArrays
from app.console.terminal import say
from config.reader import build, plain, put
from config.refused import Refused
from control.calibrate.plane import fit_map, sensor_map
from control.calibrate.scan import where_light_lands
from control.contract import Fault
from control.policies.calibrating import Carry, Carrying, Scan, Scanning
from drivers.journal import read_run

Floats = NDArray[np.float64]

PROBES = 4  # number of particles in the probe move
HELD_UM = 0.25  # largest rms distance from the commanded move, um, for a particle that counts as held
STEP_UM = 1.5  # of the path round each particle's place in the final measurement
CROSS = ((0.0, 0.0), (1.2, 0.0), (1.2, 1.2), (0.0, 1.2))  # path of the probe move, um
AROUND = tuple((STEP_UM * x, STEP_UM * y) for x, y in (
    (0, 0), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1),
))  # fmt: skip


def camera_to_deflector(job: CalibrationJob) -> CalibrationRecord:
    """At probe power, unless the map is confirmed: scan and probe move. Then the measurement, at the rig's power.

    Raises Refused if no map explains the motion, and Fault if the particles do not follow their spots.
    """
    first = None if job.rig().confirmed else scanned(job)
    slopes = probed(job, plain(first) if first is not None else None)
    probed_sets = confirmed_by(job, first, slopes) if first is not None else {}
    number = 64
    rig = job.rig()
    many = min(number, max(rig.sample.number, 16))
    motion = Carry(number=number, depth_kt=share_of_budget_kt(job.rig_with(sure, "calibration"), many), path_um=AROUND)
    made, seen = job.fly("map", motion, 20.5, rig=sure)
    point_px, target_v = rests(made, seen)
    try:
        fit = fit_map(point_px, target_v)
    except ValueError as error:
        raise Refused(f"the map can't be fitted: {error}") from None
    coarse = map_of(plan.rig)
    middle_px = point_px.mean(axis=0)
    if np.sign(_determinant(coarse, plan.rig)) != np.sign(fit.warp.affine.determinant):
        raise Fault("the sense of rotation of the measured map is not that of the probed one; nothing was kept")
    um = plan.rig.optics.um_per_px
    found = {**_turn_mirror_scale(fit.warp.jacobian(middle_px), um), "order": fit.warp.order, "points": len(point_px),
             "outliers": int((~fit.used).sum()), "residual_um": fit.rms_px * um, "followed": slopes}  # fmt: skip
    sets = confirmed_by(job, StoredMap.of(fit.warp), slopes)
    return job.keep(
        "map", fit.rms_px * um, "um", sets, found, point_px=point_px, target_v=target_v, left_px=fit.left_px
    )


def confirmed_by(job: CalibrationJob, plane: StoredMap, slopes: Floats) -> dict[str, Any]:
    """Values of the rig with this map, and the record of the probe move that was flown for it, sealed together."""
    run = next(run for run in reversed(job.runs) if is_probe_run(run))
    (a, b), (c, d) = rounded(slopes)
    with read_run(job.file.parent / run) as probe_run:
        device_ids = probe_run.header.extra.get("devices", {})
    probe = ProbeMove(date=today(), slopes=((a, b), (c, d)), run=run, rig={**devices_of(job.rig()), **device_ids})
    return {"calibration.map": "confirmed", "calibration.plane": plain(plane),
            "calibration.probe": plain(probe.sealed(plane))}  # fmt: skip


def scanned(job: CalibrationJob) -> StoredMap:
    """A first map, to about 0.1 um, from the pulls of a spot that scans the field. Raises Refused, Fault."""
    rig = job.rig()
    low_um, high_um = field_um(rig)
    scan = Scan(depth_kt=rig.power_mw * rig.optics.depth_kt_per_mw)
    seconds = (Scanning(scan, low_um, high_um).turns + 8) / rig.camera.fps
    plan, run = job.fly("scan", scan, seconds)
    spot_um, place_um, kick_um = pulls(run, scan.turns)
    try:
        commanded_to_actual, number = where_light_lands(spot_um, place_um, kick_um, reach=0.8, seed=job.seed)
    except ValueError as error:
        raise Refused(f"the scan found no map: {error}") from None
    width, height = rig.camera.width_px, rig.camera.height_px
    corner_px = np.array([(0, 0), (width, 0), (0, height), (width, height), (width / 2, height / 2)], np.float64)
    command_um = commanded_to_actual.inverse(corner_px * rig.optics.um_per_px)
    sensor_px = sensor_of(rig)(corner_px)
    warp = fit_map(sensor_px, map_of(plan.rig)(command_um), order=1).warp
    first_map = _turn_mirror_scale(warp.jacobian(corner_px[4]), rig.optics.um_per_px)
    say(f"  scan: {number} pulls; first map: {first_map}")
    return StoredMap.of(warp)


def pulls(run: RunArrays, turns: int) -> tuple[Floats, Floats, Floats]:
    """([K, 2] commanded spot, [K, 2] position before, [K, 2] displacement), um, of each particle at each stop."""
    path = run.spot[-1]
    stop = np.flatnonzero(np.r_[True, (np.diff(path.place_um, axis=0) != 0).any(axis=1)])
    before = np.searchsorted(run.time_s, path.effect_s[stop] + 1e-9) - 1  # last frame before the light
    in_run = (before >= 0) & (before + turns < len(run.time_s))
    stop, before = stop[in_run], before[in_run]
    place, after = run.place_um[before], run.place_um[before + turns]  # [S, P, 2]
    spot = np.broadcast_to(path.place_um[stop][:, None], place.shape)
    kick = after - place
    finite = np.isfinite(kick).all(axis=-1)
    return spot[finite], place[finite], kick[finite]


def probed(job: CalibrationJob, plane: dict[str, Any] | None) -> Floats:
    """[2, 2] um that particles move per um of their spots, mean over the probes. Raises Refused, Fault.

    Fault unless more than half of the probed particles follow their spots. `plane` is the map to probe; None: the
    rig's own.

    Particles are compared with the commanded move, not with their spots: a spot that lost its particle is put where
    the particle is, so that the particle would always seem to follow.
    """
    rig = job.rig()
    motion = Carry(
        number=PROBES, depth_kt=share_of_budget_kt(rig, PROBES), path_um=CROSS, rest_s=0.6, speed_um_per_s=1.2
    )
    probe_sets = {} if plane is None else {"calibration.plane": plane}
    plan, run = job.fly("probe", motion, 8.0, rig=probe_sets)
    low_um, high_um = field_um(plan.rig)
    carrying = Carrying(motion, low_um, high_um, rig.optics.waist_um)
    slopes, probes = [], 0
    for particle, path in run.spot.items():
        place_um = run.place_um[:, run.column(particle)]
        caught = run.time_s > path.effect_s[0] + 0.5
        used = caught & np.isfinite(place_um).all(axis=1)
        if used.sum() < 0.5 * len(run.time_s):
            continue
        probes += 1
        commanded_um = np.array([carrying.offset_um(time_s - path.effect_s[0]) for time_s in run.time_s[used]])
        design = np.column_stack([commanded_um, np.ones(len(commanded_um))])
        fit, *_ = np.linalg.lstsq(design, place_um[used], rcond=None)
        left_um = float(np.sqrt(((place_um[used] - design @ fit) ** 2).sum(axis=1).mean()))
        if left_um < HELD_UM and follows(fit[:2].T):
            slopes.append(fit[:2].T)
    if 2 * len(slopes) <= probes or not slopes:
        raise Fault(f"probe move: {len(slopes)} of {probes} particles followed their spots; the map is not confirmed")
    return np.asarray(np.mean(slopes, axis=0))


def rests(plan: Plan, run: RunArrays, settle_s: float = 0.35, least_s: float = 0.5) -> tuple[Floats, Floats]:
    """(mean position [K, 2] of the particle in sensor px, deflector V [K, 2] of its spot) for each rest of each spot.

    Args:
        settle_s: time from the start of a rest until the particle is evaluated.
        least_s: shortest evaluated time.
    """
    to_sensor = sensor_of(plan.rig)
    point, target = [], []
    for particle, path in run.spot.items():
        moved = (np.diff(path.place_um, axis=0) != 0).any(axis=1) | (np.diff(path.effect_s) > 2.5 / run.fps)
        edges = np.r_[0, np.flatnonzero(moved) + 1, len(path.effect_s)]
        for first, last in pairwise(edges):
            begin_s, end_s = path.effect_s[first] + settle_s, path.effect_s[last - 1]
            inside = (run.time_s >= begin_s) & (run.time_s <= end_s)
            place_px = run.place_px[inside, run.column(particle)]
            place_px = place_px[np.isfinite(place_px).all(axis=1)]
            if len(place_px) >= least_s * run.fps:
                point.append(to_sensor(place_px.mean(axis=0)))
                target.append(run.light_v(path.place_um[first]))
    return np.array(point).reshape(-1, 2), np.array(target).reshape(-1, 2)


def sensor_of(rig: Rig) -> Any:
    """The map from px of this rig's image to px of the whole sensor."""
    corner_px = (getattr(rig.camera, "left_px", 0), getattr(rig.camera, "top_px", 0))
    return sensor_map(corner_px, getattr(rig.camera, "binning", 1))


def _determinant(um_to_v: Any, rig: Rig) -> float:
    """Determinant of a map at the middle of the field; um and px have the same sense of rotation."""
    middle = np.array(rig.middle_um)
    columns = [um_to_v(middle + step) - um_to_v(middle - step) for step in 0.5 * np.eye(2)]
    return float(np.linalg.det(np.array(columns)))


def _turn_mirror_scale(jacobian_v_per_px: Floats, um_per_px: float) -> dict[str, Any]:
    """Rotation, mirror and scale of a map with this Jacobian [2, 2]."""
    determinant = float(np.linalg.det(jacobian_v_per_px))
    mirror = determinant < 0
    straight = jacobian_v_per_px @ np.diag([-1.0 if mirror else 1.0, 1.0])
    turn = math.degrees(math.atan2(straight[1, 0] - straight[0, 1], straight[0, 0] + straight[1, 1]))
    return {"turn_deg": turn, "mirror": mirror, "v_per_um": math.sqrt(abs(determinant)) / um_per_px}
