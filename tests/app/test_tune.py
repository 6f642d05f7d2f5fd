"""The verbs `tune` and `bench`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from app.tune import tune_recording
from config.refused import Refused
from tests.tracking.footage import scattered, spots


def video(path: Path) -> Path:
    tifffile.imwrite(
        path,
        np.stack([spots((160, 200), scattered((160, 200), 15, 25), seed=k) for k in range(4)]),
        photometric="minisblack",
    )
    return path


def test_a_suggestion_with_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = video(tmp_path / "beads.tif")
    assert tune_recording(file, [], out=tmp_path / "tuned.png", json=tmp_path / "tuned.json") == 0
    found = json.loads((tmp_path / "tuned.json").read_text())
    assert found["suggested"]["diameter_px"] in (9, 11, 13)
    assert found["suggested"]["invert"] is False
    assert found["kept"] == 4 * 15
    assert (tmp_path / "tuned.png").read_bytes().startswith(b"\x89PNG")
    assert "--set tracking.diameter_px=" in capsys.readouterr().out


def test_what_is_set_overrides_what_is_suggested(tmp_path: Path) -> None:
    file = video(tmp_path / "beads.tif")
    tune_recording(file, ["tracking.minmass=1e7"], out=tmp_path / "t.png", json=tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["kept"] == 0


@pytest.mark.parametrize("sets", [["tracking.diameter_px=10"], ["tracking.diametre_px=11"], ["camera.fpz=3"]])
def test_a_wrong_setting_is_refused(tmp_path: Path, sets: list[str]) -> None:
    with pytest.raises(Refused):
        tune_recording(video(tmp_path / "beads.tif"), sets, out=tmp_path / "t.png", json=None)


def test_a_level_recording_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "dark.tif", np.zeros((3, 40, 40), np.uint8), photometric="minisblack")
    with pytest.raises(Refused, match="nothing stands out"):
        tune_recording(tmp_path / "dark.tif", [], out=tmp_path / "t.png", json=None)
