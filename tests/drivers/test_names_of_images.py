"""Image names that suggest more than one video, or gaps, are noted; names of one video are not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.image_sources import natural, open_pages
from drivers.names_of_images import name_notes

EVEN = "and the frames are taken as even in time"
ROWS = "as for channels or positions side by side; all are taken as frames, in the order of their names"


def noted(names: list[str]) -> tuple[str, ...]:
    return name_notes([Path(name) for name in sorted(names, key=natural)])


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([k for k in range(12) if k not in (3, 4, 8)], f"3 are missing (3, 4, 8), {EVEN}"),
        ([0, 10, 20, 40, 50], f"1 is missing (30), {EVEN}"),
        ([*range(5), *range(1_000_000, 1_000_005)], f"999995 are missing (5, 6, 7, 8, 9, ...), {EVEN}"),
        ([*range(5, 12)], ""),
        ([0, 41, 79, 121, 160], ""),  # times instead of numbers
        ([4], ""),
        ([4, 9], ""),
    ],
)
def test_gaps_in_the_numbers_are_noted(numbers: list[int], said: str) -> None:
    notes = noted([f"im2_{number:04d}.png" for number in numbers])
    assert notes == ((f"of the numbers of its images {said}",) if said else ())


def test_a_different_name_among_numbered_ones_is_noted() -> None:
    names = [f"im_{number}.png" for number in range(12)]
    ends = "all are taken as frames, in the order of their names"
    assert noted([*names, "AVG_im.png"]) == (f"12 images are named as im_0.png, and 1 otherwise (AVG_im.png); {ends}",)
    other = [f"dic_{number}.png" for number in range(6)]
    assert noted([*names, *other]) == (
        "12 images are named as im_0.png, and 6 otherwise (dic_0.png, dic_1.png, dic_2.png, dic_3.png, dic_4.png, "
        f"...); {ends}",
    )


def test_several_series_in_one_folder_are_noted() -> None:
    names = [f"img_t{time:03d}_c{channel}.png" for time in range(12) for channel in range(2)]
    said = (f"its names have two numbers (12 times 2 images, the first img_t000_c0.png), {ROWS}",)
    assert noted(names) == said
    assert noted(names[:-1]) == said


@pytest.mark.parametrize(
    "names",
    [
        [f"2026-11-30_12-{k // 60:02d}-{k % 60:02d}_{k:04d}.png" for k in range(50, 80)],
        [f"run7_{k}_{100 * k + k % 3}ms.png" for k in range(9)],
        [f"frame{k}.{'png' if k % 2 else 'tif'}" for k in range(12)],
        ["a.png", "b.png", "c.png", "d.png"],
        ["1\u00b23.png", "2.png"],
        ["1.png", "01.png", "001.png"],
        ["one.png"],
    ],
)
def test_other_names_are_not_noted(names: list[str]) -> None:
    assert noted(names) == ()


def test_a_folder_has_notes_on_the_names_of_its_images(tmp_path: Path) -> None:
    for number in (0, 1, 2, 4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((8, 8), np.uint8))
    assert open_pages(tmp_path).stated.notes == (f"of the numbers of its images 1 is missing (3), {EVEN}",)
