"""Correction images and excluded regions: one command makes each, the record contains them, and invalid ones are
refused."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import yaml

from app.assembly.plan import plan
from app.assembly.replay_plan import plan_replay
from app.assembly.rig import RIGS
from app.assembly.stored_memory import NAMES
from app.commands.correct import correct
from app.commands.replay import replay_recording
from app.commands.verify import verify_run
from config.refused import Refused
from control.contract import Frame
from drivers.journal import read_run
from drivers.journal.memory import decode, encode
from drivers.still_image import read_still_image, write_still_image
from tests.tracking.dirty import DirtyCamera
from tracking.settings import Ellipse, Rectangle, Tracking

CAMERA = DirtyCamera(frames=16)
SETS = ("tracking.diameter_px=9", "camera.fps=50", "optics.um_per_px=0.1")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dirty video, and one of the covered camera."""
    folder = tmp_path_factory.mktemp("videos")
    for name, images in (("beads.tif", CAMERA.images(dirty=True)), ("covered.tif", CAMERA.dark_images())):
        tifffile.imwrite(folder / name, np.stack(images), photometric="minisblack")
    return folder


@pytest.fixture
def folder(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the videos."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(videos, tmp_path, dirs_exist_ok=True)
    return tmp_path


def made(what: str, source: str, *sets: str, out: str | None = None, seconds: float | None = None) -> dict[str, Any]:
    """The JSON answer of the command."""
    answer = Path(f"{what}.json")
    assert correct(what, Path(source), sets, out=Path(out) if out else None, seconds=seconds, json=answer) == 0
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def tracks_of(run: str) -> Any:
    with read_run(run) as read:
        return read.table("tracks")


def test_a_record_with_corrections_needs_no_other_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hot pixels and dirt are not tracked. The record is verified and replayed after the images are deleted."""
    hot = made("hot-pixels", "covered.tif", out="hot.tif")
    assert np.array_equal(tifffile.imread("hot.tif") > 0, CAMERA.hot())
    assert f"--set tracking.hot_pixels_file={folder / 'hot.tif'}" in capsys.readouterr().out
    dark = made("dark", "covered.tif", out="dark.npy")
    assert np.load("dark.npy").dtype == np.uint8
    background = made("background", "beads.tif")
    assert background["image"] == str(Path("runs") / "beads.background.tif")
    regions = made("excluded", "beads.tif", *SETS[:1], "tracking.hot_pixels_file=hot.tif")
    assert regions["found"] == len(CAMERA.dirt_px)
    values = {**hot["set"], **dark["set"], **regions["set"]}
    sets = [f"{key}={json.dumps(value)}" for key, value in values.items()]
    replay_recording(Path("beads.tif"), None, None, (*SETS, *sets), out=Path("r.h5"), frames=True, json=None)
    for name in ("hot.tif", "dark.npy"):
        Path(name).unlink()
    assert verify_run(Path("r.h5"), json=None) == 0
    replay_recording(Path("r.h5"), None, None, (), out=Path("again.h5"), frames=True, json=None)
    assert verify_run(Path("again.h5"), json=None) == 0
    tracks = tracks_of("r.h5")
    assert tracks.equals(tracks_of("again.h5"))
    away_px = [
        np.linalg.norm(CAMERA.places_px()[frame] - (x, y), axis=1).min()
        for frame, x, y in tracks[["frame", "x", "y"]].itertuples(index=False)
    ]
    assert len(tracks) == CAMERA.frames * CAMERA.particles
    assert max(away_px) < 0.5


def test_a_changed_correction_in_a_record_is_detected(folder: Path) -> None:
    made("hot-pixels", "covered.tif", out="hot.tif")
    sets = (*SETS, "tracking.hot_pixels_file=hot.tif")
    replay_recording(Path("beads.tif"), None, None, sets, out=Path("r.h5"), frames=True, json=None)
    with h5py.File("r.h5", "r+") as file:
        file["corrections"][100] ^= 1
    assert verify_run(Path("r.h5"), json=Path("v.json")) == 1
    assert "'corrections', with which it was corrected, is not what was written" in Path("v.json").read_text()
    Path("hot.tif").unlink()
    with pytest.raises(Refused, match=r"hot\.tif: there is no such file"):
        plan_replay(Path("r.h5"), None, None, ())


def test_a_run_without_corrections_has_no_such_table(folder: Path) -> None:
    replay_recording(Path("covered.tif"), None, None, SETS, out=Path("r.h5"), frames=False, json=None)
    with h5py.File("r.h5") as file:
        assert "corrections" not in file
    with read_run("r.h5") as run:
        assert "corrections" not in run.header.extra
        assert run.corrections_are_whole


def npy(content: Any) -> Callable[[Path], None]:
    return lambda path: np.save(path, content, allow_pickle=True)


def header(shape: str) -> Callable[[Path], None]:
    """A file with a header of this shape, and no pixels."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    whole = b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text

    def write(path: Path) -> None:
        path.write_bytes(whole)

    return write


CUT_OFF = b"\x93NUMPY\x01\0\x20\0{'descr': ('" + 23 * b" "  # numpy raises an error of Python's tokenizer
SIZE = (CAMERA.size_px, CAMERA.size_px)


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("a.npy", None, "there is no such file"),
        ("a.npy", Path.mkdir, "found a folder, where an image .TIFF or NPY. is needed"),
        ("a.npy", npy(np.zeros((10, 20), np.uint8)), "found an image of 20x10 px, and .* one of 192x192 px, as the"),
        ("a.npy", npy(np.zeros(SIZE, np.int32)), "found pixels of type int32 .allowed: bool, uint8, uint16, float32"),
        ("a.npy", npy(np.zeros((3, *SIZE), np.uint8)), r"found an image of shape \(3, 192, 192\)"),
        ("a.npy", npy(np.full(SIZE, np.nan)), "found 36864 pixels that are not finite"),
        ("a.npy", npy(np.array([{}], object)), "found pixels of type object .allowed: bool, uint8, uint16, float32"),
        ("a.npy", npy(np.full(SIZE, -1.0)), "found 36864 pixels below 0 .allowed: at least 0"),
        ("a.npy", header("(100000, 100000)"), r"found an image of shape \(100000, 100000\) .* 16777216 pixels at most"),
        ("a.npy", header("-" * 9000 + "1"), "this file can't be read as an image .found no NPY header"),
        ("a.npy", header("(192, 192)"), "this file can't be read as an image"),
        ("a.npy", lambda path: path.write_bytes(b"\x93NUMPY\x01"), "this file can't be read as an image"),
        ("a.npy", lambda path: path.write_bytes(CUT_OFF), "this file can't be read as an image"),
        ("a.tif", lambda path: path.write_text("no image"), "this file can't be read as an image"),
        ("a.tif", lambda path: tifffile.imwrite(path, np.zeros((2, *SIZE), np.uint8)), "found 2 pages"),
        ("a.png", None, "found the ending '.png' of an image .allowed: .tif, .tiff, .npy."),
    ],
)  # fmt: skip
def test_an_invalid_image_is_refused_in_one_sentence(folder: Path, name: str, write: Any, said: str) -> None:
    if write is not None:
        write(folder / name)
    for key in ("dark_file", "background_file", "hot_pixels_file"):
        with pytest.raises(Refused, match=f"^{re.escape(str(folder / name))}: {said}") as refused:
            plan_replay(Path("beads.tif"), None, None, (*SETS, f"tracking.{key}={name}"))
        assert "\n" not in str(refused.value)


def test_a_hot_pixel_image_with_most_pixels_set_is_refused(folder: Path) -> None:
    np.save("a.npy", np.ones(SIZE, np.uint8))
    with pytest.raises(Refused, match="100% of the pixels are not 0"):
        plan_replay(Path("beads.tif"), None, None, ("tracking.hot_pixels_file=a.npy",))


def test_correction_files_are_relative_to_the_file_that_names_them(folder: Path) -> None:
    """Relative to the file that names it; a path on the command line is relative to the current folder."""
    for place in ("rigs", "experiments"):
        Path(place).mkdir()
    rig = yaml.safe_load((RIGS / "simulated.yaml").read_text())
    rig["camera"] |= {"width_px": 192, "height_px": 192}
    rig["tracking"]["dark_file"] = "d.npy"
    Path("rigs/r.yaml").write_text(yaml.safe_dump(rig))
    wanted = {"title": "t", "rig": "../rigs/r.yaml", "set": {"tracking.background_file": "b.npy"},
              "policy": {"kind": "programmed", "forces": []}}  # fmt: skip
    Path("experiments/e.yaml").write_text(yaml.safe_dump(wanted))
    for file, level in (("rigs/d.npy", 1), ("experiments/b.npy", 2), ("h.npy", 0)):
        np.save(file, np.full(SIZE, level, np.uint8))
    flown = plan("experiments/e.yaml", None, ("tracking.hot_pixels_file=h.npy",))
    tracking = flown.rig.tracking
    assert tracking.dark_file == str(folder / "rigs/d.npy")
    assert tracking.background_file == str(folder / "experiments/b.npy")
    assert tracking.hot_pixels_file == str(folder / "h.npy")
    assert sorted(int(image.max()) for image in flown.corrections.values()) == [0, 1, 2]
    assert flown.experiment.set["tracking.background_file"] == tracking.background_file


def test_a_background_from_the_camera_of_a_rig(folder: Path) -> None:
    """Without particles the background is the level of the empty image."""
    small = ("camera.width_px=64", "camera.height_px=64", "camera.read_noise_counts=0.5")
    found = made("background", str(RIGS / "simulated.yaml"), *small, "sample.number=0", out="b.tif", seconds=0.5)
    image = read_still_image(Path("b.tif"))
    assert found["images"] == 64
    assert image.shape == (64, 64)
    assert image.dtype == np.uint8
    assert abs(float(image.mean()) - 20.0) < 0.5


@pytest.mark.parametrize(
    ("what", "source", "options", "said"),
    [
        ("flat", "beads.tif", {}, "correct flat: there is no such correction .allowed: dark, hot-pixels, background"),
        ("dark", "none.tif", {}, "none.tif: there is no such file"),
        ("dark", "beads.tif", {"seconds": 2.0}, "--seconds is for a rig's camera"),
        ("dark", "beads.tif", {"out": Path("a.png")}, "a.png: found the ending '.png'"),
        ("dark", "beads.tif", {"out": Path("beads.tif")}, "is the input 'source', which is read"),
        ("excluded", "beads.tif", {"out": Path("a.tif")}, "regions are settings, and no image is written"),
        ("dark", "short.tif", {}, "short.tif: 2 images are too few"),
        ("dark", "beads.tif", {"sets": ("x=1",)}, "--set x=1: correct takes tracking.KEY=VALUE"),
    ],
)  # fmt: skip
def test_invalid_calls_are_refused_and_write_nothing(
    folder: Path, what: str, source: str, options: dict[str, Any], said: str
) -> None:
    tifffile.imwrite("short.tif", np.zeros((2, 32, 32), np.uint8), photometric="minisblack")
    before = sorted(os.listdir())
    given: dict[str, Any] = {"sets": (), "out": None, "seconds": None, "json": None, **options}
    with pytest.raises(Refused, match=said):
        correct(what, Path(source), given.pop("sets"), **given)
    assert sorted(os.listdir()) == before


def test_an_image_at_the_default_path_is_not_replaced(folder: Path) -> None:
    """A setting may name it, and it may belong to another recording of the same name."""
    first = made("dark", "covered.tif")["image"]
    before = Path(first).read_bytes()
    (folder / "other").mkdir()
    shutil.copy("beads.tif", "other/covered.tif")
    with pytest.raises(
        Refused, match=r"covered.dark.tif' is there already, and it is left as it is; name another file"
    ):
        made("dark", "other/covered.tif")
    assert Path(first).read_bytes() == before
    made("dark", "other/covered.tif", out=first)
    assert Path(first).read_bytes() != before


@pytest.mark.parametrize("name", ["a.tif", "a.npy"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_an_image_is_read_as_it_was_written(tmp_path: Path, name: str, kind: Any) -> None:
    image = np.arange(12, dtype=kind).reshape(3, 4)
    write_still_image(tmp_path / name, image)
    again = read_still_image(tmp_path / name)
    assert again.dtype == kind
    assert np.array_equal(again, image)
    assert not again.flags.writeable


def test_the_locator_gets_corrected_frames_and_the_record_raw_ones(folder: Path) -> None:
    made("hot-pixels", "covered.tif", out="hot.tif")
    sets = (*SETS, "tracking.hot_pixels_file=hot.tif")
    replay_recording(Path("beads.tif"), None, None, sets, out=Path("r.h5"), frames=True, json=None)
    with read_run("r.h5") as run:
        frame = run.turn(0).frame
        assert isinstance(frame, Frame)
        assert np.array_equal(frame.image, CAMERA.images(dirty=True)[0])
        assert list(run.header.corrections) == [str(folder / "hot.tif")]


def test_encoded_tracking_settings_include_the_excluded_regions() -> None:
    settings = Tracking(excluded_regions=(Ellipse(left_px=3.0), Rectangle(width_px=7.5)))
    assert decode(encode(settings, NAMES), NAMES, "a run") == settings
