"""Reading whole files: no pipe, no device, no too large file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from config.files import kind_of, read_bytes, read_text, require_file
from config.refused import Refused

posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices in the file system")


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(Refused, match="too large for a letter"):
        read_bytes(path, 4, "a letter")
    path.write_bytes(b"a\r\nb\xff")
    with pytest.raises(Refused, match=r"can't be read as text .*byte 4"):
        read_text(path, 100)


@posix
@pytest.mark.timeout(60)
def test_anything_but_a_plain_file_is_refused_unopened(tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe", tmp_path / "loop"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path, said in (
        (pipe, "a pipe"),
        (tmp_path, "a folder"),
        (Path("/dev/zero"), "a device"),
        (Path("/dev/null"), "a device"),
        (Path("/proc/kmsg"), "a file of the kernel"),  # reading it waits for the next message of the kernel
        (Path("/proc/self/status"), "a file of the kernel"),
    ):
        if str(path).startswith("/proc") and not path.exists():
            continue
        assert kind_of(path) == said
        with pytest.raises(Refused, match=f"found {said}, where a file is needed"):
            read_bytes(path, 100)
    with pytest.raises(Refused, match="can't be read"):
        require_file(loop)
    with pytest.raises(Refused, match="can't be read"):
        require_file(tmp_path / ("x" * 20_000))
    with pytest.raises(Refused, match="no such file"):
        require_file(tmp_path / "nowhere")
    with pytest.raises(Refused, match="no such file"):
        require_file(loop.parent / "pipe" / "below")
