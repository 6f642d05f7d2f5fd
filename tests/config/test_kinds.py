"""List pages: kinds of the program, kinds of installed packages, and packages that cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from config.fields import variants
from config.kinds import (
    _REPORTED,
    LEFT_OUT,
    PLUG_INS,
    PlugIn,
    kinds,
    recorded_plug_ins,
    require_installed,
    require_recorded,
    source_sha256,
    used_plug_ins,
)
from config.reader import build, parse
from config.refused import Refused
from control.potentials.shape import Shape
from drivers.device_settings import CameraSettings

COSINE = '''
    from typing import Literal
    import numpy as np
    from config.fields import settings
    from control.potentials.shape import Central

    @settings
    class Cosine(Central):
        """Ripples."""
        kind: Literal["cosine"] = "cosine"
        height_kt: float = 5.0

        def radial_energy_pn_um(self, r_um, *, kt_pn_um, time_s=0.0):
            return self.height_kt * kt_pn_um * np.cos(r_um)

        def radial_force_pn(self, r_um, *, kt_pn_um, time_s=0.0):
            return self.height_kt * kt_pn_um * np.sin(r_um)
'''
OWN = ("control.potentials.harmonic:Harmonic", "control.potentials.annular:Annular")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install a package in a separate folder: its name, its code, the class of its entry point."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before, packages = dict(PLUG_INS), []

    def install(package: str, code: str, entry: str, version: str = "1.2", page: str = "potentials") -> Path:
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").write_text(dedent(code), encoding="utf-8")
        facts = tmp_path / f"{package}-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n", "utf-8")
        (facts / "entry_points.txt").write_text(f"[cybloids.{page}]\n{package} = {entry}\n", encoding="utf-8")
        packages.append(package)
        return folder / "__init__.py"

    yield install
    for package in packages:
        sys.modules.pop(package, None)
    PLUG_INS.clear()
    PLUG_INS.update(before)
    LEFT_OUT.clear()
    _REPORTED.clear()


def test_a_page_without_plug_ins_has_the_kinds_of_the_program() -> None:
    assert list(variants(kinds("potentials", *OWN, plug=Shape))) == ["harmonic", "annular"]


def test_an_installed_package_adds_a_kind(installed: Any) -> None:
    file = installed("ripples", COSINE, "ripples:Cosine")
    page = kinds("potentials", *OWN, plug=Shape)
    assert list(variants(page)) == ["harmonic", "annular", "cosine"]
    shape = build(parse("shape: {kind: cosine, height_kt: 2}", "a text"), page, ("shape",))
    assert shape.height_kt == 2.0
    (used,) = used_plug_ins({"any": [shape]})
    assert (used.page, used.kind, used.package, used.version) == ("potentials", "cosine", "ripples", "1.2")
    source_sha256.cache_clear()
    before = used.source_sha256
    file.write_text(file.read_text("utf-8").replace("5.0", "6.0"), encoding="utf-8")
    assert source_sha256("ripples") != before


@pytest.mark.parametrize(
    ("code", "entry", "why"),
    [
        ("raise RuntimeError('no licence')", "broken:Cosine", "RuntimeError: no licence"),
        ("raise SystemExit(3)", "broken:Cosine", "SystemExit: 3"),
        ("Cosine = 3", "broken:Cosine", "not a class with the decorator config.fields.settings"),
        (COSINE, "broken:Sine", "has no attribute 'Sine'"),
        (COSINE.replace('"cosine"', '"annular"'), "broken:Cosine", "its kind 'annular' is already one of Cybloids"),
        (COSINE.replace("Central)", "object)").replace("(object)", ""), "broken:Cosine", "lacks"),
        (COSINE.replace('Literal["cosine"]', "str"), "broken:Cosine", "its 'kind' is"),
        (COSINE.replace("height_kt: float = 5.0", "height_kt: np.ndarray = 5.0"), "broken:Cosine", "PydanticSchema"),
    ],
)
def test_a_broken_plug_in_is_reported_in_one_sentence(
    installed: Any, capsys: pytest.CaptureFixture[str], code: str, entry: str, why: str
) -> None:
    installed("broken", code, entry)
    page = kinds("potentials", *OWN, plug=Shape)
    assert list(variants(page)) == ["harmonic", "annular"]
    (sentence,) = LEFT_OUT
    assert sentence.startswith("warning: the plug-in 'broken' of broken 1.2 is left out (")
    assert why in sentence
    assert capsys.readouterr().err == f"{sentence}\n"


RIPPLES = PlugIn("potentials", "cosine", "ripples", "1.2", "a" * 64)


def test_a_run_with_another_source_of_a_plug_in_is_refused() -> None:
    require_recorded([RIPPLES], [RIPPLES], "run.h5: ")
    newer = PlugIn("potentials", "cosine", "ripples", "1.3", "b" * 64)
    with pytest.raises(Refused, match=r"run.h5: .*ripples 1.2, source aaaaaaaaaaaa; installed is .*1.3, source bbbb"):
        require_recorded([newer], [RIPPLES], "run.h5: ")
    with pytest.raises(Refused, match="was recorded without it"):
        require_recorded([newer], [], "run.h5: ")


def test_a_plug_in_that_is_not_installed_is_named() -> None:
    require_installed([RIPPLES], "policy: {kind: programmed}", source="run.h5: ")
    with pytest.raises(Refused, match=r"run.h5: .*plug-in 'cosine' of ripples 1.2, which is not installed"):
        require_installed([RIPPLES], "shape:\n  kind: cosine\n", source="run.h5: ")


@pytest.mark.parametrize("listed", [3, {}, [3], [{}], [{"page": "x"}], [{**vars(RIPPLES), "kind": 3}]])
def test_a_header_that_lists_no_plug_ins_is_refused(listed: Any) -> None:
    with pytest.raises(Refused, match=r"run.h5: the header's 'plug_ins' is .*, where a list of plug-ins is needed"):
        recorded_plug_ins(listed, "run.h5: ")


HALF_A_CAMERA = '''
    from typing import Literal
    from config.fields import settings
    from drivers.device_settings import RealCamera

    @settings
    class Half(RealCamera):
        """A camera whose frame rate and size are not said."""
        kind: Literal["half"] = "half"
'''


def test_a_camera_without_the_required_members_is_left_out(installed: Any) -> None:
    installed("half", HALF_A_CAMERA, "half:Half", page="cameras")
    page = kinds("cameras", "drivers.sim.camera:SimulatedCamera", plug=CameraSettings)
    assert list(variants(page)) == ["simulated"]
    (sentence,) = LEFT_OUT
    assert "Half lacks fps, height_px, open, width_px of drivers.device_settings.CameraSettings" in sentence
