"""A separate package adds a force, a potential and a locator: run, verified, changed, removed and shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[1]
CODE = '''
    """Plug-ins of a package that is not part of Cybloids."""

    from typing import Annotated, Literal

    import numpy as np

    from config.fields import Doc, settings
    from control.policies.force_context import Force, Now, Pull
    from control.potentials.shape import Central
    from tracking.locate.centroid import Centroid


    @settings
    class Cosine(Central):
        """V = height cos r."""

        kind: Literal["cosine"] = "cosine"
        height_kt: Annotated[float, Doc("half of the energy between a crest and a valley")] = 5.0

        def radial_energy_pn_um(self, r_um, *, kt_pn_um, time_s=0.0):
            return self.height_kt * kt_pn_um * np.cos(r_um)

        def radial_force_pn(self, r_um, *, kt_pn_um, time_s=0.0):
            return self.height_kt * kt_pn_um * np.sin(r_um)


    @settings
    class Wind(Force):
        """The same push on each particle."""

        kind: Literal["wind"] = "wind"
        push_pn: Annotated[float, Doc("along x")] = 0.02

        def pull(self, now: Now) -> Pull:
            return Pull(np.tile([self.push_pn, 0.0], (len(now.particle), 1)))


    def twice(settings, rules):
        return Centroid(settings, rules=rules)
'''
ENTRIES = """
[cybloids.potentials]
cosine = weather:Cosine
[cybloids.forces]
wind = weather:Wind
[cybloids.locators]
twice = weather:twice
"""
EXPERIMENT = """
title: Wind
rig: {rig}
policy:
  kind: programmed
  forces:
    - {{kind: wind, push_pn: 0.03}}
    - {{kind: external, shape: {{kind: cosine, height_kt: 2}}}}
set:
  {{sample.number: 3, sample.arrangement: line, sample.spacing_um: 3, tracking.locator: twice, camera.width_px: 128,
   camera.height_px: 128}}
"""


def main(folder: Path, *words: str, installed: bool = True) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT), *([str(folder / "packages")] if installed else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, str(ROOT / "main.py"), *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False
    )


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, an experiment that uses it, and a run of it."""
    folder = tmp_path_factory.mktemp("weather")
    facts = folder / "packages" / "weather-0.3.dist-info"
    facts.mkdir(parents=True)
    (folder / "packages" / "weather.py").write_text(dedent(CODE), encoding="utf-8")
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: weather\nVersion: 0.3\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(ENTRIES, encoding="utf-8")
    rig = ROOT / "config" / "rigs" / "simulated.yaml"
    (folder / "wind.yaml").write_text(EXPERIMENT.format(rig=rig), encoding="utf-8")
    done = main(folder, "run", "wind.yaml", "--seconds", "0.3", "--out", "wind.h5")
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stderr
    return folder


def test_a_run_with_plug_ins_verifies(flown: Path) -> None:
    done = main(flown, "verify", "wind.h5")
    assert done.returncode == 0, done.stderr
    assert ": equal, " in done.stdout


def test_a_changed_source_is_refused(flown: Path) -> None:
    file = flown / "packages" / "weather.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("= 0.02", "= 0.05"), encoding="utf-8")
    try:
        done = main(flown, "verify", "wind.h5")
    finally:
        file.write_text(text, encoding="utf-8")
    assert done.returncode == 2
    assert "wind.h5: the run was recorded with the plug-in '" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_missing_package_is_named(flown: Path) -> None:
    done = main(flown, "verify", "wind.h5", installed=False)
    assert done.returncode == 2
    assert "of weather 0.3, which is not installed" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_broken_package_gives_one_warning_and_all_else_works(flown: Path) -> None:
    file = flown / "packages" / "weather.py"
    text = file.read_text(encoding="utf-8")
    file.write_text("raise RuntimeError('no licence')\n", encoding="utf-8")
    try:
        done = main(flown, "info", str(ROOT / "config" / "rigs" / "simulated.yaml"))
        refused = main(flown, "run", "wind.yaml", "--seconds", "0.1", "--out", "other.h5")
    finally:
        file.write_text(text, encoding="utf-8")
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if "no licence" in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: the plug-in '")
    assert "of weather 0.3 is left out (" in warnings[0]
    assert refused.returncode == 2
    assert not (flown / "other.h5").exists()


def test_the_window_shows_plug_ins_without_a_prediction(flown: Path) -> None:
    done = main(flown, "desktop", "wind.yaml", "--picture", "wind.png", "--seconds", "0.3")
    assert done.returncode == 0, done.stderr
    assert (flown / "wind.png").stat().st_size > 10_000
