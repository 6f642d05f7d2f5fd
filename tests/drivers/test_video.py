"""Recorded videos: every frame once, in order, in grey; unusable files are refused in one sentence."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from config.reader import Document, build
from config.refused import Refused
from control.contract import Ended, Fault
from drivers.image_sources import FILMS, natural, open_pages
from drivers.video import Video, VideoCamera, open_video

FOOTAGE = Path(__file__).parents[3] / "shared" / "data" / "bulk_water.tif"


def images(count: int = 7, dtype: str = "uint8", shape: tuple[int, ...] = (16, 24)) -> NDArray[Any]:
    chance = np.random.default_rng(1)
    return chance.integers(0, np.iinfo(dtype).max, (count, *shape), dtype, endpoint=True)


def frames(video: Video) -> list[NDArray[Any]]:
    found = []
    try:
        while True:
            found.append(video.read().image)
    except Ended:
        video.close()
    return found


def refused(path: Path, **given: Any) -> str:
    """The sentence with which a video is refused, when it is opened or read."""
    with pytest.raises((Refused, Fault)) as problem:
        frames(open_video(VideoCamera(**given), path))
    said = str(problem.value)
    assert "\n" not in said
    assert str(path) in said
    return said


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"bigtiff": True}, {"imagej": True}, {"byteorder": ">"}])
def test_a_tiff_gives_every_page(tmp_path: Path, dtype: str, how: dict[str, Any]) -> None:
    given = images(dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="minisblack", **how)
    video = open_video(VideoCamera(fps=50.0), tmp_path / "a.tif")
    assert (len(video), video.height_px, video.width_px, video.pixel_type) == (7, 16, 24, dtype)
    first = video.read()
    assert (first.number, first.time_s) == (0, 0.0)
    assert not first.image.flags.writeable
    second = video.read()
    assert (second.number, second.time_s) == (1, 0.02)
    np.testing.assert_array_equal([first.image, second.image, *frames(video)], given)


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    given = images(12)
    for number, image in enumerate(given):
        cv2.imwrite(str(tmp_path / f"frame{number}.{'png' if number % 2 else 'tif'}"), image)
    (tmp_path / "notes.txt").write_text("not an image")
    np.testing.assert_array_equal(frames(open_video(VideoCamera(), tmp_path)), given)
    assert sorted(["b10", "b9", "a", "b09x"], key=natural) == ["a", "b9", "b09x", "b10"]


def test_a_name_with_a_superscript_digit_is_sorted(tmp_path: Path) -> None:
    """A superscript 2 is a digit in Python, but no number."""
    assert sorted(["b10", "1²3.png", "1.png", "①.png", "٣.png"], key=natural)
    for name in ("1²3.png", "2.png"):
        (tmp_path / name).write_bytes(cv2.imencode(".png", np.zeros((32, 32), np.uint8))[1].tobytes())
    opened = open_pages(tmp_path)
    assert len(opened) == 2
    opened.close()


def test_a_16_bit_image_keeps_its_depth(tmp_path: Path) -> None:
    given = images(2, "uint16")
    for number, image in enumerate(given):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    np.testing.assert_array_equal(frames(open_video(VideoCamera(), tmp_path)), given)


def film(path: Path, given: NDArray[Any], code: str) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 25.0, (given.shape[2], given.shape[1]))
    for image in given:
        writer.write(image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


@pytest.mark.parametrize(("name", "code"), [("a.avi", "FFV1"), ("a.avi", "MJPG"), ("a.mp4", "mp4v")])
def test_a_grey_film_is_grey(tmp_path: Path, name: str, code: str) -> None:
    ramp = np.linspace(20, 220, 64, dtype=np.uint8)
    given = np.stack([np.tile(np.roll(ramp, shift), (48, 1)) for shift in range(9)])
    found = frames(open_video(VideoCamera(), film(tmp_path / name, given, code)))
    assert len(found) == 9
    assert np.abs(np.array(found, int) - given).mean() < (0.1 if code == "FFV1" else 12.0)


@pytest.mark.parametrize(
    ("name", "code"),
    [("a.avi", "XVID"), ("a.mov", "mp4v"), ("a.m4v", "mp4v"), ("a.mkv", "FFV1"), ("a.wmv", "WMV2"), ("a.webm", "VP80"),
     ("a.mpg", "PIM1"), ("a.ts", "MPG2"), ("misnamed", "FFV1")],
)  # fmt: skip
def test_every_kind_of_film_is_opened(tmp_path: Path, name: str, code: str) -> None:
    written = film(tmp_path / name if name != "misnamed" else tmp_path / "b.avi", images(9, shape=(48, 64)), code)
    path = tmp_path / "a.mp4" if written.suffix not in FILMS or name == "misnamed" else written
    written.rename(path)
    opened = open_pages(path)
    assert len(opened) >= 1
    assert opened.image(0).shape == (48, 64, 3)
    opened.close()


@pytest.mark.parametrize("name", ["fifo.mp4", "itself.avi", "list.mkv", "stream.mov", "text.wmv", "empty.mp4"])
def test_a_text_file_named_as_a_film_is_refused(tmp_path: Path, name: str) -> None:
    """In a separate process, since FFmpeg would wait for the pipe, or print a megabyte."""
    os.mkfifo(tmp_path / "pipe")
    film(tmp_path / "real.avi", images(3, shape=(48, 64)), "MJPG")
    text = {
        "fifo.mp4": "ffconcat version 1.0\nfile 'pipe'\n",
        "itself.avi": "ffconcat version 1.0\nfile 'itself.avi'\n",
        "list.mkv": "ffconcat version 1.0\nfile 'real.avi'\n",
        "stream.mov": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npipe\n#EXT-X-ENDLIST\n",
        "text.wmv": "v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "empty.mp4": "",
    }[name]
    (tmp_path / name).write_text(text)
    code, said = refused_apart(tmp_path / name)
    assert code == 3, said
    assert "this file is no film" in said
    assert said.count("\n") == 1
    assert len(said) < 500


def test_a_damaged_film_is_refused_in_one_sentence(tmp_path: Path) -> None:
    whole = film(tmp_path / "a.mp4", images(9, shape=(48, 64)), "mp4v").read_bytes()
    for name, data in (("cut.mp4", whole[: len(whole) // 2]), ("odd.mp4", whole[:40] + b"x" * 500)):
        (tmp_path / name).write_bytes(data)
        code, said = refused_apart(tmp_path / name)
        assert code == 3, said
        assert said.count("\n") == 1, said


def refused_apart(path: Path) -> tuple[int, str]:
    """The exit code of a process that opens these pages (3: refused), and all its output."""
    program = """
import sys
from config.refused import Refused
from drivers.image_sources import open_pages
try:
    open_pages(sys.argv[1])
except Refused as refused:
    print(refused, flush=True)
    sys.exit(3)
"""
    words = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    return done.returncode, done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a colon is no letter of a name there")
def test_a_file_name_is_not_read_as_a_protocol_of_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    film(Path("real.avi"), images(3, shape=(48, 64)), "MJPG")
    film(Path("b.avi"), images(5, shape=(48, 64)), "MJPG").rename("concat:real.avi")
    opened = open_pages(Path("concat:real.avi"))
    assert len(opened) == 5
    opened.close()


def test_a_channel_of_a_colour_video_can_be_selected(tmp_path: Path) -> None:
    given = images(3, shape=(16, 24, 3))
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="rgb")
    cv2.imwrite(str(tmp_path / "0.png"), given[0][:, :, ::-1])
    said = refused(tmp_path / "a.tif")
    assert "colour video; choose a channel" in said
    assert "frame 1" in said
    for index, channel in enumerate(("red", "green", "blue")):
        made = VideoCamera(channel=channel)  # type: ignore[arg-type]
        np.testing.assert_array_equal(frames(open_video(made, tmp_path / "a.tif")), given[..., index])
    luma = frames(open_video(VideoCamera(channel="grey"), tmp_path / "a.tif"))
    np.testing.assert_allclose(luma[0], cv2.cvtColor(given[0], cv2.COLOR_RGB2GRAY), atol=1)
    (tmp_path / "a.tif").unlink()
    np.testing.assert_array_equal(frames(open_video(VideoCamera(channel="red"), tmp_path))[0], given[0, :, :, 0])


def test_an_image_with_equal_channels_is_grey(tmp_path: Path) -> None:
    given = images(3)
    tifffile.imwrite(tmp_path / "a.tif", np.repeat(given[..., None], 3, -1), photometric="rgb")
    tifffile.imwrite(tmp_path / "b.tif", np.repeat(given[:, None], 3, 1), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(frames(open_video(VideoCamera(), tmp_path / "a.tif")), given)
    np.testing.assert_array_equal(frames(open_video(VideoCamera(), tmp_path / "b.tif")), given)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.95, 0.999])
@pytest.mark.parametrize("how", ["plain", "zlib", "big", "imagej", "page by page"])
def test_a_truncated_tiff_is_refused(tmp_path: Path, how: str, part: float) -> None:
    whole = tmp_path / "whole.tif"
    with tifffile.TiffWriter(whole, bigtiff=how == "big", imagej=how == "imagej") as file:
        for image in images(9, shape=(64, 64)):
            packed = "zlib" if how == "zlib" else None
            file.write(image, contiguous=how in ("plain", "imagej"), compression=packed, photometric="minisblack")
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole.read_bytes()[: int(part * whole.stat().st_size)])
    said = refused(cut)
    assert "cut off" in said or "can't be read" in said or "not a TIFF" in said


def test_a_file_that_is_not_a_video_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.tif")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no image in this folder" in refused(empty)
    for name in ("zero.tif", "zero.avi", "zero.xyz"):
        (tmp_path / name).write_bytes(b"")
        refused(tmp_path / name)
    (tmp_path / "text.tif").write_text("nothing of the kind")
    assert "not a TIFF" in refused(tmp_path / "text.tif")
    (tmp_path / "text.mp4").write_text("nothing of the kind")
    assert "this file is no film" in refused(tmp_path / "text.mp4")
    assert "allowed" in refused(tmp_path / "zero.xyz")
    with pytest.raises(Refused, match=r"camera\.path"):
        open_video(VideoCamera())


def test_mixed_sizes_and_types_are_refused_with_file_and_page(tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(mixed) as file:
        file.write(images(2))
        file.write(images(1, shape=(8, 8)))
    assert "page 3: found 8x8 uint8, where page 1 is 16x24 uint8" in refused(mixed)
    real = tmp_path / "real.tif"
    tifffile.imwrite(real, images(2).astype(np.float32))
    assert "page 1: found pixels of type float32 (allowed: uint8, uint16)" in refused(real)
    folder = tmp_path / "folder"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), images(1)[0])
    cv2.imwrite(str(folder / "2.png"), images(1, shape=(8, 8))[0])
    assert "2.png: found 8x8 uint8, where 1.png is 16x24 uint8" in refused(folder)
    (folder / "2.png").unlink()
    tifffile.imwrite(folder / "2.tif", images(2), photometric="minisblack")
    assert "2.tif: found 2 pages" in refused(folder)
    (folder / "2.tif").write_text("broken")
    assert "2.tif: this file is not a TIFF" in refused(folder)
    cv2.imwrite(str(folder / "2.png"), images(1)[0])
    (folder / "2.tif").unlink()
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:20])
    assert "2.png: this image can't be read" in refused(folder)


DEEP, FLAT = np.full((16, 24), 40_000, np.uint16), np.full((16, 24), 40, np.uint8)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("2.png", FLAT), ("2.png", np.repeat(FLAT[:, :, None], 3, 2)), ("2.bmp", FLAT), ("2.jpg", FLAT),
        ("2.pgm", FLAT), ("2.tif", FLAT),
    ],
)  # fmt: skip
def test_a_folder_of_16_bit_and_8_bit_images_is_refused_when_opened(
    tmp_path: Path, name: str, image: NDArray[Any]
) -> None:
    """Before, the run tripped at the first different image."""
    cv2.imwrite(str(tmp_path / "1.png"), DEEP)
    cv2.imwrite(str(tmp_path / name), image)
    assert f"{name}: found 16x24 uint8, where 1.png is 16x24 uint16; all must be of one size and type" in refused(
        tmp_path
    )


def test_a_folder_of_16_bit_images_of_all_formats_is_one_video(tmp_path: Path) -> None:
    colour = np.repeat(DEEP[:, :, None], 3, 2)
    for name, image in (("1.png", DEEP), ("2.png", colour), ("3.pgm", DEEP), ("4.tif", DEEP)):
        cv2.imwrite(str(tmp_path / name), image)
    video = Video("", open_pages(tmp_path), 1.0)
    assert [video.read().image.dtype for _ in range(4)] == [np.uint16] * 4


def test_the_tiff_library_prints_nothing(tmp_path: Path) -> None:
    """Before, it printed a line above the sentence."""
    bad = tmp_path / "bad.tif"
    tifffile.imwrite(bad, images(1)[0].astype(np.float32), photometric="minisblack")
    tag = struct.pack("<HHI", 339, 3, 1)  # the sample format of a pixel
    assert tag in bad.read_bytes()
    bad.write_bytes(re.sub(re.escape(tag) + b".", tag + b"\t", bad.read_bytes(), flags=re.DOTALL))
    source = f"from drivers.video import VideoCamera, open_video\nopen_video(VideoCamera(), {str(bad)!r})\n"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert "<tifffile" not in done.stderr
    assert "bad.tif" in done.stderr


def test_a_page_damaged_later_is_a_fault_and_the_next_one_is_read(tmp_path: Path) -> None:
    given = images(3)
    for number, image in enumerate(given):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    video = open_video(VideoCamera(), tmp_path)
    video.read()
    (tmp_path / "1.png").write_bytes(b"gone")
    with pytest.raises(Fault, match=r"1\.png: this image can't be decoded"):
        video.read()
    assert video.read().number == 2


def test_a_video_must_fit_the_settings(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", images(), photometric="minisblack")
    assert "camera.width_px is 25, and the video has 24" in refused(tmp_path / "a.tif", width_px=25)
    data = {"kind": "video", "fps": 24.0, "channel": "purple"}
    with pytest.raises(Refused, match="channel"):
        build(Document("rig.yaml", data, {}), VideoCamera)


@pytest.mark.skipif(not FOOTAGE.exists(), reason="the recorded videos are not beside the repository")
def test_recorded_videos_can_be_opened() -> None:
    video = open_video(VideoCamera(fps=24.0), FOOTAGE)
    assert (len(video), video.height_px, video.width_px, video.pixel_type) == (300, 424, 640, "uint8")
    video.close()
    assert len(frames(open_video(VideoCamera(fps=24.0), FOOTAGE))) == 300


@pytest.mark.parametrize("how", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"bigtiff": True, "byteorder": ">"}])
def test_of_many_pages_each_is_checked_but_few_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    """Before, tifffile parsed each page: 10 s for 20 000 pages."""
    made = tifffile.TiffPage.__init__
    count = 0

    def counted(page: Any, *args: Any, **settings: Any) -> None:
        nonlocal count
        count += 1
        made(page, *args, **settings)

    def write(path: Path, odd: NDArray[Any] | None) -> None:
        with tifffile.TiffWriter(path, **how) as file:
            for number in range(300):
                image = np.full((8, 8), number % 200, np.uint8) if odd is None or number != 250 else odd
                file.write(image, contiguous=False, metadata=None)

    path = tmp_path / "many.tif"
    write(path, None)
    monkeypatch.setattr(tifffile.TiffPage, "__init__", counted)
    pages = open_pages(path)
    assert len(pages) == 300
    assert count < 10
    assert [int(pages.image(number)[0, 0]) for number in (0, 299, 123)] == [0, 99, 123]
    pages.close()
    for odd in (np.zeros((8, 9), np.uint8), np.zeros((8, 8), np.uint16), np.zeros((8, 8), np.float32)):
        write(path, odd)
        with pytest.raises(Refused, match="page 251"):
            open_pages(path)
    write(path, None)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page = file.pages[250]
        assert isinstance(page, tifffile.TiffPage)
        tag, order = page.tags["StripOffsets"], file.byteorder
        field = 4 if tag.dtype == tifffile.DATATYPE.LONG else 8
    beyond = (len(data) - 3).to_bytes(field, "big" if order == ">" else "little")
    data[tag.valueoffset : tag.valueoffset + field] = beyond
    path.write_bytes(data)
    with pytest.raises(Refused, match="page 251: the file is cut off"):
        open_pages(path)


def stk(path: Path, given: NDArray[Any]) -> Path:
    """A stack of MetaMorph: one page, with a value for each plane in a tag; the other planes follow the first."""
    planes = len(given)
    tags = [(33628, 4, planes, [0] * planes, True), (33629, 5, planes, [0, 1] * planes, True)]
    tifffile.imwrite(path, given[0], rowsperstrip=4, metadata=None, photometric="minisblack", extratags=tags)
    with path.open("ab") as file:
        file.write(given[1:].tobytes())
    return path


@pytest.mark.parametrize("kind", ["stk", "truncated", "truncated colours", "truncated planes", "imagej colours"])
def test_a_tiff_with_one_page_for_all_images_gives_all_images(tmp_path: Path, kind: str) -> None:
    """Before, only the first image was read."""
    path, given = tmp_path / "a.tif", images(4)
    if kind == "stk":
        stk(path, given)
    elif kind == "truncated":
        tifffile.imwrite(path, given, truncate=True, photometric="minisblack")
    elif kind == "imagej colours":
        tifffile.imwrite(path, np.repeat(given[..., None], 3, -1), truncate=True, imagej=True)
    elif kind == "truncated colours":
        tifffile.imwrite(path, np.repeat(given[..., None], 3, -1), truncate=True, photometric="rgb")
    else:
        three = np.repeat(given[:, None], 3, 1)
        tifffile.imwrite(path, three, truncate=True, photometric="rgb", planarconfig="separate")
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 1
    pages = open_pages(path)
    pages.close()
    assert (pages.stated.notes == ("what MetaMorph's tags say of its scale and times is not read",)) == (kind == "stk")
    np.testing.assert_array_equal(frames(open_video(VideoCamera(), path)), given)
    path.write_bytes(path.read_bytes()[:-9])
    assert "is cut off: it says that it has 4 images" in refused(path)


def test_an_unreadable_tiff_with_one_page_for_all_images_is_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        for _ in range(2):
            file.write(images(4), truncate=True, photometric="minisblack")
    assert "found 2 pages, the first of which is one page for 4 images" in refused(tmp_path / "two.tif")
    folder = tmp_path / "folder"
    folder.mkdir()
    stk(folder / "1.tif", images(4))
    assert "found 4 pages, where one image a file is needed" in refused(folder)
    planes = [(33628, 4, 4, [0] * 4, True), (33629, 5, 4, [0, 1] * 4, True)]
    packed = tmp_path / "packed.tif"
    tifffile.imwrite(packed, images(1)[0], metadata=None, compression="zlib", extratags=planes)
    assert "has one page for 4 images, and it is compressed or in pieces" in refused(packed)
