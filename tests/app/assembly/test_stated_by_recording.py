"""Frame rate, scale and channel of a video are read from its file; a message states the source of each value."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from app.analysis.export import export
from app.assembly.plan import plan
from app.assembly.replay_plan import plan_replay
from app.assembly.rig import EXPERIMENTS, RIGS
from app.assembly.stated_by_recording import contradictions
from app.commands.replay import replay_recording
from app.running.headless import fly
from config.refused import Refused
from drivers.journal import read_run
from drivers.video import VideoCamera, open_video
from tests.tracking.footage import spots

SETS = ("tracking.diameter_px=9", "tracking.minmass=200")


def clip(count: int = 6, seed: int = 0) -> NDArray[np.uint8]:
    """[T, 48, 64]: one moving spot."""
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
    """(camera.fps, optics.um_per_px, message) of a replay."""
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


def test_an_exported_ome_tiff_is_replayed_at_its_rate_and_scale(tmp_path: Path) -> None:
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


def test_uneven_frames_are_noted_and_non_square_pixels_refused(tmp_path: Path) -> None:
    gap = ome(tmp_path / "a.ome.tif", clip(), axes="TYX", Plane={"DeltaT": [0, 0.01, 0.02, 0.5, 0.51, 0.52]})
    assert "uneven (up to 0.48 s apart" in taken(gap)[2]
    oblong = ome(tmp_path / "b.ome.tif", clip(), axes="TYX", PhysicalSizeX=0.1, PhysicalSizeY=0.2)
    with pytest.raises(Refused, match=r"its pixels are 0\.1 x 0\.2 um"):
        taken(oblong)
    assert taken(oblong, "optics.um_per_px=0.1")[1] == 0.1


def test_a_conflict_with_a_setting_is_noted_in_one_sentence(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    "sets",
    [
        ("optics={um_per_px: 0.7}",),
        ("optics.um_per_px=0.5", "optics={um_per_px: 0.7}"),
        ("optics={um_per_px: 0.5, waist_um: 0.7}", " optics.um_per_px = 0.7"),
    ],
)
def test_a_scale_in_a_mapping_is_used(tmp_path: Path, sets: tuple[str, ...]) -> None:
    _, um_per_px, said = taken(imagej(tmp_path / "ij.tif"), *sets)
    assert um_per_px == 0.7
    first, note = said.splitlines()
    assert f"optics.um_per_px 0.7 (--set {sets[-1]})" in first
    assert note.startswith("note: optics.um_per_px is 0.7 (--set ")
    assert "ij.tif says 0.25" in note


def test_a_mapping_without_a_scale_keeps_the_recorded_scale(tmp_path: Path) -> None:
    path = imagej(tmp_path / "ij.tif", finterval=0.02)
    made = plan_replay(path, None, None, (*SETS, "optics={waist_um: 0.5}", "camera={exposure_s: 0.004}"))
    assert (made.rig.optics.um_per_px, made.rig.optics.waist_um) == (0.25, 0.5)
    camera = made.rig.camera
    assert isinstance(camera, VideoCamera)
    assert (camera.path, camera.fps, camera.exposure_s) == (str(path), 50.0, 0.004)
    assert (camera.width_px, camera.height_px) == (64, 48)
    made = plan_replay(path, None, None, ("tracking={diameter_px: 9, minmass: 200}", "camera={fps: 33}"))
    assert (made.rig.tracking.trapped, made.rig.camera.fps) == ("last", 33.0)
    assert "note: camera.fps is 33 (--set camera={fps: 33})" in made.taken[1]


def test_a_replay_refuses_another_recording_in_its_settings(tmp_path: Path) -> None:
    path, other = imagej(tmp_path / "a.tif"), imagej(tmp_path / "b.tif")
    for item in (f"camera.path={other}", f"camera={{kind: video, path: {other}}}"):
        with pytest.raises(Refused, match="the recording of a replay is the one that it is called with"):
            taken(path, item)
    with pytest.raises(Refused, match=r"'camera\.kind' is the text 'simulated'"):
        taken(path, "camera={kind: simulated}")


@pytest.mark.parametrize(
    ("values", "dropped"),
    [
        ("{optics: {um_per_px: 0.9}}", "optics.um_per_px"),
        ("{optics: {um_per_px: 0.9, waist_um: 0.5}}", "optics.um_per_px"),
        ("{optics.um_per_px: 0.9}", "optics.um_per_px"),
        ("{camera.fps: 33, sample.number: 3}", "camera.fps"),
        ("{camera: {fps: 33}}", "camera"),
        ("{tracking: {diameter_px: 9, trapped: commanded}}", "tracking.trapped"),
        ("{sample: {number: 3}}", ""),
    ],
)
def test_ignored_rig_settings_of_an_experiment_are_noted(tmp_path: Path, values: str, dropped: str) -> None:
    path, wanted = imagej(tmp_path / "ij.tif", finterval=0.02), tmp_path / "e.yaml"
    text = (EXPERIMENTS / "annular_activity.yaml").read_text().partition("\nset:")[0]
    wanted.write_text(f"{text}\nset: {values}\n")
    note = "is of a rig of its own, and not taken for a recording; --set KEY=VALUE gives it"
    made = plan_replay(path, None, wanted, ())
    assert (made.rig.camera.fps, made.rig.optics.um_per_px, made.rig.tracking.trapped) == (50.0, 0.25, "last")
    assert made.rig.optics.waist_um == (0.5 if "waist" in values else 0.6)
    assert made.taken[1:] == ((f"note: what e.yaml sets of {dropped} {note}",) if dropped else ())
    made = plan_replay(path, None, None, (f"set={values}",))
    assert (made.rig.camera.fps, made.rig.optics.um_per_px, made.rig.tracking.trapped) == (50.0, 0.25, "last")
    assert len(made.taken) == (2 if dropped else 1)


def test_a_calibrated_scale_is_named_as_such(tmp_path: Path) -> None:
    path, own = imagej(tmp_path / "ij.tif"), tmp_path / "own.yaml"
    record = "{what: um-per-px, date: '2026-01-01', set: {optics.um_per_px: 0.4}}"
    (tmp_path / "cal.yaml").write_text(f"rig: own\nrecords:\n- {record}\n")
    own.write_text((RIGS / "video.yaml").read_text() + "calibration: cal.yaml\n")
    by_rig = taken(path, rig=own)
    by_set = taken(path, f"calibration={tmp_path / 'cal.yaml'}")
    for found in (by_rig, by_set):
        assert found[1] == 0.4
        assert "optics.um_per_px 0.4 (the calibration file cal.yaml)" in found[2]
        assert "note: optics.um_per_px is 0.4 (the calibration file cal.yaml), and ij.tif says 0.25" in found[2]


def test_a_conflict_between_rig_and_video_is_noted(tmp_path: Path) -> None:
    film = avi(tmp_path / "a.avi", 50.0)
    made = plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "video.yaml", (f"camera.path={film}",))
    said = "camera.fps is 30 (the rig), and a.avi says 50 (the frame rate in its AVI header); 30 is taken"
    assert contradictions(made) == (said,)
    assert contradictions(plan_replay(film, None, None, ())) == ()
    assert contradictions(plan(EXPERIMENTS / "annular_activity.yaml")) == ()


def test_resolution_tags_are_used_only_at_microscope_scale(tmp_path: Path) -> None:
    for dpi, um_per_px in ((100_000, 0.1), (72, 0.1), (254_000, 0.1), (50_800, 0.5)):
        path = tmp_path / f"{dpi}.tif"
        unit = "CENTIMETER" if dpi in (100_000,) else "INCH"
        tifffile.imwrite(path, clip(), photometric="minisblack", resolution=(dpi, dpi), resolutionunit=unit)
        assert taken(path)[1] == pytest.approx(um_per_px)


@pytest.mark.parametrize(
    ("resolution", "unit", "said"),
    [
        ((50_000, 20_000), "CENTIMETER", r"its pixels are 0\.2 x 0\.5 um \(its TIFF resolution tags\)"),
        ((254_000, 1_000), "INCH", r"its pixels are 0\.1 x 25\.4 um"),
        ((2, 1), "NONE", r"its pixels are 0\.5 times as wide as high"),
        ((204, 98), "INCH", ""),  # a fax
        ((50_000, 50_100), "CENTIMETER", ""),
    ],
)
def test_non_square_pixels_in_tiff_tags_are_refused(
    tmp_path: Path, resolution: tuple[int, int], unit: str, said: str
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, clip(), photometric="minisblack", resolution=resolution, resolutionunit=unit)
    if not said:
        assert taken(path)[1] == (0.2 if unit == "CENTIMETER" else 0.1)
        return
    with pytest.raises(Refused, match=said):
        taken(path)
    assert taken(path, "optics.um_per_px=0.3")[1] == 0.3


def test_a_folder_has_the_scale_of_its_first_image(tmp_path: Path) -> None:
    for number, image in enumerate(clip()):
        tifffile.imwrite(tmp_path / f"{number}.tif", image, imagej=True, resolution=(4.0, 4.0), metadata={"unit": "um"})
    assert taken(tmp_path)[1] == 0.25


TWO = np.stack([clip(), 255 - clip(seed=50)], 1)  # [T, C, height, width]


@pytest.mark.parametrize("kind", ["ome", "ome CTYX", "imagej", "shape", "one page"])
def test_channels_are_chosen_or_refused(tmp_path: Path, kind: str) -> None:
    """A stack of two channels is not read as twice as many frames."""
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
    assert made.rig.camera.channel_number == 2  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="is 3, and the file has 2 channels"):
        taken(path, "camera.channel_number=3")


def test_colour_samples_are_not_channels(tmp_path: Path) -> None:
    colour = np.repeat(clip()[..., None], 3, -1)
    tifffile.imwrite(tmp_path / "a.tif", colour, ome=True, photometric="rgb", metadata={"axes": "TYXS"})
    tifffile.imwrite(tmp_path / "b.tif", colour, imagej=True, metadata={"axes": "TYXS"})
    tifffile.imwrite(tmp_path / "c.tif", colour, photometric="rgb")
    for name in "abc":
        video = open_video(VideoCamera(path=str(tmp_path / f"{name}.tif")))
        assert len(video) == 6
        video.close()


def test_planes_in_depth_are_noted_or_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "z.tif", clip(), imagej=True, metadata={"axes": "ZYX"})
    assert "6 planes in depth (its ImageJ description) are taken as frames" in taken(tmp_path / "z.tif")[2]
    tifffile.imwrite(tmp_path / "c.tif", clip(), imagej=True)  # tifffile writes a stack with unnamed axes like this
    assert "6 channels of one image (its ImageJ description) are taken as frames" in taken(tmp_path / "c.tif")[2]
    both = clip().reshape(3, 2, 48, 64)
    ome(tmp_path / "tz.ome.tif", both, axes="TZYX")
    with pytest.raises(Refused, match="found 2 planes in depth at each of 3 times"):
        taken(tmp_path / "tz.ome.tif")


def test_a_file_with_two_series_is_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for seed in (0, 9):
            file.write(clip(seed=seed), photometric="minisblack", metadata={"axes": "TYX"})
    with pytest.raises(Refused, match=r"found 2 series \(its OME-XML\), the first of 6 images, and 12 images in all"):
        taken(tmp_path / "a.ome.tif")


def ome_of(path: Path, images: NDArray[Any], sizes: str, blocks: str, root: str = "") -> Path:
    """An OME-TIFF of these images, with these attributes of Pixels and these TiffData elements."""
    text = ome_text(sizes, blocks, root)
    tifffile.imwrite(path, images, photometric="minisblack", description=text, metadata=None)
    return path


def ome_text(sizes: str, blocks: str = "", root: str = "") -> str:
    """OME-XML of one plane in depth, with these attributes of Pixels and of the root, and these elements of Pixels."""
    return f'<OME {root}><Image><Pixels DimensionOrder="XYCZT" SizeZ="1" {sizes}>{blocks}</Pixels></Image></OME>'


def shown(path: Path, number: int = 0) -> NDArray[Any]:
    video = open_video(VideoCamera(path=str(path), channel_number=number))
    found = np.array([video.image(k) for k in range(len(video))])
    video.close()
    return found


def block(page: int, **first: int) -> str:
    return f'<TiffData IFD="{page}" {" ".join(f"First{axis}={chr(34)}{at}{chr(34)}" for axis, at in first.items())}/>'


def test_tiffdata_assigns_pages_to_images(tmp_path: Path) -> None:
    """The pages are not in the usual order: all of channel 2, then all of channel 1; then times or channels in
    reverse."""
    flat = np.concatenate([TWO[:, 1], TWO[:, 0]])
    runs = '<TiffData IFD="0" FirstC="1" PlaneCount="6"/><TiffData IFD="6" FirstC="0" PlaneCount="6"/>'
    singly = "".join(block(6 * (1 - c) + t, C=c, T=t) for t in range(6) for c in range(2))
    by_runs = f'<OME><Image><Pixels DimensionOrder="XYTCZ" SizeZ="1" SizeC="2" SizeT="6">{runs}</Pixels></Image></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", flat, photometric="minisblack", description=by_runs, metadata=None)
    ome_of(tmp_path / "b.ome.tif", flat, 'SizeC="2" SizeT="6"', singly)
    for name in ("a.ome.tif", "b.ome.tif"):
        for number in (1, 2):
            np.testing.assert_array_equal(shown(tmp_path / name, number), TWO[:, number - 1])
    backwards = "".join(block(5 - t, T=t) for t in range(6))
    np.testing.assert_array_equal(
        shown(ome_of(tmp_path / "c.ome.tif", clip(), 'SizeC="1" SizeT="6"', backwards)), clip()[::-1]
    )
    row = "".join(block(5 - c, C=c) for c in range(6))
    np.testing.assert_array_equal(
        shown(ome_of(tmp_path / "d.ome.tif", clip(), 'SizeC="6" SizeT="1"', row)), clip()[::-1]
    )


def test_images_in_other_files_and_missing_images_are_left_out(tmp_path: Path) -> None:
    other = "".join(f'<TiffData IFD="{t}" FirstT="{t}"><UUID>urn:a</UUID></TiffData>' for t in range(6))
    own = "".join(f'<TiffData IFD="{t}" FirstT="{t + 6}"><UUID>urn:b</UUID></TiffData>' for t in range(6))
    second = ome_of(tmp_path / "a.ome.tif", clip(), 'SizeC="1" SizeT="12"', other + own, 'UUID="urn:b"')
    np.testing.assert_array_equal(shown(second), clip())
    ended = ome_of(tmp_path / "b.ome.tif", clip(), 'SizeC="1" SizeT="99"', '<TiffData IFD="0" PlaneCount="99"/>')
    np.testing.assert_array_equal(shown(ended), clip())
    lost = ome_of(tmp_path / "c.ome.tif", clip(), 'SizeC="1" SizeT="12"', other + own, 'UUID="urn:c"')
    with pytest.raises(Refused, match=r"\(TiffData: it does not state which of its files this one is\)"):
        shown(lost)


@pytest.mark.parametrize(
    ("sizes", "blocks", "said"),
    [
        ('SizeC="1" SizeT="6"', block(0, T=0) + block(1, T=2), "none of its 6 pages that it is image 2 of 6"),
        ('SizeC="1" SizeT="4"', '<TiffData IFD="0" PlaneCount="4"/>', "found 6 images, and its OME-XML says of 4"),
        ('SizeC="1" SizeT="6"', '<TiffData IFD="0" PlaneCount="7"/>', "PlaneCount 7 from image 1 of 6 on"),
        ('SizeC="1" SizeT="6"', block(0, T=6), "FirstT 6, which the sizes have no room for"),
        ('SizeC="1" SizeT="6"', block(0, T=1) + block(1, T=1), "one image in the pages 1 and 2"),
        ('SizeC="1" SizeT="6"', block(3, T=0) + block(3, T=1), "two images in one page"),
        ('SizeC="1" SizeT="6"', '<TiffData IFD="-1"/>', "IFD is '-1'"),
        ('SizeC="1" SizeT="2000000000"', '<TiffData IFD="0"/>', "2000000000 images, of at most"),
    ],
)
def test_inconsistent_tiffdata_is_refused(tmp_path: Path, sizes: str, blocks: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        taken(ome_of(tmp_path / "a.ome.tif", clip(), sizes, blocks))


def test_a_description_in_another_file_is_noted(tmp_path: Path) -> None:
    text = '<OME><BinaryOnly MetadataFile="a.companion.ome" UUID="urn:b"/></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", clip(), photometric="minisblack", description=text, metadata=None)
    said = taken(tmp_path / "a.ome.tif")[2]
    assert said.endswith("note: a.ome.tif: its OME-XML is in another file (a.companion.ome), which is not read")


def test_an_unusable_description_is_refused_or_ignored(tmp_path: Path) -> None:
    """More images than the file has; XML entities; no XML; a channel number for a file with one channel."""
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


def test_frame_times_have_priority_over_the_time_increment(tmp_path: Path) -> None:
    """For example, a camera set to one frame per 10 ms gave one per 50 ms."""
    slow = {"DeltaT": [0.05 * k for k in range(6)]}
    fps, _, said = taken(ome(tmp_path / "a.ome.tif", clip(), axes="TYX", TimeIncrement=0.01, Plane=slow))
    assert fps == pytest.approx(20.0)
    assert "TimeIncrement in its OME-XML says 100 frames a second" in said
    assert "the times of its frames (DeltaT) 20, which is taken" in said
    alike = {"DeltaT": [0.01 * k + 1e-5 * (k % 2) for k in range(6)]}
    fps, _, said = taken(ome(tmp_path / "b.ome.tif", clip(), axes="TYX", TimeIncrement=0.01, Plane=alike))
    assert (fps, "note" in said) == (100.0, False)
    stamped_once = {"DeltaT": [0.0] * 6}
    assert taken(ome(tmp_path / "c.ome.tif", clip(), axes="TYX", TimeIncrement=0.01, Plane=stamped_once))[0] == 100.0


def test_times_of_only_some_frames_give_the_right_rate(tmp_path: Path) -> None:
    """Regression: the times were taken as those of successive frames: 1.3 frames/s instead of 25."""

    def timed(name: str, times_s: dict[int, float], increment: str = "") -> tuple[float, str]:
        planes = "".join(f'<Plane TheC="0" TheZ="0" TheT="{t}" DeltaT="{at_s}"/>' for t, at_s in times_s.items())
        found = taken(ome_of(tmp_path / name, clip(), f'SizeC="1" SizeT="6" {increment}', planes))
        return found[0], found[2]

    for name, frames in (("ends.ome.tif", (0, 5)), ("some.ome.tif", (5, 0, 2))):
        fps, said = timed(name, {t: 0.04 * t for t in frames})
        assert fps == pytest.approx(25.0)
        assert "note" not in said
    fps, said = timed("slow.ome.tif", {t: 0.04 * t for t in (0, 2, 5)}, 'TimeIncrement="0.01"')
    assert fps == pytest.approx(25.0)
    assert "the times of its frames (DeltaT) 25, which is taken" in said
    assert "uneven (up to 0.48 s apart" in timed("gap.ome.tif", {0: 0.0, 1: 0.01, 2: 0.02, 3: 0.5, 5: 0.52})[1]


def position(name: str, uuid: str, um: float, step_s: float) -> str:
    """OME-XML of an image of six frames in the file of this UUID."""
    sizes = f'SizeC="1" SizeZ="1" SizeT="6" PhysicalSizeX="{um}" PhysicalSizeY="{um}" TimeIncrement="{step_s}"'
    inside = f'<TiffData IFD="0" PlaneCount="6"><UUID FileName="{name}">{uuid}</UUID></TiffData>'
    return f'<Image><Pixels DimensionOrder="XYCZT" {sizes}>{inside}</Pixels></Image>'


def test_each_file_of_several_positions_uses_its_own_description(tmp_path: Path) -> None:
    """Regression: the second file got the rate and the scale of the first."""
    both = position("a.ome.tif", "urn:a", 0.125, 0.04) + position("b.ome.tif", "urn:b", 0.5, 0.1)

    def written(name: str, root: str) -> Path:
        text = f"<OME {root}>{both}</OME>"
        tifffile.imwrite(tmp_path / name, clip(), photometric="minisblack", description=text, metadata=None)
        return tmp_path / name

    assert taken(written("a.ome.tif", 'UUID="urn:a"'))[:2] == (25.0, 0.125)
    assert taken(written("b.ome.tif", 'UUID="urn:b"'))[:2] == (10.0, 0.5)
    with pytest.raises(Refused, match=r"\(TiffData: it does not state which of its files this one is\)"):
        taken(written("c.ome.tif", ""))


@pytest.mark.parametrize("axes", ["YXT", "XYT", "TXY", "PTCYX", "TPYX", "TRYX", "TQYX", "CTTYX", ""])
def test_axes_that_do_not_describe_a_video_are_refused(tmp_path: Path, axes: str) -> None:
    """Regression: rows were read as frames, and positions and channels as frames of one video."""
    images = np.zeros((4, 3, 2, 5, 8, 9)[6 - len(axes or "TZCPYX") :], np.uint8)
    metadata = {"axes": axes} if axes else {}
    tifffile.imwrite(tmp_path / "a.tif", images, photometric="minisblack", metadata=metadata)
    found = f"the axes {axes}" if axes else "a shape of 6 axes without letters"
    with pytest.raises(Refused, match=rf"a\.tif: found {found} \(the shape in its description; allowed: some of T, Z"):
        shown(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("axes", "shape", "count"),
    [("TYX", (6, 8, 9), 6), ("ZYX", (6, 8, 9), 6), ("QYX", (6, 8, 9), 6), ("RYX", (6, 8, 9), 6),
     ("PTYX", (1, 6, 8, 9), 6), ("TCYX", (6, 1, 8, 9), 6), ("tyx", (6, 8, 9), 6), ("TYXS", (6, 8, 9, 3), 6),
     ("TYXS", (6, 8, 9, 1), 6), ("TYX", (6, 1, 9), 6), ("YXT", (8, 9, 1), 1)],
)  # fmt: skip
def test_axes_of_an_image_sequence_are_frames(tmp_path: Path, axes: str, shape: tuple[int, ...], count: int) -> None:
    photometric = "rgb" if shape[-1] == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, np.uint8), photometric=photometric, metadata={"axes": axes})
    assert len(shown(tmp_path / "a.tif")) == count


def test_channels_in_a_shape_are_chosen_by_their_letter(tmp_path: Path) -> None:
    """An axis C alone; and an axis of length one between the channel axis and the page."""
    tifffile.imwrite(tmp_path / "a.tif", TWO[0], photometric="minisblack", metadata={"axes": "CYX"})
    np.testing.assert_array_equal(shown(tmp_path / "a.tif", 2), TWO[:1, 1])
    assert (
        "its 2 channels of one image (the shape in its description) are taken as frames" in taken(tmp_path / "a.tif")[2]
    )
    tifffile.imwrite(tmp_path / "b.tif", TWO[:, :, None], photometric="minisblack", metadata={"axes": "TCZYX"})
    np.testing.assert_array_equal(shown(tmp_path / "b.tif", 2), TWO[:, 1])


def samples_of(path: Path, count: int, planar: bool = False, **how: Any) -> NDArray[np.uint8]:
    """Writes a TIFF whose pixels have `count` grey samples; returns its images [T, sample, height, width]."""
    images = np.stack([np.roll(clip(), 5 * index, -1) for index in range(count)], 1)
    given = images if planar else np.moveaxis(images, 1, -1)
    config = "separate" if planar else "contig"
    tifffile.imwrite(path, given, photometric="minisblack", planarconfig=config, **how)
    return images


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("is_ome", [False, True])
def test_channels_in_the_samples_of_a_pixel_are_chosen(tmp_path: Path, count: int, planar: bool, is_ome: bool) -> None:
    """Regression: they were reported as one channel, or as a colour video."""
    path = tmp_path / ("a.ome.tif" if is_ome else "a.tif")
    axes = "TSYX" if planar else "TYXS"
    images = samples_of(path, count, planar, metadata={"axes": axes}, **({"ome": True} if is_ome else {}))
    for number in range(1, count + 1):
        np.testing.assert_array_equal(shown(path, number), images[:, number - 1])
    with pytest.raises(Refused, match=f"is {count + 1}, and the file has {count} channels"):
        shown(path, count + 1)
    said = f"found {count} channels .*choose one with camera.channel_number .1 to {count}." if count != 3 else "colour"
    with pytest.raises(Refused, match=said):
        shown(path)


def test_an_alpha_sample_is_not_a_channel(tmp_path: Path) -> None:
    images = samples_of(tmp_path / "a.tif", 3, extrasamples=["unspecified", "unassalpha"])
    with pytest.raises(Refused, match=r"found 2 channels \(samples of each pixel\)"):
        shown(tmp_path / "a.tif")
    np.testing.assert_array_equal(shown(tmp_path / "a.tif", 2), images[:, 1])


def test_a_folder_of_pictures_with_samples_has_channels(tmp_path: Path) -> None:
    for index in range(2):
        tifffile.imwrite(tmp_path / f"{index}.tif", TWO[index], photometric="minisblack", planarconfig="separate")
    with pytest.raises(Refused, match=r"choose one with camera.channel_number \(1 to 2\)"):
        shown(tmp_path)
    np.testing.assert_array_equal(shown(tmp_path, 2), TWO[:2, 1])


def one_of_many(path: Path, index: int, channels: int) -> None:
    """Image `index` of an OME set of six files; each time has all channels."""
    blocks = "".join(
        f'<TiffData IFD="0" FirstC="{k % channels}" FirstT="{k // channels}"><UUID>urn:{k}</UUID></TiffData>'
        for k in range(6)
    )
    ome_of(path, clip()[index], f'SizeC="{channels}" SizeT="{6 // channels}"', blocks, f'UUID="urn:{index}"')


def test_one_channel_of_a_folder_is_chosen(tmp_path: Path) -> None:
    """Regression: camera.channel_number was required, and every value was refused."""
    for index in range(6):
        one_of_many(tmp_path / f"{index}.ome.tif", index, 2)
    with pytest.raises(Refused, match=r"found images of 2 channels .*choose one with camera.channel_number \(1 to 2\)"):
        shown(tmp_path)
    for number in (1, 2):
        np.testing.assert_array_equal(shown(tmp_path, number), clip()[number - 1 :: 2])
    with pytest.raises(Refused, match="is 3, and the OME-XML of the images says that they are of channel 1, 2"):
        shown(tmp_path, 3)
    for index in range(0, 6, 2):
        (tmp_path / f"{index}.ome.tif").unlink()
    np.testing.assert_array_equal(shown(tmp_path), clip()[1::2])
    with pytest.raises(Refused, match="is 1, and the OME-XML of the images says that they are of channel 2"):
        shown(tmp_path, 1)
    np.testing.assert_array_equal(shown(tmp_path / "3.ome.tif"), clip()[3:4])
    np.testing.assert_array_equal(shown(tmp_path / "3.ome.tif", 2), clip()[3:4])
    with pytest.raises(Refused, match="of none of its 1 pages that it is image 1 of 3"):
        shown(tmp_path / "3.ome.tif", 1)


def test_no_channel_choice_is_offered_if_no_choice_is_valid(tmp_path: Path) -> None:
    path = ome_of(tmp_path / "a.ome.tif", clip()[0], 'SizeC="2" SizeT="3"', "")
    for where in (path, tmp_path):
        with pytest.raises(Refused, match=r"says 2 channels of 3 images \(its OME-XML\), and 1 image is in the file$"):
            shown(where)


def test_a_channel_number_for_a_png_folder_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), clip()[0])
    with pytest.raises(
        Refused, match=r"0\.png: camera\.channel_number is 2, and only a TIFF may have several channels"
    ):
        shown(tmp_path, 2)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("<A> &micro; </A>", "undefined entity"),
        ("<A> R&D </A>", "not well-formed"),
        ("<A> \x02 </A>", "not well-formed"),
        ("<!DOCTYPE OME>", "it contains <!DOCTYPE, which is not allowed"),
        ("<!ENTITY a>", "it contains <!ENTITY, which is not allowed"),
        ("<A>", "mismatched tag"),
    ],
)
def test_unreadable_xml_is_noted(tmp_path: Path, wrong: str, why: str) -> None:
    """Regression: the pages were used in file order, with the message that the file states no values."""
    sizes = 'DimensionOrder="XYCZT" SizeC="2" SizeZ="1" SizeT="3"'
    text = f"<OME>{wrong}<Image><Pixels {sizes}/></Image></OME>"
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, clip(), photometric="minisblack", description=text, metadata=None)
    (note,) = taken(path)[2].splitlines()[1:]
    assert note.startswith(f"note: a.ome.tif: its OME-XML can't be read ({why}")
    assert note.endswith("); its pages are taken as they come")


def test_truncated_xml_is_noted(tmp_path: Path) -> None:
    text = '<?xml version="1.0"?><OME><Image><Pixels SizeC="2" SizeT="3"'
    tifffile.imwrite(tmp_path / "a.ome.tif", clip(), photometric="minisblack", description=text, metadata=None)
    assert "note: a.ome.tif: its OME-XML can't be read (unclosed token" in taken(tmp_path / "a.ome.tif")[2]


def test_non_square_pixels_used_as_square_are_noted(tmp_path: Path) -> None:
    """Regression: there was no note if the settings gave the scale."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, clip(), imagej=True, resolution=(10.0, 5.0), metadata={"axes": "TYX", "unit": "um"})
    square = "the pixels of a.tif are 0.1 x 0.2 um (its ImageJ description: pixels per unit); they are taken as square"
    given = "optics.um_per_px is 0.2 (--set optics.um_per_px=0.2)"
    assert taken(path, "optics.um_per_px=0.2")[2].splitlines()[1:] == [f"note: {given}, and {square}"]
    made = plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "video.yaml", (f"camera.path={path}",))
    assert contradictions(made) == (f"optics.um_per_px is {made.rig.optics.um_per_px} (the rig), and {square}",)


@pytest.mark.parametrize(
    ("unit", "resolution"), [("unit=micron\nyunit=nm", (4.0, 0.004)), ("unit=mm\nyunit=um", (4000.0, 4.0))]
)
def test_an_imagej_description_may_have_a_separate_unit_for_y(
    tmp_path: Path, unit: str, resolution: tuple[float, float]
) -> None:
    """Regression: square pixels were refused as 0.25 x 250 um."""
    text = f"ImageJ=1.53t\nimages=6\nframes=6\n{unit}\n"
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, clip(), photometric="minisblack", description=text, metadata=None, resolution=resolution)
    assert taken(path)[1] == pytest.approx(0.25)
    oblong = tmp_path / "b.tif"
    tifffile.imwrite(
        oblong, clip(), photometric="minisblack", description=text, metadata=None, resolution=(resolution[0],) * 2
    )
    with pytest.raises(Refused, match="its pixels are"):
        taken(oblong)


@pytest.mark.parametrize(
    ("interval", "unit", "fps"),
    [("0,04", "sec", 25.0), ("0.0005", "minutes", 1 / 0.03), ("0.00001", "hours", 1 / 0.036), ("40", "msecs", 25.0),
     ("40", "milliseconds", 25.0), ("40000", "microseconds", 25.0), ("0,04,1", "sec", 30.0)],
)  # fmt: skip
def test_units_of_time_may_be_written_out(tmp_path: Path, interval: str, unit: str, fps: float) -> None:
    text = f"ImageJ=1.53t\nimages=6\nframes=6\nfinterval={interval}\ntunit={unit}\n"
    tifffile.imwrite(tmp_path / "a.tif", clip(), photometric="minisblack", description=text, metadata=None)
    assert taken(tmp_path / "a.tif")[0] == pytest.approx(fps)


def test_inches_are_a_unit_of_length(tmp_path: Path) -> None:
    """72 pixels per inch in an ImageJ description is the resolution of a page, not a scale."""
    inches = {f"PhysicalSize{axis}{unit}": value for axis in "XY" for unit, value in (("", 1e-5), ("Unit", "in"))}
    assert taken(ome(tmp_path / "a.ome.tif", clip(), axes="TYX", **inches))[1] == pytest.approx(0.254)
    for per_inch, um_per_px in ((100_000, 0.254), (72, 0.1)):
        path = tmp_path / "b.tif"
        tifffile.imwrite(
            path, clip(), imagej=True, resolution=(per_inch,) * 2, metadata={"axes": "TYX", "unit": "inch"}
        )
        assert taken(path)[1] == pytest.approx(um_per_px)


def test_a_pixel_size_of_zero_or_less_is_ignored(tmp_path: Path) -> None:
    """Regression: -0.1 x -0.1 um was refused as not square."""
    for index, (x, y, um_per_px) in enumerate(((-0.1, -0.1, 0.1), (0.2, -0.2, 0.2), (0.2, 0.0, 0.2))):
        path = ome(tmp_path / f"{index}.ome.tif", clip(), axes="TYX", PhysicalSizeX=x, PhysicalSizeY=y)
        assert taken(path)[1] == um_per_px


def test_a_chosen_channel_has_no_note_on_all_channels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", clip(), imagej=True, metadata={"axes": "CYX"})
    assert "are taken as frames" in taken(tmp_path / "a.tif")[2]
    assert "note" not in taken(tmp_path / "a.tif", "camera.channel_number=2")[2]


def test_conflicting_descriptions_in_a_file_are_noted(tmp_path: Path) -> None:
    text = ome_text('SizeC="1" SizeT="6" TimeIncrement="0.04" PhysicalSizeX="0.2" PhysicalSizeY="0.2"')
    other = b"ImageJ=1.53t\nimages=6\nframes=6\nfinterval=1.0\nunit=um\n\0"
    path, tags = tmp_path / "a.tif", [(65_000, 2, len(other), other, True)]
    how: dict[str, Any] = {"resolution": (2.0, 2.0), "resolutionunit": 1, "extratags": tags}
    tifffile.imwrite(path, clip(), description=text, metadata=None, **how)
    before, second = (struct.pack("<HHI", code, 2, len(other)) for code in (65_000, 270))  # tifffile writes only one
    path.write_bytes(path.read_bytes().replace(before, second))
    fps, um_per_px, said = taken(tmp_path / "a.tif")
    assert (fps, um_per_px) == (25.0, 0.2)
    assert said.splitlines()[1:] == [
        "note: a.tif: 25 frames a second (its OME-XML: TimeIncrement) is taken, and 1 is in its ImageJ description: "
        "finterval",
        "note: a.tif: 0.2 um per pixel (its OME-XML: PhysicalSizeX) is taken, and 0.5 is in its ImageJ description: "
        "pixels per unit",
    ]
    for per_cm, noted in ((20_000, True), (50_000, False), (28, False)):
        how = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(tmp_path / "b.ome.tif", clip(), description=text, metadata=None, **how)
        said = taken(tmp_path / "b.ome.tif")[2]
        assert ("is taken, and 0.5 is in its TIFF resolution tags" in said) == noted
        assert ("note" in said) == noted


@pytest.mark.parametrize(("kind", "count"), [("ome", 4), ("ome", 9), ("ome", 1), ("imagej", 9), ("shape", 4)])
def test_a_wrong_number_of_images_is_noted(tmp_path: Path, kind: str, count: int) -> None:
    path = tmp_path / "a.tif"
    text = {
        "ome": ome_text(f'SizeC="1" SizeT="{count}"'),
        "imagej": f"ImageJ=1.53t\nimages={count}\nframes={count}\n",
        "shape": f'{{"shape": [{count}, 48, 64]}}',
    }[kind]
    tifffile.imwrite(path, clip(), photometric="minisblack", description=text, metadata=None)
    where = {"ome": "its OME-XML", "imagej": "its ImageJ description", "shape": "the shape in its description"}[kind]
    images = "1 image" if count == 1 else f"{count} images"
    assert taken(path)[2].splitlines()[1:] == [f"note: a.tif: {where} says that it has {images}, and it has 6"]


def test_scales_that_differ_in_a_folder_are_noted(tmp_path: Path) -> None:
    for number, image in enumerate(clip()):
        per_um = (4.0, 4.0) if number < 3 else (2.0, 2.0)
        tifffile.imwrite(tmp_path / f"{number}.tif", image, imagej=True, resolution=per_um, metadata={"unit": "um"})
    _, um_per_px, said = taken(tmp_path)
    assert um_per_px == 0.25
    (note,) = said.splitlines()[1:]
    assert note.endswith(": 0.25 um per pixel is taken, by its first image, and it is 0.5 um per pixel by 3.tif")


def test_a_folder_has_the_frame_rate_of_its_first_image(tmp_path: Path) -> None:
    """Regression: 30 frames/s were taken, "the folder does not say"."""
    for number, image in enumerate(clip()):
        tifffile.imwrite(tmp_path / f"{number}.tif", image, imagej=True, metadata={"finterval": 0.02, "unit": "um"})
    fps, _, said = taken(tmp_path)
    assert fps == 50.0
    assert "ImageJ" in said


@pytest.mark.parametrize(("dtype", "unit"), [("H", (2, 2)), ("s", "inch")])
def test_an_invalid_resolution_unit_leaves_the_other_metadata(tmp_path: Path, dtype: str, unit: object) -> None:
    """Regression: all metadata were ignored without a note, also the number of channels."""
    metadata = {"axes": "TYX", "TimeIncrement": 0.02}
    tifffile.imwrite(tmp_path / "a.ome.tif", clip(), ome=True, photometric="minisblack", metadata=metadata)
    with tifffile.TiffFile(tmp_path / "a.ome.tif", mode="r+") as tiff:
        tiff.pages.first.tags[296].overwrite(unit, dtype=dtype)
    assert taken(tmp_path / "a.ome.tif")[0] == 50.0
