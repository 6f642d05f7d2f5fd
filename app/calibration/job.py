"""A calibration run: the ordinary loop with a calibration's policy, recorded like any other run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.assembly.calibration_file import CalibrationFile, CalibrationRecord, add, calibrated, load, today
from app.assembly.correction_images import located
from app.assembly.plan import planned
from app.assembly.rig import Plan, Rig
from app.calibration.seen import CalibrationRun, read_calibration_run
from app.console.options import LARGEST_SEED
from app.running.headless import fly, too_few
from config.reader import Document, build, mapping_at, override, plain, put, put_all, read
from config.refused import Refused
from config.warp import Map
from control.calibrate.estimate import Estimate
from control.contract import Fault
from control.policies.calibrating import AnyMotion, Calibrating, Carry

SAMPLE = {"number": 16, "arrangement": "square", "spacing_um": 5.0, "disturbance_um": 0.7}  # for a simulated rig


@dataclass
class CalibrationJob:
    """The rig to calibrate, and the calibration file. Each run is stored in a folder beside that file."""

    rig_path: Path
    sets: tuple[str, ...]
    file: Path
    seed: int = 1
    seconds: float | None = None  # measuring time at rest; None: the default of each calibration
    pitch_um: float = 2.5  # of the grid on the slide
    runs: list[str] = field(default_factory=list)  # run files of the current calibration

    def bench(self) -> Document:
        """The rig as calibrated so far: its file, then `sets`, then the calibration records. Raises Refused."""
        bench = located(read(self.rig_path), self.rig_path.parent)
        if mapping_at(bench, "camera").get("kind") == "simulated":
            for key, value in SAMPLE.items():
                bench = put(bench, f"sample.{key}", value, "the calibration's sample")
        for item in self.sets:
            key, equals, value = item.partition("=")
            if not equals:
                raise Refused(f"--set {item}: 'key=value' is needed, as in camera.fps=50")
            bench = override(bench, key.strip(), value, f"--set {item}")
        bench = located(bench, Path())  # paths in --set are relative to the current folder
        calibration_setting = bench.data.get("calibration")
        if self.file.exists():
            bench = put(bench, "calibration", str(self.file.resolve()), str(self.file))
            bench = calibrated(bench, calibration_setting)
        elif isinstance(calibration_setting, str):
            bench = calibrated(bench)
        return bench

    def rig(self) -> Rig:
        rig: Rig = build(self.bench(), Rig)
        return rig

    def rig_with(self, sets: Mapping[str, Any], source: str) -> Rig:
        """The rig with these values; `source` is their name in error messages. Raises Refused."""
        rig: Rig = build(put_all(self.bench(), ((key, value, source) for key, value in sets.items())), Rig)
        return rig

    def saved(self) -> CalibrationFile | None:
        return load(self.file) if self.file.exists() else None

    def newest(self, what: str) -> CalibrationRecord | None:
        """The newest record of one kind."""
        saved = self.saved()
        return next((record for record in reversed(saved.records) if record.what == what), None) if saved else None

    def fly(
        self, title: str, motion: AnyMotion, seconds: float, *, armed: bool = True, rig: Mapping[str, Any] | None = None
    ) -> tuple[Plan, CalibrationRun]:
        """Make one run and read its data. Raises Refused, Fault, as `record` does."""
        plan, path = self.record(title, motion, seconds, armed=armed, rig=rig)
        return plan, read_calibration_run(path, map_of(plan.rig), plan.rig.deflector.settle_s)

    def record(
        self, title: str, motion: AnyMotion, seconds: float, *, armed: bool = True,
        rig: Mapping[str, Any] | None = None, frames: bool = False,
    ) -> tuple[Plan, Path]:  # fmt: skip
        """Make and record one run with these values of the rig; `frames`: with its images.

        Raises Refused, Fault (also if the interlock tripped, or fewer than half of the turns were made).
        """
        seed = (self.seed + 101 * len(self.runs)) % (LARGEST_SEED + 1)
        experiment = {
            "title": f"Calibration: {title}", "rig": str(self.rig_path), "seconds": seconds,
            "seed": seed, "policy": plain(Calibrating(motion=motion)),
        }  # fmt: skip
        values = ((key, value, f"calibration: {title}") for key, value in (rig or {}).items())
        bench = put_all(self.bench(), values)
        document = Document(f"calibration: {title}", json.loads(json.dumps(experiment)), {})
        plan = planned(document, bench, (), self.rig_path.parent)
        if armed and not plan.rig.light_acts:
            raise Refused(f"calibrate ({title}): no light of this rig acts on what its camera shows; a real deflector "
                          "and laser are needed, or a simulated camera")  # fmt: skip
        path = self._path(title)
        result = fly(plan, seconds, path, frames, title, armed=armed)
        if result["trips"]:
            raise Fault(f"the interlock tripped in the calibration ({title}): {result['trips'][0]}")
        if shortfall := too_few(result):
            raise Fault(f"calibration ({title}): {shortfall}; nothing was kept")
        self.runs.append(str(path.relative_to(self.file.parent)))
        return plan, path

    def keep(
        self, what: str, residual: float, unit: str, sets: dict[str, Any], found: dict[str, Any], **data: Any
    ) -> CalibrationRecord:
        """Append a record to the calibration file. Raises Refused for values that are not finite or not allowed."""
        if any(isinstance(value, float) and not math.isfinite(value) for value in sets.values()):
            raise Refused(f"calibrate {what}: too little was seen for a number; measure longer")
        self.rig_with(sets, f"calibrate {what}: nothing was kept, since what was found is none that a rig can have")
        record = CalibrationRecord(
            what=what, date=today(), residual=rounded(residual), unit=unit, set=sets, found=rounded(found),
            runs=tuple(self.runs), data=rounded(data),
        )  # fmt: skip
        self.runs = []
        add(self.file, self.rig().title, record)
        return record

    def lasting(self, seconds: float) -> float:
        """Measuring time: `self.seconds` if it is set, else `seconds`."""
        return self.seconds if self.seconds is not None else seconds

    def _path(self, title: str) -> Path:
        folder = self.file.parent / self.file.name.removesuffix(".yaml")
        folder.mkdir(parents=True, exist_ok=True)
        taken = {path.name for path in folder.glob("*.h5")}
        name = title.replace(" ", "-")
        return folder / next(f"{name}-{n:03d}.h5" for n in range(1, 10**6) if f"{name}-{n:03d}.h5" not in taken)


def map_of(rig: Rig) -> Map:
    """The present map from um to V: measured, or nominal from the settings of the rig."""
    um_to_v = rig.um_to_v()
    if um_to_v is not None:
        return um_to_v
    return rig.deflector.nominal_map(rig.middle_um)


def share_of_budget_kt(rig: Rig, number: int, most_kt: float = 60.0) -> float:
    """Depth of each of `number` spots that share the beam, by the present parameters of the rig; at most most_kt."""
    light_fraction = 1.0 - rig.deflector.settle_s / (rig.deflector.settle_s + rig.loop.dwell_s)
    return min(0.98 * light_fraction * rig.power_mw * rig.optics.depth_kt_per_mw / number, most_kt)


def dark() -> Carry:
    """The motion of a run without light."""
    return Carry()


def rounded(value: Any) -> Any:
    """The value as plain data with 7 significant digits, for a readable file."""
    if isinstance(value, Estimate):
        return {"value": rounded(value.value), "error": rounded(value.error)}
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return rounded(value.tolist())
    if isinstance(value, (list, tuple)):
        return [rounded(inner) for inner in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.7g}") if np.isfinite(value) else None
    return value
