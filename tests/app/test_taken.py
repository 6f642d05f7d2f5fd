"""Frame rate, scale and channel of a video come from its file; what was taken from where is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from app.export import export
from app.headless import fly
from app.plan import plan
from app.replay import plan_replay, replay_recording
from app.rig_file import EXPERIMENTS, RIGS
from app.taken import contradictions
from config.refused import Refused
from drivers.journal import read_run
from drivers.video import VideoCamera, open_video
from tests.tracking.footage import spots

SETS = ("tracking.diameter_px=9", "tracking.minmass=200")


def clip(count: int = 6, seed: int = 0) -> NDArray[np.uint8]:
    """[T, 48, 64] one spot that moves."""
    return np.array([spots((48, 64), np.array([[30.0 + k, 24.0]]), seed=seed + k) for k in range(count)])


def avi(path: Path, fps: float) -> Path:
    images = clip()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), fps, (64, 48))
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def imagej(path: Path, **said: Any) -> Path:
    tifffile.imwrite(path, clip(), imagej=True, resolution=(4.0, 4.0), metadata={"axes": "TYX", "unit": "um", **said})
    return path


def ome(path: Path, images: NDArray[Any], **said: Any) -> Path:
    tifffile.imwrite(path, images, ome=True, photometric="minisblack", metadata=said)
    return path


def taken(path: Path, *sets: str, rig: Path | None = None) -> tuple[float, float, str]:
    """(camera.fps, optics.um_per_px, what is said) of a replay."""
    made = plan_replay(path, rig, None, (*SETS, *sets))
    return made.rig.camera.fps, made.rig.optics.um_per_px, "\n".join(made.taken)


def test_a_film_gives_its_frame_rate(tmp_path: Path) -> None:
    fps, um_per_px, said = taken(avi(tmp_path / "a.avi", 50.0))
    assert (fps, um_per_px) == (50.0, 0.1)
    assert said == (
        "a.avi: camera.fps 50 (the frame rate in its AVI header); optics.um_per_px 0.1 (a guess: a.avi does not say)"
    )


def test_imagej_gives_finterval_and_scale(tmp_path: Path) -> None:
    fps, um_per_px, said = taken(imagej(tmp_path / "a.tif", finterval=0.02))
    assert (fps, um_per_px) == (50.0, 0.25)
    assert "finterval" in said
    assert taken(imagej(tmp_path / "b.tif", finterval=20.0, tunit="ms", unit="nm"))[0] == 50.0
    assert taken(imagej(tmp_path / "c.tif", unit="micron"))[1] == 0.25
    assert taken(imagej(tmp_path / "d.tif", unit="\\u00B5m"))[1] == 0.25
    assert taken(imagej(tmp_path / "e.tif", unit="pixel"))[:2] == (30.0, 0.1)


def test_our_own_ome_tiff_is_replayed_at_its_own_rate_and_scale(tmp_path: Path) -> None:
    run, out = tmp_path / "run.h5", tmp_path / "replay.h5"
    small = ("camera.width_px=96", "camera.height_px=96", "sample.number=1", "optics.um_per_px=0.13")
    fly(plan(EXPERIMENTS / "annular_activity.yaml", None, small), 0.2, run, True, "run")
    (film,) = export(run, "ome-tiff", tmp_path / "video")
    assert replay_recording(film, None, None, (), out=out, frames=False, json=None) == 0
    with read_run(run) as before, read_run(out) as after:
        assert before.header.fps == 100.0
        assert (after.header.fps, after.header.um_per_px) == (100.0, 0.13)
        first = before.column("turns", "frame_time_s")[0]
        times = before.column("turns", "frame_time_s") - first
        np.testing.assert_allclose(after.column("turns", "frame_time_s"), times, atol=1e-9)


@pytest.mark.parametrize(
    ("said", "fps", "um_per_px"),
    [
        ({"TimeIncrement": 20.0, "TimeIncrementUnit": "ms", "PhysicalSizeX": 65.0, "PhysicalSizeXUnit": "nm",
          "PhysicalSizeY": 65.0, "PhysicalSizeYUnit": "nm"}, 50.0, 0.065),
        ({"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2, "Plane": {"DeltaT": [0.04 * k for k in range(6)]}}, 25.0, 0.2),
        ({"TimeIncrement": 0.0, "PhysicalSizeX": 3.0, "PhysicalSizeXUnit": "pixel"}, 30.0, 0.1),
    ],
)  # fmt: skip
def test_ome_xml_is_read_in_its_units(tmp_path: Path, said: dict[str, Any], fps: float, um_per_px: float) -> None:
    found = taken(ome(tmp_path / "a.ome.tif", clip(), axes="TYX", **said))
    assert found[:2] == pytest.approx((fps, um_per_px), rel=1e-12)


def test_uneven_frames_and_oblong_pixels_are_named(tmp_path: Path) -> None:
    gap = ome(tmp_path / "a.ome.tif", clip(), axes="TYX", Plane={"DeltaT": [0, 0.01, 0.02, 0.5, 0.51, 0.52]})
    assert "uneven (up to 0.48 s apart" in taken(gap)[2]
    oblong = ome(tmp_path / "b.ome.tif", clip(), axes="TYX", PhysicalSizeX=0.1, PhysicalSizeY=0.2)
    with pytest.raises(Refused, match=r"its pixels are 0\.1 x 0\.2 um"):
        taken(oblong)
    assert taken(oblong, "optics.um_per_px=0.1")[1] == 0.1


def test_a_conflict_with_what_was_set_is_named_in_one_sentence(tmp_path: Path) -> None:
    film = avi(tmp_path / "a.avi", 50.0)
    fps, _, said = taken(film, "camera.fps=20")
    assert fps == 20.0
    assert said.splitlines()[1:] == [
        "note: camera.fps is 20 (--set camera.fps=20), and a.avi says 50 (the frame rate in its AVI header); "
        "20 is taken"
    ]
    assert len(taken(film, "camera.fps=50")[2].splitlines()) == 1
    own = tmp_path / "own.yaml"
    own.write_text((RIGS / "video.yaml").read_text().replace("fps: 30", "fps: 100"))
    fps, _, said = taken(film, rig=own)
    assert fps == 100.0
    assert "note: camera.fps is 100 (the rig file own.yaml), and a.avi says 50" in said


def test_a_video_in_a_rig_that_says_otherwise_is_named(tmp_path: Path) -> None:
    film = avi(tmp_path / "a.avi", 50.0)
    made = plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "video.yaml", (f"camera.path={film}",))
    said = "camera.fps is 30 (the rig), and a.avi says 50 (the frame rate in its AVI header); 30 is taken"
    assert contradictions(made) == (said,)
    assert contradictions(plan_replay(film, None, None, ())) == ()
    assert contradictions(plan(EXPERIMENTS / "annular_activity.yaml")) == ()


def test_resolution_tags_count_where_they_are_a_microscopes(tmp_path: Path) -> None:
    for dpi, um_per_px in ((100_000, 0.1), (72, 0.1), (254_000, 0.1), (50_800, 0.5)):
        path = tmp_path / f"{dpi}.tif"
        unit = "CENTIMETER" if dpi in (100_000,) else "INCH"
        tifffile.imwrite(path, clip(), photometric="minisblack", resolution=(dpi, dpi), resolutionunit=unit)
        assert taken(path)[1] == pytest.approx(um_per_px)


def test_a_folder_has_the_scale_of_its_first_image(tmp_path: Path) -> None:
    for number, image in enumerate(clip()):
        tifffile.imwrite(tmp_path / f"{number}.tif", image, imagej=True, resolution=(4.0, 4.0), metadata={"unit": "um"})
    assert taken(tmp_path)[1] == 0.25


TWO = np.stack([clip(), 255 - clip(seed=50)], 1)  # [T, C, height, width]


@pytest.mark.parametrize("kind", ["ome", "ome CTYX", "imagej", "shape", "one page"])
def test_channels_are_chosen_or_refused(tmp_path: Path, kind: str) -> None:
    """A stack of two channels is not twice as many frames."""
    path = tmp_path / "two.tif"
    if kind == "ome":
        ome(path, TWO, axes="TCYX", Channel={"Name": ["DIC", "GFP"]})
    elif kind == "ome CTYX":
        ome(path, np.ascontiguousarray(TWO.swapaxes(0, 1)), axes="CTYX")
    elif kind == "imagej":
        tifffile.imwrite(path, TWO, imagej=True, metadata={"axes": "TCYX", "finterval": 0.02})
    elif kind == "shape":
        tifffile.imwrite(path, TWO, photometric="minisblack", metadata={"axes": "TCYX"})
    else:
        tifffile.imwrite(path, TWO, photometric="minisblack")
    with pytest.raises(
        Refused, match=r"found 2 channels .*choose one with camera\.channel_number \(1 to 2\)"
    ) as refused:
        taken(path)
    assert ("DIC, GFP" in str(refused.value)) == (kind == "ome")
    for number in (1, 2):
        video = open_video(VideoCamera(path=str(path), channel_number=number))
        np.testing.assert_array_equal([video.image(k) for k in range(len(video))], TWO[:, number - 1])
        video.close()
    made = plan_replay(path, None, None, (*SETS, "camera.channel_number=2"))
    assert made.rig.camera.channel_number == 2  # type: ignore[union-attr]
    with pytest.raises(Refused, match="is 3, and the file has 2 channels"):
        taken(path, "camera.channel_number=3")


def test_colours_are_no_channels_of_a_stack(tmp_path: Path) -> None:
    colour = np.repeat(clip()[..., None], 3, -1)
    tifffile.imwrite(tmp_path / "a.tif", colour, ome=True, photometric="rgb", metadata={"axes": "TYXS"})
    tifffile.imwrite(tmp_path / "b.tif", colour, imagej=True, metadata={"axes": "TYXS"})
    tifffile.imwrite(tmp_path / "c.tif", colour, photometric="rgb")
    for name in "abc":
        video = open_video(VideoCamera(path=str(tmp_path / f"{name}.tif")))
        assert len(video) == 6
        video.close()


def test_depth_is_named_or_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "z.tif", clip(), imagej=True, metadata={"axes": "ZYX"})
    assert "6 planes in depth (its ImageJ description) are taken as frames" in taken(tmp_path / "z.tif")[2]
    tifffile.imwrite(tmp_path / "c.tif", clip(), imagej=True)  # so it writes a stack whose axes were not named
    assert "6 channels of one image (its ImageJ description) are taken as frames" in taken(tmp_path / "c.tif")[2]
    both = clip().reshape(3, 2, 48, 64)
    ome(tmp_path / "tz.ome.tif", both, axes="TZYX")
    with pytest.raises(Refused, match="found 2 planes in depth at each of 3 times"):
        taken(tmp_path / "tz.ome.tif")


def test_a_second_series_is_not_more_of_the_first(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for seed in (0, 9):
            file.write(clip(seed=seed), photometric="minisblack", metadata={"axes": "TYX"})
    with pytest.raises(Refused, match=r"found 2 series \(its OME-XML\), the first of 6 images, and 12 images in all"):
        taken(tmp_path / "a.ome.tif")


def test_a_description_that_is_none_of_this_file_is_not_believed(tmp_path: Path) -> None:
    """More images than there are; entities; no XML; a channel where there is one only."""
    text = (
        '<OME><Image><Pixels DimensionOrder="XYCZT" SizeC="2" SizeT="9" SizeZ="1" TimeIncrement="0.02"/></Image></OME>'
    )
    for said, wrong in ((text, "2 channels of 9 images"), ("<!DOCTYPE a><OME/>", ""), ("<OME", ""), ("", "")):
        path = tmp_path / f"{len(said)}.ome.tif"
        tifffile.imwrite(path, clip(), photometric="minisblack", description=said, metadata=None)
        if wrong:
            with pytest.raises(Refused, match=wrong):
                taken(path, "camera.channel_number=1")
            continue
        assert taken(path)[:2] == (30.0, 0.1)
    with pytest.raises(Refused, match="is 2, and the file has 1 channel"):
        taken(path, "camera.channel_number=2")
    with pytest.raises(Refused, match="only a TIFF may have several channels"):
        taken(avi(tmp_path / "a.avi", 50.0), "camera.channel_number=2")
