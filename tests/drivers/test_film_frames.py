"""Films whose headers state a wrong number of frames, a wrong rate, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import pytest

from config.refused import Refused
from control.contract import Fault
from drivers.film_frames import film_frames
from drivers.image_sources import Film
from tests.drivers.odd_films import (
    FPS,
    empty_avi_frames,
    number_in,
    numbered_film,
    set_avi_count,
    set_matroska_times,
    set_mp4_intervals,
    trim_mp4,
)

VIDEO_CAPTURE = cv2.VideoCapture
COUNT = 40
EVEN_MS = 1000 // FPS
ORDER = (30, 10, 39, 0, 25, 26, 38, 1, 2, 12)
SLOWER_MS = [EVEN_MS * number if number < 20 else 800 + 200 * (number - 20) for number in range(COUNT)]


def shown(film: Film) -> list[int]:
    return [number_in(film.image(number)) for number in range(len(film))]


def require_every_frame(film: Film, count: int = COUNT) -> None:
    """Read all frames in order, and single frames in any order."""
    assert shown(film) == list(range(count))
    assert [number_in(film.image(number)) for number in ORDER] == list(ORDER)
    film.close()


def matroska(path: Path, times_ms: list[int], duration_ms: float) -> Film:
    set_matroska_times(numbered_film(path, "FFV1"), times_ms, duration_ms)
    return Film(path)


@pytest.mark.parametrize(
    ("name", "code"),
    [("a.avi", "FFV1"), ("a.avi", "MJPG"), ("b.avi", "MPG2"), ("a.mp4", "mp4v"), ("b.mp4", "MPG2"), ("a.mkv", "FFV1"),
     ("a.webm", "VP80"), ("a.wmv", "WMV2")],
)  # fmt: skip
def test_an_even_film_is_not_decoded_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    numbered_film(tmp_path / name, code)
    monkeypatch.setattr("drivers.film_frames._grabbed", None)
    film = Film(tmp_path / name)
    assert film.stated.fps is not None
    assert film.stated.fps.value == FPS
    assert film.stated.notes == ()
    assert film_frames(tmp_path / name, COUNT, FPS).seekable
    require_every_frame(film)


def test_uneven_frame_times_of_a_matroska_film_are_noted(tmp_path: Path) -> None:
    film = matroska(tmp_path / "a.mkv", SLOWER_MS, 4800.0)
    assert film.stated.fps is not None
    assert film.stated.fps.value == pytest.approx(39 / 4.6)
    assert film.stated.notes == (
        "its MKV header says 25 frames a second, and the times of its frames 8.47826, which is taken",
        "the times of its frames are uneven (up to 0.2 s apart), and they are taken as even",
    )
    require_every_frame(film)


def test_uneven_frame_times_of_an_mp4_are_noted(tmp_path: Path) -> None:
    set_mp4_intervals(numbered_film(tmp_path / "a.mp4", "mp4v"), [(20, 1), (20, 5)])
    film = Film(tmp_path / "a.mp4")
    assert film.stated.notes[-1] == (
        "the times of its frames are uneven (up to 0.2 s apart), and they are taken as even"
    )
    require_every_frame(film)


def test_only_the_first_frame_times_of_a_long_mp4_are_read(tmp_path: Path) -> None:
    """The mean rate in the header is then more exact than the rate of the first frames."""
    set_mp4_intervals(numbered_film(tmp_path / "a.mp4", "mp4v", 200), [(120, 1), (80, 5)])
    film = Film(tmp_path / "a.mp4")
    mean_hz = 200 / (120 + 400) * FPS
    assert film.stated.fps is not None
    assert film.stated.fps.value == pytest.approx(mean_hz, rel=1e-3)
    (note,) = film.stated.notes
    assert note == ("its MP4 header says 9.61538 frames a second, and the times of its first 100 frames 25; "
                    "the rate of the header is taken")  # fmt: skip
    require_every_frame(film, 200)


@pytest.mark.parametrize(
    ("times_ms", "duration_ms"),
    [([10 * number for number in range(COUNT)], 400.0), (SLOWER_MS, 4800.0), (SLOWER_MS, 1600.0),
     ([EVEN_MS * number if number < 30 else 1200 + 5 * (number - 30) for number in range(COUNT)], 1250.0)],
)  # fmt: skip
def test_the_frames_of_a_matroska_film_are_counted(tmp_path: Path, times_ms: list[int], duration_ms: float) -> None:
    """FFmpeg multiplies duration by rate, which gives 10, 120, 40 and 31 instead of 40."""
    film = matroska(tmp_path / "a.mkv", times_ms, duration_ms)
    assert not any("cut off" in note for note in film.stated.notes)
    require_every_frame(film)


def test_a_rate_that_fits_all_frame_times_is_used(tmp_path: Path) -> None:
    film = matroska(tmp_path / "a.mkv", [10 * number for number in range(COUNT)], 400.0)
    assert film.stated.fps is not None
    assert film.stated.fps.value == pytest.approx(100.0)
    assert len(film.stated.notes) == 1
    film.close()


def test_even_times_rounded_to_milliseconds_are_not_called_uneven(tmp_path: Path) -> None:
    """At 1500 frames a second, several frames of a Matroska film have the same time."""
    times_ms = [round(number / 1.5) for number in range(COUNT)]
    film = matroska(tmp_path / "a.mkv", times_ms, 27.0)
    assert not any("uneven" in note for note in film.stated.notes)
    assert film.stated.fps is not None
    assert film.stated.fps.value == pytest.approx(1500.0, rel=0.03)
    require_every_frame(film)


def test_a_truncated_matroska_film_is_noted(tmp_path: Path) -> None:
    whole = numbered_film(tmp_path / "a.mkv", "FFV1").read_bytes()
    (tmp_path / "a.mkv").write_bytes(whole[: len(whole) // 2])
    film = Film(tmp_path / "a.mkv")
    assert 5 < len(film) < 35
    assert shown(film) == list(range(len(film)))
    (note,) = film.stated.notes
    assert "before the duration in its MKV header; it may be cut off" in note
    film.close()


@pytest.mark.parametrize(("name", "code"), [("a.mpg", "PIM1"), ("a.mpeg", "MPG2"), ("a.ts", "MPG2")])
def test_every_frame_of_an_mpeg_is_found(tmp_path: Path, name: str, code: str) -> None:
    written = numbered_film(tmp_path / name, code)
    film = Film(written)
    assert film.stated.notes == ()
    require_every_frame(film)


@pytest.mark.parametrize("stated", [0, 1, 25, 39])
def test_an_avi_with_more_frames_than_its_header_states_gives_all(tmp_path: Path, stated: int) -> None:
    set_avi_count(numbered_film(tmp_path / "a.avi", "FFV1"), stated)
    film = Film(tmp_path / "a.avi")
    said = f"the number of its frames is {stated} by its AVI header, and 40 in fact"
    assert film.stated.notes == ((said,) if stated else ())
    require_every_frame(film)


def test_an_avi_with_fewer_frames_than_its_header_states_is_a_fault(tmp_path: Path) -> None:
    set_avi_count(numbered_film(tmp_path / "a.avi", "FFV1"), 60)
    film = Film(tmp_path / "a.avi")
    assert len(film) == 60
    assert number_in(film.image(39)) == 39
    with pytest.raises(Fault, match="frame 41 of 60 can't be decoded; the film may be cut off"):
        film.image(40)
    film.close()


@pytest.mark.parametrize(("first", "count"), [(12, 28), (5, 35), (0, 25), (3, 12)])
def test_frames_excluded_by_the_edit_list_of_an_mp4_are_not_counted(tmp_path: Path, first: int, count: int) -> None:
    trim_mp4(numbered_film(tmp_path / "a.mp4", "mp4v"), first, count)
    film = Film(tmp_path / "a.mp4")
    assert shown(film) == list(range(first, first + count))
    assert number_in(film.image(7)) == first + 7
    assert film.stated.notes == (f"the number of its frames is 40 by its MP4 header, and {count} in fact",)
    film.close()


def test_a_truncated_mp4_is_a_fault_and_not_taken_for_trimmed(tmp_path: Path) -> None:
    whole = numbered_film(tmp_path / "a.mp4", "mp4v").read_bytes()
    end = whole.find(b"moov") - 4
    head, frames, moov = whole[: whole.find(b"mdat") - 4], whole[whole.find(b"mdat") - 4 : end], bytearray(whole[end:])
    at = moov.find(b"stco")
    for place in range(at + 12, at + 12 + 4 * int.from_bytes(moov[at + 8 : at + 12], "big"), 4):
        moved = int.from_bytes(moov[place : place + 4], "big") + len(moov)
        moov[place : place + 4] = moved.to_bytes(4, "big")
    (tmp_path / "a.mp4").write_bytes(head + moov + frames[: len(frames) // 2])
    film = Film(tmp_path / "a.mp4")
    assert len(film) == COUNT
    with pytest.raises(Fault, match="of 40 can't be decoded; the film may be cut off"):
        film.image(39)
    film.close()


def test_the_first_frame_of_an_avi_may_be_empty(tmp_path: Path) -> None:
    empty_avi_frames(numbered_film(tmp_path / "a.avi", "MJPG"), (0,))
    film = Film(tmp_path / "a.avi")
    assert shown(film) == list(range(1, COUNT))
    assert number_in(film.image(20)) == 21
    film.close()


def test_empty_frames_of_an_avi_are_gaps_in_time(tmp_path: Path) -> None:
    empty_avi_frames(numbered_film(tmp_path / "a.avi", "MJPG"), (5, 6, 7))
    film = Film(tmp_path / "a.avi")
    found = [0, 1, 2, 3, 4, *range(8, COUNT)]
    assert shown(film) == found
    assert [number_in(film.image(number)) for number in (20, 10, 36, 0)] == [found[20], found[10], found[36], 0]
    assert film.stated.notes == (
        "the times of its frames are uneven (up to 0.16 s apart), and they are taken as even",
        "the number of its frames is 40 by its AVI header, and 37 in fact",
    )
    film.close()


def test_frames_of_an_avi_stored_in_another_order_are_found(tmp_path: Path) -> None:
    """OpenCV gives the previous frame of such a file."""
    require_every_frame(Film(numbered_film(tmp_path / "a.avi", "MPG1")))


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_a_grey_film_of_16_bit_keeps_its_depth(tmp_path: Path, name: str) -> None:
    film = Film(numbered_film(tmp_path / name, "FFV1", counts_per_bit=40_001))
    assert film.image(39).dtype.name == "uint16"
    assert film.image(39).max() == 40_001
    assert film.stated.notes == ()
    require_every_frame(film)


@pytest.mark.parametrize(
    ("code", "bits"),
    [(b"I420", 0), (b"Y800", 0), (b"\xff\xff\xff\xff", 0), (b"\0\0\0\0", 0), (b"RGB\x18", 0), (b"RGB\x10", 0),
     (b"\x10RGB", 0), (b"Y3\x0b\x0a", 10), (b"\x0c\0" b"3G", 12), (b"Y1\0\x0e", 14), (b"\x10\0" b"1Y", 16),
     (b"RGB0", 16), (b"P010", 10)],
)  # fmt: skip
def test_a_film_whose_bit_depth_is_reduced_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: bytes, bits: int
) -> None:
    class Capture:
        def __init__(self, *how: Any) -> None:
            self._real = VIDEO_CAPTURE(*how)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def get(self, name: int) -> float:
            deep = name == cv2.CAP_PROP_CODEC_PIXEL_FORMAT
            return float(int.from_bytes(code, "little", signed=True)) if deep else self._real.get(name)

    numbered_film(tmp_path / "a.avi", "FFV1", 3)
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    film = Film(tmp_path / "a.avi")
    assert film.stated.notes == ((f"its pixels have {bits} bit, and they are read as 8 bit",) if bits else ())
    film.close()


def test_a_film_without_a_frame_is_refused(tmp_path: Path) -> None:
    whole = numbered_film(tmp_path / "a.mkv", "FFV1").read_bytes()
    (tmp_path / "a.mkv").write_bytes(whole[: whole.find(b"\x1f\x43\xb6\x75")])  # before the first cluster
    with pytest.raises(Refused, match="can't be opened"):
        Film(tmp_path / "a.mkv")
