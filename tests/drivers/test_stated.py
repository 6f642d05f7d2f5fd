"""The metadata of a recording is read in bounded time and memory, whatever it contains."""

from __future__ import annotations

import struct
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from config.refused import Refused
from drivers.image_sources import open_pages
from drivers.stated import MISSING, MOST_TAGS, Stack, channel_of

AT = Path("a.ome.tif")


def ome(path: Path, inside: str) -> Path:
    """An OME-TIFF of two pages with this XML."""
    xml = f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{inside}</OME>'
    with tifffile.TiffWriter(path) as file:
        for number in range(2):
            text = xml if number == 0 else None
            image = np.full((8, 8), number, np.uint8)
            file.write(image, contiguous=False, metadata=None, description=text, photometric="minisblack")
    return path


def by_every_image(stack: Stack, channel: int | None, pages: int) -> list[int] | str | None:
    """The pages of a channel, searched image by image, or the message about the first gap."""
    assert stack.table is not None
    along = "C" if channel is None else "Z" if stack.frames == 1 else "T"
    size = {"C": stack.channels, "Z": stack.planes, "T": stack.frames}[along]
    found = [stack.table.get(stack.number(**{"C": channel or 0, along: index}), MISSING) for index in range(size)]
    here = [index for index, page in enumerate(found) if page != MISSING]
    if not here or here[-1] - here[0] + 1 != len(here):
        lost = found.index(MISSING, here[0] if here else 0)
        return f"image {lost + 1} of {size} "
    if len(stack.table) < pages:
        return f"says of {len(stack.table)} of them"
    found = found[here[0] : here[-1] + 1]
    return None if found == list(range(pages)) else found


@given(st.data())
def test_pages_found_by_a_table_equal_those_found_image_by_image(data: st.DataObject) -> None:
    order = "".join(data.draw(st.sampled_from(list(permutations("CZT")))))
    channels = data.draw(st.integers(1, 3))
    planes, frames = data.draw(st.sampled_from([(1, 1), (1, 4), (1, 6), (5, 1)]))
    size = channels * planes * frames
    images = data.draw(st.lists(st.integers(0, size - 1), unique=True, max_size=size))
    table = dict(zip(images, data.draw(st.permutations(range(len(images)))), strict=True))
    stack = Stack(channels, planes, frames, order, table=table)
    pages = data.draw(st.sampled_from([max(len(table), 2), size + 2]))
    chosen = data.draw(st.integers(0, channels)) if channels == 1 or stack.is_row("C") else 1
    if channels > 1 and (chosen or not stack.is_row("C")):
        pages = max(size, 2)
    wanted = by_every_image(stack, (chosen or 1) - 1 if channels == 1 or chosen else None, pages)
    if isinstance(wanted, str):
        with pytest.raises(Refused, match=wanted):
            channel_of(stack, chosen, pages, AT)
        return
    as_they_come = None if not chosen or channels == 1 else stack.pages(chosen - 1)
    assert channel_of(stack, chosen, pages, AT) == (as_they_come if wanted is None else wanted)


def test_a_million_missing_times_take_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    number = Stack.number

    def counted(stack: Stack, *at: int, **more: int) -> int:
        calls.append(1)
        return number(stack, *at, **more)

    monkeypatch.setattr(Stack, "number", counted)
    sizes = 'SizeX="8" SizeY="8" SizeC="1" SizeZ="1" SizeT="2000000" DimensionOrder="XYCZT" Type="uint8"'
    path = ome(tmp_path / "a.ome.tif", f'<Image><Pixels {sizes}><TiffData IFD="0"/></Pixels></Image>')
    with pytest.raises(Refused, match="found 2 images, and its OME-XML says of 1 of them"):
        open_pages(path)
    assert len(calls) < 10


def test_a_description_with_too_many_tags_is_not_read_and_noted(tmp_path: Path) -> None:
    """Before, 50 MB of tags took more than 1 GB."""
    pages = open_pages(ome(tmp_path / "a.ome.tif", "<a/>" * MOST_TAGS))
    (note,) = pages.stated.notes
    assert note == f"its OME-XML is not read, for it has {MOST_TAGS + 3} tags (allowed: {MOST_TAGS}); " + (
        "its pages are taken as they come"
    )
    assert [int(pages.image(number)[0, 0]) for number in range(2)] == [0, 1]
    pages.close()


@pytest.mark.parametrize("entries", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_chain_of_pages_without_a_size_is_refused_at_the_first_page(tmp_path: Path, entries: int, order: str) -> None:
    page_bytes = 2 + 12 * entries + 4
    tag = struct.pack(f"{order}HHII", 256, 3, 1, 8 << 16 if order == ">" else 8) * entries
    count = 100_000
    chain = b"".join(
        struct.pack(f"{order}H", entries) + tag + struct.pack(f"{order}I", 8 + page_bytes * (page + 1))
        for page in range(count)
    )
    path = tmp_path / "a.tif"
    begin = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    path.write_bytes(begin + chain + struct.pack(f"{order}H", 0) + bytes(4))
    with pytest.raises(Refused, match=rf"a\.tif, page 1: found {entries} tags without the width and the length"):
        open_pages(path)
