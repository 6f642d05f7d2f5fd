"""The command `tune`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from matplotlib.figure import Figure

from app.commands.tune import draw, tune_recording
from config.refused import Refused
from tests.tracking.footage import scattered, spots
from tracking.locate.centroid import Centroid
from tracking.settings import Tracking
from tracking.tune import inspect


def video(path: Path) -> Path:
    tifffile.imwrite(
        path,
        np.stack([spots((160, 200), scattered((160, 200), 15, 25), seed=k) for k in range(4)]),
        photometric="minisblack",
    )
    return path


def test_tune_suggests_settings_and_saves_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = video(tmp_path / "beads.tif")
    assert tune_recording(file, [], out=tmp_path / "tuned.png", json=tmp_path / "tuned.json") == 0
    found = json.loads((tmp_path / "tuned.json").read_text())
    assert found["suggested"]["diameter_px"] in (9, 11, 13)
    assert found["suggested"]["invert"] is False
    assert found["kept"] == 4 * 15
    assert (tmp_path / "tuned.png").read_bytes().startswith(b"\x89PNG")
    assert "--set tracking.diameter_px=" in capsys.readouterr().out


def test_given_settings_override_suggestions(tmp_path: Path) -> None:
    file = video(tmp_path / "beads.tif")
    tune_recording(file, ["tracking.minmass=1e7"], out=tmp_path / "t.png", json=tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["kept"] == 0


@pytest.mark.parametrize("separation_px", [None, 20.0])
def test_minmass_is_chosen_for_the_given_settings(
    tmp_path: Path, separation_px: float | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if `tune` had suggested the diameter. The printed line gives the same result."""
    file = video(tmp_path / "beads.tif")
    sets = ["tracking.diameter_px=15", "tracking.noise_size_px=1.5", "camera.fps=30"]
    if separation_px is not None:
        sets.append(f"tracking.separation_px={separation_px}")
    tune_recording(file, sets, out=tmp_path / "t.png", json=tmp_path / "t.json")
    found = json.loads((tmp_path / "t.json").read_text())
    assert found["suggested"]["diameter_px"] == 15
    assert found["suggested"]["separation_px"] == (separation_px or 16.0)
    assert found["kept"] == 4 * 15
    given = Tracking(diameter_px=15, noise_size_px=1.5, separation_px=separation_px, minmass=0)
    masses = np.sort(np.concatenate([Centroid(given)(image).mass for image in tifffile.imread(file)]))
    assert masses[-61] < found["suggested"]["minmass"] < masses[-60]  # in the gap below the sixty particles
    said = capsys.readouterr().out
    assert "diameter_px is 15, as given" in said
    (line,) = (line for line in said.splitlines() if line.startswith("--set "))
    assert line.count("diameter_px") == 1
    assert line.endswith("--set tracking.noise_size_px=1.5 --set camera.fps=30")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("tracking.diameter_px=10", "--set tracking.diameter_px=10: diameter_px is 10, and must be odd"),
        ("tracking.diametre_px=11", "--set tracking.diametre_px=11: found the unknown key"),
        ("camera.fpz=3", "--set camera.fpz=3: found the unknown key"),
        ("nonsense", "--set nonsense: tune takes"),
        ("diameter_px=9", "--set diameter_px=9: tune takes"),
        ("policy.x=9", "--set policy.x=9: tune takes"),
        ("tracking.diameter_px", "--set tracking.diameter_px: tune takes"),
        ("tracking=9", "--set tracking=9: tune takes"),
    ],
)
def test_a_wrong_setting_is_refused(tmp_path: Path, item: str, said: str) -> None:
    with pytest.raises(Refused, match=f"^{re.escape(said)}"):
        tune_recording(video(tmp_path / "beads.tif"), [item], out=tmp_path / "t.png", json=None)
    assert not (tmp_path / "t.png").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.xyz", "the ending '.xyz'"), ("none", "the ending ''"), ("folder", "folder"), ("f.png", "folder")],
)
def test_an_invalid_picture_path_is_refused_before_any_work(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "f.png").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Refused, match=f"found .*{said}"):
        tune_recording(tmp_path / "not looked at.tif", [], out=tmp_path / name, json=None)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_answer_states_the_path_of_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = video(tmp_path / "beads.tif")
    for ending in (".png", ".PDF", ".svg"):
        picture = tmp_path / f"new/tuned{ending}"
        tune_recording(file, [], out=picture, json=tmp_path / "t.json")
        assert picture.stat().st_size > 10_000
        assert json.loads((tmp_path / "t.json").read_text())["picture"] == str(picture)
        assert capsys.readouterr().out.splitlines()[-1] == str(picture)


def test_a_uniform_recording_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "dark.tif", np.zeros((3, 40, 40), np.uint8), photometric="minisblack")
    with pytest.raises(Refused, match="nothing stands out"):
        tune_recording(tmp_path / "dark.tif", [], out=tmp_path / "t.png", json=None)


ALARM = (
    "sub-pixel bias: phase 0.4 of y is 1.27 times as frequent as it should be, the opposite one 0.73 times; a larger "
    "diameter_px helps"
)


@pytest.mark.parametrize("shape", [(240, 100), (80, 300)])
def test_titles_stay_inside_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    """The longest titles: an alarm beside a doubt. No title leaves the picture or overlaps another title."""
    figures: list[Figure] = []
    save = Figure.savefig

    def kept(figure: Figure, *args: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", kept)
    frames = [spots(shape, scattered(shape, 6, 25), seed=k) for k in range(2)]
    s = Tracking(diameter_px=101, minmass=123_456.7, separation_px=123.4)
    seen = replace(inspect(frames, Tracking()), alarm=ALARM)
    draw(frames[0], s, seen, tmp_path / "t.png", "can't tell single particles: " + 12 * "of what stands out ")
    (figure,) = figures
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [axes.title.get_window_extent(renderer) for axes in figure.axes if axes.get_title()]
    page = figure.bbox
    for box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    assert len(boxes) == 2
    assert not boxes[0].overlaps(boxes[1])
    assert ALARM in [axes.get_title().replace("\n", " ") for axes in figure.axes]


def test_a_doubt_is_printed_first_and_is_in_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = scattered((160, 200), 12, 30)
    images = [spots((160, 200), np.concatenate([there, there + 4.0]), seed=k) for k in range(3)]
    tifffile.imwrite(tmp_path / "pairs.tif", np.stack(images), photometric="minisblack")
    tune_recording(tmp_path / "pairs.tif", [], out=tmp_path / "t.png", json=tmp_path / "t.json")
    doubt = json.loads((tmp_path / "t.json").read_text())["doubt"]
    assert doubt.startswith("can't tell single particles")
    assert capsys.readouterr().out.splitlines()[0] == doubt


def test_noise_is_refused_in_one_sentence(tmp_path: Path) -> None:
    images = np.stack([spots((160, 200), np.empty((0, 2)), seed=k) for k in range(3)])
    tifffile.imwrite(tmp_path / "noise.tif", images, photometric="minisblack")
    with pytest.raises(Refused, match=r"noise\.tif: can't tell which settings suit: no spot stands out from the noise"):
        tune_recording(tmp_path / "noise.tif", [], out=tmp_path / "t.png", json=None)
    assert not (tmp_path / "t.png").exists()
