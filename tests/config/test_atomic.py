"""Files are written whole or not at all, as new files, and never replace anything but a plain file."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from config.atomic import fresh_file, fresh_files, write_file
from config.refused import Refused


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_into_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    write_file(path, "µm\n")
    assert path.read_bytes() == "µm\n".encode()
    write_file(path, b"\x00\r\n", kind=None)
    assert path.read_bytes() == b"\x00\r\n"
    assert names(path.parent) == ["file.txt"]


def test_a_folder_is_made_only_with_make_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "new" / "file.txt", "", make_folder=False)
    assert names(tmp_path) == []


def test_a_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write_file(tmp_path / "ours", "")
    (tmp_path / "usual").write_text("")
    ours, usual = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "usual"))
    assert ours == usual


def test_an_error_while_writing_changes_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before")

    def failing() -> None:
        with fresh_file(tmp_path / "file", kind=None) as beside:
            beside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert (tmp_path / "file").read_text() == "before"
    assert names(tmp_path) == ["file"]


def make(kind: str, path: Path) -> None:
    if kind == "a folder":
        path.mkdir()
    elif kind == "a symbolic link":
        path.symlink_to(path.with_name("target"))
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such things among its files")
@pytest.mark.parametrize("kind", ["a folder", "a symbolic link", "a pipe", "a socket"])
def test_anything_but_a_plain_file_is_not_replaced(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    (tmp_path / "target").write_text("precious")
    make(kind, Path("it"))
    before = os.lstat(tmp_path / "it")
    with pytest.raises(Refused, match=f"it: found {kind}, where a picture is needed"):
        write_file(tmp_path / "it", "x", "a picture")
    after = os.lstat(tmp_path / "it")
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert (tmp_path / "target").read_text() == "precious"
    assert names(tmp_path) == ["it", "target"]


def test_a_link_made_while_writing_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")

    def overtaken() -> None:
        with fresh_file(tmp_path / "file") as beside:
            beside.write_text("ours")
            (tmp_path / "file").symlink_to(tmp_path / "target")

    with pytest.raises(Refused, match="found a symbolic link"):
        overtaken()
    assert (tmp_path / "target").read_text() == "precious"
    assert names(tmp_path) == ["file", "target"]


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="this system has no devices among its files")
def test_a_device_is_refused() -> None:
    with pytest.raises(Refused, match="/dev/null: found a device, where a plain file is needed"):
        write_file(Path("/dev/null"), "x")
    assert stat.S_ISCHR(os.lstat("/dev/null").st_mode)


def test_a_link_at_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the earlier, predictable name, and at the random name itself."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".answer.json.part").symlink_to(tmp_path / "precious")
    write_file(tmp_path / "answer.json", "{}")
    monkeypatch.setattr("config.atomic.secrets.token_hex", lambda _: "drawn")
    (tmp_path / ".answer.json.drawn.part").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "answer.json", "[]")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "answer.json").read_text() == "{}"


def test_a_long_name_is_written(tmp_path: Path) -> None:
    write_file(tmp_path / ("n" * 250), "x")
    assert (tmp_path / ("n" * 250)).read_text() == "x"


def test_concurrent_writers_leave_one_whole_file(tmp_path: Path) -> None:
    contents = [str(digit) * 100_000 for digit in range(8)]
    file, any_kind = tmp_path / "file", {"kind": None}
    writing = [threading.Thread(target=write_file, args=(file, content), kwargs=any_kind) for content in contents]
    for thread in writing:
        thread.start()
    for thread in writing:
        thread.join()
    assert (tmp_path / "file").read_text() in contents
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("a.json", b"{}"),
        ("a.safetensors", (2).to_bytes(8, "little") + b"{}"),
        ("a.onnx", b"\x08\x0a\x12\x07pytorch"),
        ("a.txt", b""),
    ],
)
def test_a_file_replaces_only_files_of_its_own_kind(tmp_path: Path, name: str, own: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(own)
    write_file(path, own)

    def overtaken() -> None:
        with fresh_file(path) as beside:
            beside.write_bytes(own)
            path.write_bytes(b"my notes\n")

    for refused in (overtaken, lambda: write_file(path, own)):
        with pytest.raises(Refused, match="it is left as it is; name another file"):
            refused()
        assert path.read_bytes() == b"my notes\n"
    assert names(tmp_path) == [name]


def test_the_error_of_a_full_disk_names_the_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits on files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as failed:
            write_file(tmp_path / "picture.png", b"x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.value.filename == str(tmp_path / "picture.png")
    assert names(tmp_path) == []


PAIR = ("weights.txt", "card.txt")


def fill(folder: Path, content: str) -> None:
    with fresh_files({folder / name: None for name in PAIR}) as places:
        for place in places:
            place.write_text(content)


def failing_second(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The second call of this function of `os` fails with a full disk."""
    calls, real = [], getattr(os, name)

    def call(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*given)

    monkeypatch.setattr(f"config.atomic.os.{name}", call)


@pytest.mark.parametrize("name", ["open", "fsync", "replace"])
@pytest.mark.parametrize("before", [{}, {"weights.txt": "old"}, {"card.txt": "old"}, dict.fromkeys(PAIR, "old")])
def test_a_pair_of_files_is_written_completely_or_not_at_all(
    name: str, before: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file, content in before.items():
        (tmp_path / file).write_text(content)
    with monkeypatch.context() as full:
        failing_second(full, name)
        with pytest.raises(OSError, match="No space left") as failed:
            fill(tmp_path, "new")
    assert str(failed.value.filename) in {str(tmp_path / file) for file in PAIR}
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    fill(tmp_path, "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(PAIR, "new")


def test_a_pair_of_files_is_written_where_hard_links_are_not_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "old")

    def no_links(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("config.atomic.os.link", no_links)
    fill(tmp_path, "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(PAIR, "new")


def test_a_pair_is_not_written_if_one_file_may_not_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "weights.txt").write_text("old")
    (tmp_path / "card.txt").mkdir()
    with pytest.raises(Refused, match="found a folder"):
        fill(tmp_path, "new")
    assert names(tmp_path) == ["card.txt", "weights.txt"]
    assert (tmp_path / "weights.txt").read_text() == "old"
