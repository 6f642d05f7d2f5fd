"""Stiffness of the traps by four methods, and the variation of the light's efficiency over the field."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.assembly.calibration_file import CalibrationRecord, Evenness
from app.assembly.rig import Rig
from app.calibration.job import CalibrationJob, share_of_budget_kt
from app.calibration.run_arrays import RunArrays
from config.reader import plain
from config.refused import Refused
from control.calibrate import boltzmann, drag, equipartition, spectrum
from control.calibrate.estimate import Estimate, disagreement, mean_of
from control.calibrate.power import fit_efficiency
from control.policies.calibrating import Carry
from control.theory.trapped import blur_ratio

Floats = NDArray[np.float64]

SETTLE_S = 0.5  # from when a spot comes to rest until its particle is evaluated
ALONE = 1.3  # least distance to the nearest neighbour, in diameters
TO_AND_FRO = ((0.0, 0.0), (2.0, 0.0))  # um


@dataclass(frozen=True)
class Trapped:
    """A particle that stayed in a spot at rest."""

    place_um: Floats  # [T, 2] on every frame, gaps interpolated
    mean_mw: float
    spot_um: Floats  # [2]


def stiffness(job: CalibrationJob) -> CalibrationRecord:
    """k per mW from particles in traps at rest and in traps that move to and fro; sets the value of equipartition."""
    rig = job.rig()
    number = max(rig.sample.number, 16)
    depth_kt = share_of_budget_kt(rig, number)
    hold = Carry(number=number, depth_kt=depth_kt)
    _, resting = job.fly("stiffness", hold, job.lasting(60.0))
    shift = Carry(number=number, depth_kt=depth_kt, path_um=TO_AND_FRO, rest_s=0.0, speed_um_per_s=2.0)
    _, moving = job.fly("drag", shift, job.lasting(20.0))
    held = trapped(resting, ALONE * rig.plant.diameter_um)
    error_um = localisation_error_um(job)
    per_mw = {**by_rest(rig, held, error_um), "drag": by_drag(rig, moving)}
    flag = disagreement(per_mw)
    best = per_mw["equipartition"]
    kt_per_mw = best.value * rig.optics.waist_um**2 / (4.0 * rig.plant.kt_pn_um)
    configured = 4.0 * rig.optics.depth_kt_per_mw * rig.plant.kt_pn_um / rig.optics.waist_um**2
    found = {
        **{f"{name}_pn_per_um_per_mw": estimate for name, estimate in per_mw.items()}, "disagreement": flag,
        "over_believed": best.value / configured, "particles": len(held), "error_um": error_um,
        "rate_hz": {name: e.value / rig.plant.drag_pn_s_per_um for name, e in per_mw.items()},
    }  # fmt: skip
    data = {"spot_um": [trap.spot_um for trap in held], "mean_mw": [trap.mean_mw for trap in held]}
    return job.keep(
        "stiffness", best.error / best.value, "relative", {"optics.depth_kt_per_mw": kt_per_mw}, found, **data
    )


def power(job: CalibrationJob) -> CalibrationRecord:
    """Stiffness per mW over the field; sets the efficiency that allocation divides the powers by."""
    rig = job.rig()
    number = max(rig.sample.number, 16)
    _, run = job.fly("power", Carry(number=number, depth_kt=share_of_budget_kt(rig, number)), job.lasting(30.0))
    held = trapped(run, ALONE * rig.plant.diameter_um)
    per_mw = np.array([by_equipartition(rig, trap, localisation_error_um(job)) for trap in held])
    place_um = np.array([trap.spot_um for trap in held])
    # a variance over a time T, of two axes, has the relative standard error 1 / sqrt(kappa T)
    relaxations = [rate_of(rig, trap, k) * len(trap.place_um) / run.fps for trap, k in zip(held, per_mw, strict=True)]
    error = per_mw / np.sqrt(relaxations)
    middle_um = rig.middle_um
    radius_um = float(np.hypot(*middle_um)) / math.sqrt(2.0)
    efficiency, middle = fit_efficiency(place_um, per_mw, error, centre_um=middle_um, radius_um=radius_um)
    corrected = per_mw / efficiency(place_um)
    found = {
        "middle_pn_per_um_per_mw": middle, "uneven_before": float(per_mw.std() / per_mw.mean()),
        "uneven_after": float(corrected.std() / corrected.mean()), "expected_error": float((error / per_mw).mean()),
        "particles": len(held),
    }  # fmt: skip
    evenness = Evenness(centre_um=efficiency.centre_um, radius_um=radius_um, terms=efficiency.terms)
    kt_per_mw = middle * rig.optics.waist_um**2 / (4.0 * rig.plant.kt_pn_um)
    sets = {"calibration.evenness": plain(evenness), "optics.depth_kt_per_mw": kt_per_mw}
    return job.keep("power", found["uneven_after"], "relative", sets, found, spot_um=place_um, per_mw=per_mw,
                    mean_mw=[trap.mean_mw for trap in held])  # fmt: skip


def trapped(run: RunArrays, alone_um: float, least_share: float = 0.5) -> list[Trapped]:
    """Particles that stayed in a spot at rest for at least this share of the run; the longest stretch of each.

    Particles with a neighbour nearer than alone_um are left out, since its trap acts on them too. Raises Refused for
    fewer than two.
    """
    traps = []
    for particle, path in run.spot.items():
        moved = (np.diff(path.place_um, axis=0) != 0).any(axis=1)
        edges = np.r_[0, np.flatnonzero(moved) + 1, len(path.effect_s)]
        longest = int(np.argmax(np.diff(edges)))
        first, last = edges[longest], edges[longest + 1] - 1
        inside = (run.time_s > path.effect_s[first] + SETTLE_S) & (run.time_s < path.effect_s[last])
        place_um = run.place_um[inside, run.column(particle)]
        missing = ~np.isfinite(place_um[:, 0])
        if inside.mean() < least_share or missing.mean() > 0.02:
            continue
        row = np.arange(len(place_um))
        whole = np.stack([np.interp(row, row[~missing], place_um[~missing, axis]) for axis in (0, 1)], axis=1)
        traps.append(Trapped(whole, float(path.mean_mw[first : last + 1].mean()), path.place_um[first]))
    spot_um = np.array([trap.spot_um for trap in traps]).reshape(-1, 2)
    apart_um = np.hypot(*np.moveaxis(spot_um[:, None] - spot_um[None], -1, 0))
    np.fill_diagonal(apart_um, np.inf)
    traps = [
        trap
        for trap, nearest_um in zip(traps, apart_um.min(axis=1, initial=np.inf), strict=True)
        if nearest_um > alone_um
    ]
    if len(traps) < 2:
        found = f"{len(traps)} particles stayed in traps of their own (allowed: two or more)"
        raise Refused(f"{found}; check the map and the power")
    return traps


def by_rest(rig: Rig, held: list[Trapped], error_um: float) -> dict[str, Estimate]:
    """k per mW at the centre of a spot, from particles at rest, by three methods."""
    kt, gamma = rig.plant.kt_pn_um, rig.plant.drag_pn_s_per_um
    per_mw: dict[str, list[float]] = {"equipartition": [], "spectrum": [], "boltzmann": []}
    for trap in held:
        k = by_equipartition(rig, trap, error_um)
        per_mw["equipartition"].append(k)
        f, spectrum_um2 = spectrum.periodogram_um2_per_hz(trap.place_um, rig.camera.fps)
        fit = spectrum.fit_spectrum(
            f, spectrum_um2, fps=rig.camera.fps, exposure_s=rig.camera.exposure_s, averaged=2, error_um=error_um
        )
        per_mw["spectrum"].append(centred(rig, fit.rate_hz.value * gamma) / trap.mean_mw)
        rate_hz = rate_of(rig, trap, k)
        measured_um2 = float(trap.place_um.var(axis=0).mean())
        true_um2 = (measured_um2 - error_um**2) / blur_ratio(rate_hz, rig.camera.exposure_s)
        inverted = boltzmann.invert(
            trap.place_um - trap.place_um.mean(axis=0), kt_pn_um=kt, sharpen=math.sqrt(true_um2 / measured_um2)
        )
        per_mw["boltzmann"].append(inverted.stiffness_pn_per_um.value / trap.mean_mw)
    return {name: mean_of(np.array(values)) for name, values in per_mw.items()}


def by_drag(rig: Rig, moving: RunArrays) -> Estimate:
    """k per mW from the lag of particles behind spots that move to and fro; nan if fewer than two particles count."""
    gamma, period_s = rig.plant.drag_pn_s_per_um, 1.0 / rig.camera.fps
    per_mw = []
    for particle, path in moving.spot.items():
        # a spot that moves once a frame is on average half a frame behind the line that interpolates its commands
        at = path.at(moving.time_s)
        ahead = np.stack([np.interp(moving.time_s, path.effect_s, path.place_um[:, axis]) for axis in (0, 1)], axis=1)
        place_um = moving.place_um[:, moving.column(particle)]
        velocity = np.gradient(ahead, moving.time_s, axis=0)
        steady = np.zeros(len(place_um), np.bool_)
        window = round(0.3 / period_s)
        for row in range(window, len(place_um) - 2):
            recent = velocity[row - window : row + 2, 0]
            steady[row] = abs(velocity[row, 0]) > 0.1 and np.ptp(recent) < 0.2 * abs(velocity[row, 0])
        near = steady & np.isfinite(at[:, 0]) & (np.hypot(*(place_um - at).T) < rig.optics.waist_um)
        if near.sum() < 2.0 / period_s:
            continue
        lag_s = drag.lag_s(place_um[near] - ahead[near], velocity[near])
        k = drag.stiffness_pn_per_um(Estimate(lag_s, 0.0), gamma, late_s=period_s / 2.0).value
        push_pn = gamma * float(np.sqrt((velocity[near] ** 2).sum(axis=1).mean()))
        centre = drag.centre_stiffness_pn_per_um(
            push_pn / k, push_pn, waist_um=rig.optics.waist_um, kt_pn_um=rig.plant.kt_pn_um
        )  # fmt: skip
        per_mw.append(centre / float(path.mean_mw.mean()))
    return mean_of(np.array(per_mw)) if len(per_mw) > 1 else Estimate(math.nan, math.nan)


def by_equipartition(rig: Rig, trap: Trapped, error_um: float) -> float:
    """k per mW at the centre of a spot, by equipartition over both axes."""
    k = equipartition.stiffness_pn_per_um(
        float(trap.place_um.var(axis=0).mean()), kt_pn_um=rig.plant.kt_pn_um,
        drag_pn_s_per_um=rig.plant.drag_pn_s_per_um, exposure_s=rig.camera.exposure_s, error_um=error_um,
        seconds=len(trap.place_um) / rig.camera.fps,
    )  # fmt: skip
    return centred(rig, k) / trap.mean_mw


def centred(rig: Rig, effective_pn_per_um: float) -> float:
    return equipartition.centre_stiffness_pn_per_um(
        effective_pn_per_um, waist_um=rig.optics.waist_um, kt_pn_um=rig.plant.kt_pn_um
    )


def rate_of(rig: Rig, trap: Trapped, per_mw: float) -> float:
    """Relaxation rate of the trap, Hz, for k per mW."""
    return per_mw * trap.mean_mw / rig.plant.drag_pn_s_per_um


def localisation_error_um(job: CalibrationJob) -> float:
    """The localisation error of the newest calibration of diffusion; 0 if there is none."""
    newest = job.newest("diffusion")
    return float(newest.found["error_um"]) if newest is not None else 0.0
