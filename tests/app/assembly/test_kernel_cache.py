"""Without a folder for numba's cache the program still runs, with one note."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.caching import _CacheLocator

import main
from app.assembly.kernel_cache import (
    NAMED,
    ROOT,
    SOURCES,
    THREADS,
    TYPES,
    forget_changed_types,
    provide,
    require_threads,
    writable,
)
from config.refused import Refused

KERNELS = "import tracking.tracker, drivers.sim.bench, models.flight.kernels, os"
PACKAGES = ("app", "config", "control", "drivers", "models", "tracking")


@pytest.fixture
def closed(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A copy of the program in which numba can create no cache folder, and the environment for it."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    for folder in (tmp_path / name for name in SOURCES):
        (folder / "__pycache__").write_text("a file, where a folder would have to be")
    barred = tmp_path / "a file"
    barred.write_text("")
    places = {name: str(barred / "home") for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME", NAMED)}
    return tmp_path, {**os.environ, **places, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}


def python(code: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_kernels_compile_without_a_writable_cache_folder(closed: tuple[Path, dict[str, str]]) -> None:
    bare = python(KERNELS, *closed)
    assert "cannot cache function" in bare.stderr  # the behaviour of numba alone
    done = python(
        f"from app.assembly.kernel_cache import provide; provide(); {KERNELS}; print(os.environ['{NAMED}'])", *closed
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("note: kernels are compiled anew in this run") == 1
    assert not Path(done.stdout.strip()).exists()  # removed at the end


def test_entries_older_than_the_classes_of_their_arguments_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise numba fails at a class that has been renamed."""
    monkeypatch.setenv(NAMED, str(tmp_path / "named"))
    monkeypatch.setattr("app.assembly.kernel_cache.user_cache_path", lambda *name: tmp_path / "none")
    kept: list[Path] = []
    gone: list[Path] = []
    sources = tmp_path / "drivers" / "sim"
    named = tmp_path / "named" / _CacheLocator.get_suitable_cache_subpath(str(sources / "kernels.py"))  # type: ignore[no-untyped-call]
    other = tmp_path / "named" / "sim_of_another_program" / "kernels.old-1.py311.nbi"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"")
    os.utime(other, (100.0, 100.0))
    for folder in (sources / "__pycache__", named):
        folder.mkdir(parents=True)
        for name, time_s, of in (("old", 100.0, gone), ("new", 300.0, kept)):
            of.append(entry := folder / f"kernels.{name}-1.py311.nbi")
            entry.write_bytes(b"")
            os.utime(entry, (time_s, time_s))
    (types := tmp_path / "drivers" / "sim" / "parts.py").write_text("")
    os.utime(types, (200.0, 200.0))
    forget_changed_types(tmp_path)
    assert all(entry.exists() for entry in kept)
    assert not any(entry.exists() for entry in gone)
    assert other.exists()


def test_every_file_with_argument_classes_is_listed() -> None:
    files = [path for name in SOURCES for path in (ROOT / name).glob("*.py")]
    assert {f"{path.relative_to(ROOT).as_posix()}" for path in files if "NamedTuple" in path.read_text("utf-8")} == set(
        TYPES
    )


def test_a_writable_cache_folder_is_left_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(NAMED, str(tmp_path / "new"))
    provide()
    assert os.environ[NAMED] == str(tmp_path / "new")
    assert capsys.readouterr().err == ""
    assert writable(tmp_path / "new")


@pytest.mark.parametrize("said", ["0", "-3"])
def test_an_invalid_number_of_threads_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Regression: it ended in a traceback."""
    monkeypatch.setenv(THREADS, said)
    with pytest.raises(Refused, match=f"NUMBA_NUM_THREADS is '{said}'"):
        provide()
    monkeypatch.setattr(main, "app", lambda: pytest.fail("it went on"))
    assert main.verb() == 2


@pytest.mark.parametrize("said", ["", "x", "1", "64"])
def test_other_values_are_left_to_numba(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(THREADS, said)
    require_threads()


def test_every_file_with_a_kernel_is_in_a_listed_folder() -> None:
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    found = {path.parent.relative_to(ROOT).as_posix() for path in files if "import njit" in path.read_text("utf-8")}
    assert found == set(SOURCES)
