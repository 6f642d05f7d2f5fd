"""Stiffness of the traps by four methods, and the variation of the light's efficiency over the field."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.assembly.calibration_file import CalibrationRecord, Evenness
from app.assembly.rig import Rig
from app.calibration.job import CalibrationJob, share_of_budget_kt
from app.calibration.seen import CalibrationRun
from config.reader import plain
from config.refused import Refused
from control.calibrate import boltzmann, drag, equipartition, spectrum
from control.calibrate.estimate import Estimate, disagreement, mean_of
from control.calibrate.power import fit_efficiency
from control.policies.calibrating import Carry
from control.theory.trapped import blur_ratio

Floats = NDArray[np.float64]

SETTLE_S = 0.5  # waiting time after a spot has stopped
ALONE = 1.3  # least distance to the nearest neighbour, in diameters
TO_AND_FRO = ((0.0, 0.0), (2.0, 0.0))


@dataclass(frozen=True)
class Trapped:
    """A particle that stayed in a stationary spot."""

    place_um: Floats  # [T, 2] in every frame, gaps interpolated
    mean_mw: float
    spot_um: Floats  # [2]


def stiffness(job: CalibrationJob) -> CalibrationRecord:
    """Hold all particles, then shift them to and fro; k per mW by each method. Equipartition sets the trap depth."""
    rig = job.rig()
    number = max(rig.sample.number, 16)
    depth_kt = share_of_budget_kt(rig, number)
    hold = Carry(number=number, depth_kt=depth_kt)
    _, run_data = job.fly("stiffness", hold, job.lasting(60.0))
    shift = Carry(number=number, depth_kt=depth_kt, path_um=TO_AND_FRO, rest_s=0.0, speed_um_per_s=2.0)
    _, drag_data = job.fly("drag", shift, job.lasting(20.0))
    held = trapped(run_data, ALONE * rig.plant.diameter_um)
    error_um = known_error_um(job)
    per_mw = {**by_rest(rig, held, error_um), "drag": by_drag(rig, drag_data)}
    flag = disagreement(per_mw)
    best = per_mw["equipartition"]
    kt_per_mw = best.value * rig.optics.waist_um**2 / (4.0 * rig.plant.kt_pn_um)
    assumed = 4.0 * rig.optics.depth_kt_per_mw * rig.plant.kt_pn_um / rig.optics.waist_um**2
    results = {
        **{f"{name}_pn_per_um_per_mw": estimate for name, estimate in per_mw.items()}, "disagreement": flag,
        "over_believed": best.value / assumed, "particles": len(held), "error_um": error_um,
        "rate_hz": {name: e.value / rig.plant.drag_pn_s_per_um for name, e in per_mw.items()},
    }  # fmt: skip
    data = {"spot_um": [particle.spot_um for particle in held], "mean_mw": [particle.mean_mw for particle in held]}
    return job.keep(
        "stiffness", best.error / best.value, "relative", {"optics.depth_kt_per_mw": kt_per_mw}, results, **data
    )


def power(job: CalibrationJob) -> CalibrationRecord:
    """Measure the variation of the stiffness per mW over the field; the powers then compensate for it."""
    rig = job.rig()
    number = max(rig.sample.number, 16)
    _, run_data = job.fly("power", Carry(number=number, depth_kt=share_of_budget_kt(rig, number)), job.lasting(30.0))
    held = trapped(run_data, ALONE * rig.plant.diameter_um)
    k_per_mw = np.array([equal(rig, particle, known_error_um(job)) for particle in held])
    place_um = np.array([particle.spot_um for particle in held])
    # a variance over T, of two axes, has the relative standard error 1 / sqrt(kappa T)
    relaxation_count = [
        rate_of(rig, particle, k) * len(particle.place_um) / run_data.fps
        for particle, k in zip(held, k_per_mw, strict=True)
    ]
    error = k_per_mw / np.sqrt(relaxation_count)
    middle_um = rig.middle_um
    radius_um = float(np.hypot(*middle_um)) / math.sqrt(2.0)
    efficiency, k_centre = fit_efficiency(place_um, k_per_mw, error, centre_um=middle_um, radius_um=radius_um)
    residual = k_per_mw / efficiency(place_um)
    results = {
        "middle_pn_per_um_per_mw": k_centre, "uneven_before": float(k_per_mw.std() / k_per_mw.mean()),
        "uneven_after": float(residual.std() / residual.mean()), "expected_error": float((error / k_per_mw).mean()),
        "particles": len(held),
    }  # fmt: skip
    evenness = Evenness(centre_um=efficiency.centre_um, radius_um=radius_um, terms=efficiency.terms)
    kt_per_mw = k_centre * rig.optics.waist_um**2 / (4.0 * rig.plant.kt_pn_um)
    sets = {"calibration.evenness": plain(evenness), "optics.depth_kt_per_mw": kt_per_mw}
    return job.keep("power", results["uneven_after"], "relative", sets, results, spot_um=place_um, per_mw=k_per_mw,
                    mean_mw=[particle.mean_mw for particle in held])  # fmt: skip


def trapped(run_data: CalibrationRun, alone_um: float, least: float = 0.5) -> list[Trapped]:
    """Particles that stayed in a stationary spot for at least the fraction `least` of the run: the longest such time.

    Spots with another one nearer than alone_um are left out. Raises Refused for fewer than two particles.
    """
    particles = []
    for spot_particle, path in run_data.spot.items():
        moved = (np.diff(path.place_um, axis=0) != 0).any(axis=1)
        edges = np.r_[0, np.flatnonzero(moved) + 1, len(path.effect_s)]
        longest = int(np.argmax(np.diff(edges)))
        first, last = edges[longest], edges[longest + 1] - 1
        inside = (run_data.time_s > path.effect_s[first] + SETTLE_S) & (run_data.time_s < path.effect_s[last])
        position_um = run_data.place_um[inside, run_data.column(spot_particle)]
        missing = ~np.isfinite(position_um[:, 0])
        if inside.mean() < least or missing.mean() > 0.02:
            continue
        row = np.arange(len(position_um))
        filled_um = np.stack([np.interp(row, row[~missing], position_um[~missing, axis]) for axis in (0, 1)], axis=1)
        particles.append(Trapped(filled_um, float(path.mean_mw[first : last + 1].mean()), path.place_um[first]))
    spot_um = np.array([particle.spot_um for particle in particles]).reshape(-1, 2)
    distance_um = np.hypot(*np.moveaxis(spot_um[:, None] - spot_um[None], -1, 0))
    np.fill_diagonal(distance_um, np.inf)
    particles = [
        particle
        for particle, nearest_um in zip(particles, distance_um.min(axis=1, initial=np.inf), strict=True)
        if nearest_um > alone_um
    ]
    if len(particles) < 2:
        raise Refused("less than two particles stayed in their traps, alone; look at the map and at the power")
    return particles


def by_rest(rig: Rig, held: list[Trapped], error_um: float) -> dict[str, Estimate]:
    """k per mW at the centre of a spot, from particles in stationary spots, by three methods."""
    kt, gamma = rig.plant.kt_pn_um, rig.plant.drag_pn_s_per_um
    estimates: dict[str, list[float]] = {"equipartition": [], "spectrum": [], "boltzmann": []}
    for particle in held:
        k = equal(rig, particle, error_um)
        estimates["equipartition"].append(k)
        f, spectrum_um2 = spectrum.periodogram_um2_per_hz(particle.place_um, rig.camera.fps)
        fit = spectrum.fit_spectrum(
            f, spectrum_um2, fps=rig.camera.fps, exposure_s=rig.camera.exposure_s, averaged=2, error_um=error_um
        )
        estimates["spectrum"].append(centred(rig, fit.rate_hz.value * gamma) / particle.mean_mw)
        rate_hz = rate_of(rig, particle, k)
        measured_um2 = float(particle.place_um.var(axis=0).mean())
        true_um2 = (measured_um2 - error_um**2) / blur_ratio(rate_hz, rig.camera.exposure_s)
        inverted = boltzmann.invert(
            particle.place_um - particle.place_um.mean(axis=0), kt_pn_um=kt, sharpen=math.sqrt(true_um2 / measured_um2)
        )
        estimates["boltzmann"].append(inverted.stiffness_pn_per_um.value / particle.mean_mw)
    return {name: mean_of(np.array(values)) for name, values in estimates.items()}


def by_drag(rig: Rig, run_data: CalibrationRun) -> Estimate:
    """k per mW from the lag of particles behind spots that move to and fro."""
    gamma, period_s = rig.plant.drag_pn_s_per_um, 1.0 / rig.camera.fps
    stiffnesses = []
    for particle, path in run_data.spot.items():
        # a spot that moves once a frame is on average half a frame behind its interpolated path
        spot_um = path.at(run_data.time_s)
        path_um = np.stack(
            [np.interp(run_data.time_s, path.effect_s, path.place_um[:, axis]) for axis in (0, 1)], axis=1
        )
        position_um = run_data.place_um[:, run_data.column(particle)]
        velocity = np.gradient(path_um, run_data.time_s, axis=0)
        steady = np.zeros(len(position_um), np.bool_)
        window = round(0.3 / period_s)
        for row in range(window, len(position_um) - 2):
            recent = velocity[row - window : row + 2, 0]
            steady[row] = abs(velocity[row, 0]) > 0.1 and np.ptp(recent) < 0.2 * abs(velocity[row, 0])
        near = steady & np.isfinite(spot_um[:, 0]) & (np.hypot(*(position_um - spot_um).T) < rig.optics.waist_um)
        if near.sum() < 2.0 / period_s:
            continue
        lag_s = drag.lag_s(position_um[near] - path_um[near], velocity[near])
        k = drag.stiffness_pn_per_um(Estimate(lag_s, 0.0), gamma, late_s=period_s / 2.0).value
        push_pn = gamma * float(np.sqrt((velocity[near] ** 2).sum(axis=1).mean()))
        centre = drag.centre_stiffness_pn_per_um(
            push_pn / k, push_pn, waist_um=rig.optics.waist_um, kt_pn_um=rig.plant.kt_pn_um
        )  # fmt: skip
        stiffnesses.append(centre / float(path.mean_mw.mean()))
    return mean_of(np.array(stiffnesses)) if len(stiffnesses) > 1 else Estimate(math.nan, math.nan)


def equal(rig: Rig, particle: Trapped, error_um: float) -> float:
    """k per mW at the centre of a spot, by equipartition over both axes."""
    k = equipartition.stiffness_pn_per_um(
        float(particle.place_um.var(axis=0).mean()), kt_pn_um=rig.plant.kt_pn_um,
        drag_pn_s_per_um=rig.plant.drag_pn_s_per_um, exposure_s=rig.camera.exposure_s, error_um=error_um,
        seconds=len(particle.place_um) / rig.camera.fps,
    )  # fmt: skip
    return centred(rig, k) / particle.mean_mw


def centred(rig: Rig, effective_pn_per_um: float) -> float:
    return equipartition.centre_stiffness_pn_per_um(
        effective_pn_per_um, waist_um=rig.optics.waist_um, kt_pn_um=rig.plant.kt_pn_um
    )


def rate_of(rig: Rig, particle: Trapped, per_mw: float) -> float:
    return per_mw * particle.mean_mw / rig.plant.drag_pn_s_per_um


def known_error_um(job: CalibrationJob) -> float:
    """The localisation error from the newest calibration of diffusion; 0 if there is none."""
    newest = job.newest("diffusion")
    return float(newest.found["error_um"]) if newest is not None else 0.0
