"""Calibration, from images only, of a simulated rig whose settings are all wrong, compared with the true values.

python -m benchmarks.calibration --seeds 1 2 3 --out benchmarks/results/calibration.json [--flash]

Each seed is `main.py calibrate all config/rigs/simulated.yaml --set ... --seconds 60 --seed S`: 16 particles. Each
quantity is measured from one recording of 60 s (the map from its own: scan, probe move, rests; the check of the drag
from another one). Files go to --folder; finished seeds are not repeated.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.calibration_file import CalibrationRecord, load
from app.assembly.rig import RIGS, Rig
from app.calibration.flash import flash
from app.calibration.job import CalibrationJob, map_of
from app.commands.calibrate import STEPS, calibrate_rig
from app.console.json_file import write_json
from drivers.journal import read_run
from drivers.sim.camera import SimulatedCamera
from drivers.sim.camera import true_map as camera_map
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.deflector import true_map as deflector_map
from drivers.sim.laser import SimulatedLaser

Floats = NDArray[np.float64]

RIG = RIGS / "simulated.yaml"
WRONG = (
    "calibration.map=unconfirmed", "camera.true_um_per_px=0.109", "camera.true_rotation_deg=7",
    "camera.true_mirror=true", "deflector.true_v_per_um=0.2725", "deflector.true_rotation_deg=3",
    "deflector.true_shift_um=[0.4, -0.3]", "deflector.true_delay_s=0.006", "optics.depth_kt_per_mw=10",
    "optics.waist_um=0.66", "plant.drag_pn_s_per_um=0.05", "sample.drift_um_per_s=[0.05, -0.03]",
)  # fmt: skip
LEAK = "camera.laser_leak_counts_per_mw=0.1"  # laser light that a filter lets through; for the flash only
UNEVEN = ("deflector.efficiency_edge=0.2", "deflector.range_v=6", "sample.number=36", "sample.spacing_um=4.2")
ASKED = {
    "map_rms_nm": 50.0, "stiffness": 0.03, "stiffness_middle": 0.03, "diffusion": 0.03, "diffusion_msd": 0.03,
    "latency_ms": 1.0, "flash_ms": 1.0, "flash_off_ms": 1.0,
}  # fmt: skip  # the largest errors that are allowed


def map_error_um(rig: Rig, points: int = 33) -> tuple[float, float]:
    """(rms, largest) distance between the intended and the true position of the light, for points^2 over the image."""
    camera, deflector = rig.camera, rig.deflector
    if not isinstance(camera, SimulatedCamera) or not isinstance(deflector, SimulatedDeflector):
        raise TypeError("only a simulated rig knows its true map")
    x_px, y_px = np.linspace(0, camera.width_px - 1, points), np.linspace(0, camera.height_px - 1, points)
    point_px = np.stack(np.meshgrid(x_px, y_px), axis=-1).reshape(-1, 2)
    told_v = map_of(rig)(point_px * rig.optics.um_per_px)
    true_um = camera_map(camera, rig.optics.um_per_px).inverse(point_px)
    apart_um = np.hypot(*(deflector_map(deflector, rig.middle_um).inverse(told_v) - true_um).T)
    return float(np.sqrt((apart_um**2).mean())), float(apart_um.max())


def true_stiffness_pn_per_um(rig: Rig, place_um: Floats) -> Floats:
    """[N] stiffness of a spot of 1 mW at place_um [N, 2], in the coordinates of the instrument."""
    deflector, laser = rig.deflector, rig.laser
    if not isinstance(deflector, SimulatedDeflector) or not isinstance(laser, SimulatedLaser):
        raise TypeError("only a simulated rig knows its true light")
    far = np.hypot(*(map_of(rig)(place_um) / deflector.range_v).T)
    middle = 4.0 * laser.depth_kt_per_mw * rig.plant.kt_pn_um / laser.waist_um**2
    return np.asarray(middle * (1.0 - (1.0 - deflector.efficiency_edge) * far**2))


def errors(job: CalibrationJob, found: dict[str, CalibrationRecord]) -> dict[str, float]:
    """Errors of all measured quantities: relative if the name has no unit. `uneven_` values are relative spreads."""
    rig = job.rig()
    camera = rig.camera
    if not isinstance(camera, SimulatedCamera) or not isinstance(rig.deflector, SimulatedDeflector):
        raise TypeError("only a simulated rig knows the truth")
    true_d = rig.plant.kt_pn_um / rig.sample.drag_pn_s_per_um
    rms_um, worst_um = map_error_um(rig)
    held, power = found["stiffness"], found["power"].data
    true_k = true_stiffness_pn_per_um(rig, np.array(held.data["spot_um"])).mean()
    each = {
        f"stiffness_{name}": value(held, f"{name}_pn_per_um_per_mw") / true_k - 1.0
        for name in ("equipartition", "spectrum", "boltzmann", "drag")
    }
    place_um = np.array(power["spot_um"])
    evenness = rig.calibration.evenness
    if evenness is None:
        raise TypeError("the power was not calibrated")
    believed = 4.0 * rig.optics.depth_kt_per_mw * rig.plant.kt_pn_um / rig.optics.waist_um**2
    true_each = true_stiffness_pn_per_um(rig, place_um)
    over_field = believed * evenness.efficiency()(place_um) / true_each - 1.0
    middle = believed / true_stiffness_pn_per_um(rig, np.array([rig.middle_um]))[0] - 1.0
    flow = camera_map(camera, rig.optics.um_per_px)
    drift = rig.optics.um_per_px * np.array(flow.matrix) @ np.array(rig.sample.drift_um_per_s)
    seen = np.array([value(found["drift"], f"{axis}_um_per_s") for axis in "xy"])
    return {
        "um_per_px": value(found["um-per-px"], "um_per_px") / camera.true_um_per_px - 1.0,
        "map_rms_nm": 1e3 * rms_um, "map_worst_nm": 1e3 * worst_um,
        "map_residual_nm": 1e3 * (found["map"].residual or 0.0),
        "diffusion": value(found["diffusion"], "covariance_um2_per_s") / true_d - 1.0,
        "diffusion_msd": value(found["diffusion"], "msd_um2_per_s") / true_d - 1.0,
        "latency_ms": 1e3 * (value(found["latency"], "latency_s") - true_latency_s(rig)),
        "stiffness": each["stiffness_equipartition"], **each,
        "stiffness_middle": middle, "stiffness_over_field_rms": float(np.sqrt((over_field**2).mean())),
        "uneven_before": float(found["power"].found["uneven_before"]),
        "uneven_after": float(found["power"].found["uneven_after"]),
        "uneven_expected_by_chance": float(found["power"].found["expected_error"]),
        "uneven_truly_before": float(true_each.std() / true_each.mean()),
        "uneven_truly_after": float((1.0 + over_field).std()),
        "drift_nm_per_s": 1e3 * float(np.hypot(*(seen - drift))),
        "drift_stderr_nm_per_s": 1e3 * float(found["drift"].residual or 0),
    }  # fmt: skip


def true_latency_s(rig: Rig) -> float:
    """Time from the beginning of a turn until its light acts."""
    if not isinstance(rig.deflector, SimulatedDeflector):
        raise TypeError("only a simulated rig knows its true latency")
    return rig.loop.latency_s + rig.deflector.true_delay_s


def flashed(folder: Path, seed: int, seconds: float | None = None) -> dict[str, float]:
    """Errors and standard errors (ms) of the times of light on and off, uncalibrated, with a leaking filter."""
    job = CalibrationJob(RIG, (*WRONG, LEAK), folder / f"flash{seed}.calibration.yaml", seed=seed, seconds=seconds)
    rig, found = job.rig(), flash(job)
    return {
        "flash_ms": 1e3 * (found.on_s.value - true_latency_s(rig)), "flash_stderr_ms": 1e3 * found.on_s.error,
        "flash_off_ms": 1e3 * (found.off_s.value - rig.loop.latency_s), "flash_off_stderr_ms": 1e3 * found.off_s.error,
    }  # fmt: skip


def value(record: CalibrationRecord, name: str) -> float:
    """The value of a quantity that is stored with its error."""
    return float(record.found[name]["value"])


def recorded_s(job: CalibrationJob, record: CalibrationRecord) -> dict[str, float]:
    """Durations (s) of the recordings of a record."""
    lasting = {}
    for name in record.runs:
        with read_run(job.file.parent / name) as run:
            lasting[name.rpartition("/")[2]] = round(float(np.ptp(run.column("turns", "frame_time_s"))), 2)
    return lasting


def calibrated(folder: Path, seed: int, seconds: float | None = 60.0, wrong: tuple[str, ...] = WRONG) -> dict[str, Any]:
    """One seed: all calibrations, compared with the truth; finished ones are not repeated. Raises Refused, Fault."""
    file = folder / f"seed{seed}.calibration.yaml"
    done = len(load(file).records) if file.exists() else 0
    for what in list(STEPS)[done:] if done else ["all"]:
        calibrate_rig(what, RIG, wrong, out=file, seconds=seconds, seed=seed, pitch_um=2.5, undone=False, json=None)
    job = CalibrationJob(RIG, wrong, file, seed=seed)
    found = dict(zip(STEPS, load(file).records, strict=True))
    each = {**errors(job, found), **flashed(folder, seed, seconds)}
    return {
        "seed": seed,
        "particles": {name: one.found["particles"] for name, one in found.items() if "particles" in one.found},
        "recorded_s": {name: recorded_s(job, one) for name, one in found.items()},
        "disagreement": {name: found[name].found["disagreement"] for name in ("diffusion", "stiffness")},
        "errors": {name: float(f"{error:.5g}") for name, error in each.items()},
        "found": {name: one.found for name, one in found.items()},
    }


def evened(folder: Path, seed: int) -> dict[str, float]:
    """Very uneven light on 36 time-shared spots over the field: measured, corrected by the powers, measured again."""
    job = CalibrationJob(RIG, UNEVEN, folder / f"uneven{seed}.calibration.yaml", seed=seed, seconds=60.0)
    saved = load(job.file).records if job.file.exists() else ()
    if len(saved) < 3:
        job.file.unlink(missing_ok=True)
        saved = (STEPS["diffusion"](job), STEPS["power"](job), STEPS["power"](job))
    truly, measured = {}, {}
    for name, record in (("before", saved[1]), ("after", saved[2])):
        mean_mw, per_mw = np.array(record.data["mean_mw"]), np.array(record.data["per_mw"])
        true = true_stiffness_pn_per_um(job.rig(), np.array(record.data["spot_um"])) * mean_mw
        truly[name], measured[name] = float(true.std() / true.mean()), float((per_mw * mean_mw).std() / true.mean())
    return {
        "seed": seed, "particles": saved[1].found["particles"],
        **{f"truly_{name}": float(f"{one:.4g}") for name, one in truly.items()},
        **{f"measured_{name}": float(f"{one:.4g}") for name, one in measured.items()},
        "measured_by_chance": saved[1].found["expected_error"],
    }  # fmt: skip


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """For each error, over the seeds: mean, spread (standard deviation), largest; and whether it is allowed."""
    table = {}
    for name in runs[0]["errors"]:
        each = np.array([run["errors"][name] for run in runs])
        largest = float(np.abs(each).max())
        table[name] = {
            "mean": float(f"{each.mean():.4g}"), "spread": float(f"{each.std(ddof=1):.4g}") if len(each) > 1 else None,
            "largest": float(f"{largest:.4g}"),
            **({"asked": ASKED[name], "met": largest < ASKED[name]} if name in ASKED else {}),
        }  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--folder", type=Path, default=Path("runs") / "calibration")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--flash", action="store_true", help="the flash alone, for 8 s, with nothing calibrated")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.flash:
        for seed in asked.seeds:
            print(seed, {name: round(one, 3) for name, one in flashed(asked.folder, seed).items()}, flush=True)
        return
    runs = []
    for seed in asked.seeds:
        runs.append(calibrated(asked.folder, seed))
        print(seed, runs[-1]["errors"], flush=True)
    table = summary(runs)
    for name, row in table.items():
        print(name, row)
    uneven = [evened(asked.folder, seed) for seed in asked.seeds[:2]]
    print(uneven)
    if asked.out is not None:
        made = {"wrong": WRONG, "summary": table, "uneven": uneven, "runs": runs}
        write_json(asked.out, made)


if __name__ == "__main__":
    main()
