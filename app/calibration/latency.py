"""Latency by three methods: time stamps of the stages, a flash of the laser's light, and shaken particles."""

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
BEGIN_S = 1.0  # from when a spot appears until its particle is evaluated
APART_S = 1e-3  # largest difference of methods that agree


def latency(job: CalibrationJob) -> CalibrationRecord:
    """From the start of a turn to the time its command acts. Raises Refused, Fault.

    The deflector's delay is set from the shaken particles, less the loop's own latency, since the motion of a trap
    contains every delay.
    """
    rig = job.rig()
    number = max(rig.sample.number, 16)
    motion = Carry(
        number=number, depth_kt=share_of_budget_kt(rig, number), shake_um=SHAKE.shake_um, shake_hz=SHAKE.shake_hz
    )
    _, run = job.fly("latency", motion, job.lasting(30.0))
    tones = np.array(motion.shake_hz)
    responses = []
    for particle, path in run.spot.items():
        settled = run.time_s > path.effect_s[0] + BEGIN_S
        sent = path.command_s > path.command_s[0] + BEGIN_S
        place_um = run.place_um[:, run.column(particle)]
        jumped = np.hypot(*np.diff(path.place_um, axis=0).T).max(initial=0.0) > 0.2  # the particle was caught anew
        if jumped or settled.mean() < 0.5 or np.isfinite(place_um[settled, 0]).mean() < 0.98:
            continue
        time_s, command_s = run.time_s[settled], path.command_s[sent]
        axes = [
            response(time_s, place_um[settled, k], command_s, path.place_um[sent, k], float(tones[k])) for k in (0, 1)
        ]
        responses.append(axes)
    if len(responses) < 2:
        found = f"{len(responses)} particles followed their shaken spots (allowed: two or more)"
        raise Refused(f"{found}; check the map and the power")
    guess_s = rig.loop.latency_s + rig.deflector.delay_s
    followed = by_phase(
        tones, np.array(responses), hold_s=1.0 / run.fps, exposure_s=rig.camera.exposure_s, guess_s=guess_s
    )
    stages = by_stages(*run.stamps_s.T)
    stage_s = {name: {"p50_s": p50, "p99_s": p99} for name, (p50, p99) in stages.summary().items()}
    methods = {"stages": mean_of(stages.effect_s - stages.arrival_s), "dither": followed.latency_s}
    try:
        flashed = flash(job)
        methods["flash"] = flashed.on_s
        flash_values: dict[str, object] = {"light_off_s": flashed.off_s, "flash_counts": flashed.height}
    except ValueError as error:
        flash_values = {"flash": f"not seen: {error}"}
    values = {
        "latency_s": followed.latency_s, "rate_hz": followed.rate_hz, "by": methods, **flash_values,
        "disagreement": disagreement(methods, tolerance=0.0, least=APART_S), "stages": stage_s,
        "from_mid_exposure_s": followed.latency_s.value + stages.summary()["arrival_s"][0], "particles": len(responses),
    }  # fmt: skip
    delay_s = max(followed.latency_s.value - rig.loop.latency_s, 0.0)
    return job.keep("latency", followed.latency_s.error, "s", {"deflector.delay_s": delay_s}, values)
