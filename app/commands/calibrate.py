"""The verb `calibrate`: measure properties of the rig with the ordinary loop, and store them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from app.assembly.calibration_file import CalibrationRecord, load, newest, undo
from app.calibration.diffusion import diffusion, drift
from app.calibration.job import CalibrationJob
from app.calibration.latency import latency
from app.calibration.map import camera_to_deflector
from app.calibration.stiffness import power, stiffness
from app.calibration.um_per_px import um_per_px
from app.console.json_file import answered, write_json
from app.console.output_files import require_apart
from app.console.terminal import say
from config.files import kind_of
from config.reader import plain, read
from config.refused import Refused

STEPS: dict[str, Callable[[CalibrationJob], CalibrationRecord]] = {
    "um-per-px": um_per_px,
    "map": camera_to_deflector,
    "diffusion": diffusion,
    "latency": latency,
    "stiffness": stiffness,
    "power": power,
    "drift": drift,
}


def calibrate_rig(
    what: str, rig: Path, sets: Sequence[str], *, out: Path | None, seconds: float | None, seed: int, pitch_um: float,
    undone: bool, json: Path | None,
) -> int:  # fmt: skip
    """The verb. Raises Refused, Fault; calibrations completed before the error are kept."""
    if what not in (*STEPS, "all"):
        raise Refused(f"calibrate {what}: there is no such calibration (allowed: {', '.join(STEPS)}, all)")
    if pitch_um <= 0 or (seconds is not None and seconds <= 0):
        raise Refused("calibrate: --pitch-um and --seconds have to be more than 0")
    file = out or default_file(rig)
    require_apart({"the input 'rig'": rig}, {"the calibration file": file, **({"--json": json} if json else {})})
    if json is not None:  # the rig's own calibration file, which --out does not change
        require_apart({"the rig's calibration file": default_file(rig)}, {"--json": json})
    if kind_of(file):
        load(file)  # Refused, before any measurement, if it is no calibration file
    if undone:
        record = newest(file)
        with answered(json, [plain(record)]):  # without an answer nothing is undone: a second try would undo one more
            undo(file)
        say(f"undone: {record.what} of {record.date}; {file}")
        return 0
    job = CalibrationJob(rig, tuple(sets), file, seed=seed, seconds=seconds, pitch_um=pitch_um)
    records = []
    for name in STEPS if what == "all" else (what,):
        record = measured(name, job)
        records.append(record)
        tell(record)
    say(f"kept in {file}; it is in force where the rig file says 'calibration: {file.name}', or with "
          f"--set calibration={file}")  # fmt: skip
    if json is not None:
        write_json(json, [plain(record) for record in records])
    return 0


def measured(name: str, job: CalibrationJob) -> CalibrationRecord:
    """Make one calibration. Raises Fault; Refused if the data are insufficient, and then nothing is kept."""
    try:
        return STEPS[name](job)
    except (ValueError, ArithmeticError) as error:  # raised by an estimator for unsuitable data
        raise Refused(f"calibrate {name}: {error}; nothing was kept") from None


def default_file(rig: Path) -> Path:
    """The calibration file that the rig names, or a default file beside the rig's."""
    file_name = read(rig).data.get("calibration")
    return rig.parent / (file_name if isinstance(file_name, str) else f"{rig.stem}.calibration.yaml")


def tell(record: CalibrationRecord) -> None:
    """Print the result on the console."""
    residual = "" if record.residual is None else f" (residual {record.residual:.3g} {record.unit})"
    say(f"{record.what}{residual}")
    for name, value in record.found.items():
        say(f"  {name}: {said(value)}")
    for name, value in record.set.items():
        if not isinstance(value, dict):
            say(f"  -> {name} = {said(value)}")


def said(value: object) -> str:
    if value is None or (isinstance(value, dict) and value.get("value", 0.0) is None):
        return "not measured"
    if isinstance(value, dict) and set(value) == {"value", "error"}:
        error = value["error"] if value["error"] is not None else float("nan")
        return f"{value['value']:.5g} ± {error:.2g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {said(inner)}" for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return np.array2string(np.asarray(value, np.float64), precision=3).replace("\n", "")
    return f"{value:.5g}" if isinstance(value, float) else str(value)
