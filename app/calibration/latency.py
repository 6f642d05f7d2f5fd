"""Latency by three methods: time stamps of the stages, a flash of the laser, and particles in shaken traps."""

from __future__ import annotations

import numpy as np

from app.assembly.calibration_file import CalibrationRecord
from app.calibration.flash import flash
from app.calibration.job import CalibrationJob, share_of_budget_kt
from config.refused import Refused
from control.calibrate.dither import by_phase, response
from control.calibrate.estimate import disagreement, mean_of
from control.calibrate.latency import by_stages
from control.policies.calibrating import Carry

SHAKE = Carry(shake_um=(0.1, 0.1), shake_hz=(3.0, 9.0))
BEGIN_S = 1.0
APART_S = 1e-3  # methods that differ by less agree


def latency(job: CalibrationJob) -> CalibrationRecord:
    """Measure the time from the beginning of a turn until its command acts, by three methods.

    Sets the deflector's delay: the latency by shaken particles, less that of the loop. Only this method includes every
    contribution to the motion of a trap.
    """
    rig = job.rig()
    number = max(rig.sample.number, 16)
    motion = Carry(
        number=number, depth_kt=share_of_budget_kt(rig, number), shake_um=SHAKE.shake_um, shake_hz=SHAKE.shake_hz
    )
    _, run_data = job.fly("latency", motion, job.lasting(30.0))
    tones = np.array(motion.shake_hz)
    responses = []
    for particle, path in run_data.spot.items():
        frame_used = run_data.time_s > path.effect_s[0] + BEGIN_S
        command_used = path.told_s > path.told_s[0] + BEGIN_S
        position_um = run_data.place_um[:, run_data.column(particle)]
        jumped = np.hypot(*np.diff(path.place_um, axis=0).T).max(initial=0.0) > 0.2  # the particle was caught again
        if jumped or frame_used.mean() < 0.5 or np.isfinite(position_um[frame_used, 0]).mean() < 0.98:
            continue
        time_s, command_s = run_data.time_s[frame_used], path.told_s[command_used]
        axis_responses = [
            response(time_s, position_um[frame_used, k], command_s, path.place_um[command_used, k], float(tones[k]))
            for k in (0, 1)
        ]
        responses.append(axis_responses)
    if len(responses) < 2:
        raise Refused("less than two particles followed their shaken spots; look at the map and at the power")
    guess_s = rig.loop.latency_s + rig.deflector.delay_s
    phase_fit = by_phase(
        tones, np.array(responses), hold_s=1.0 / run_data.fps, exposure_s=rig.camera.exposure_s, guess_s=guess_s
    )
    stages = by_stages(*run_data.stamps_s.T)
    stage_times = {name: {"p50_s": p50, "p99_s": p99} for name, (p50, p99) in stages.summary().items()}
    by_method = {"stages": mean_of(stages.effect_s - stages.arrival_s), "dither": phase_fit.latency_s}
    try:
        flashed = flash(job)
        by_method["flash"] = flashed.on_s
        flash_values: dict[str, object] = {"light_off_s": flashed.off_s, "flash_counts": flashed.height}
    except ValueError as error:
        flash_values = {"flash": f"not seen: {error}"}
    values = {
        "latency_s": phase_fit.latency_s, "rate_hz": phase_fit.rate_hz, "by": by_method, **flash_values,
        "disagreement": disagreement(by_method, tolerance=0.0, least=APART_S), "stages": stage_times,
        "from_mid_exposure_s": phase_fit.latency_s.value + stages.summary()["arrival_s"][0],
        "particles": len(responses),
    }  # fmt: skip
    delay_s = max(phase_fit.latency_s.value - rig.loop.latency_s, 0.0)
    return job.keep("latency", phase_fit.latency_s.error, "s", {"deflector.delay_s": delay_s}, values)
