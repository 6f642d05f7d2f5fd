"""A file that hides a package of Cybloids is reported in one sentence; the program called by its path works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cybloids_packages
from cybloids_packages import PACKAGES, HiddenPackage, require_own_packages

ROOT = Path(__file__).parents[1]


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python in a folder; Cybloids is on its path after this folder."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_list_of_top_level_packages_is_complete() -> None:
    there = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert there == set(PACKAGES)


@pytest.mark.parametrize("file", ["config.py", "app.py", "models/__init__.py", "tracking/__init__.py"])
def test_a_file_that_hides_a_package_is_reported(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("raise AssertionError('it was run')\n")
    name = Path(file).parts[0].removesuffix(".py")
    said = (
        f"{tmp_path / file} hides the package '{name}' of Cybloids: rename that file, or start Python in another folder"
    )
    imported = python(tmp_path, "-c", "import cybloids")
    assert imported.returncode == 1
    last = imported.stderr.strip().splitlines()[-1]
    assert last.startswith("cybloids_packages.HiddenPackage: ")
    assert said in last
    verb = python(tmp_path, "-m", "main", "--help")
    assert (verb.returncode, verb.stderr.count("\n")) == (2, 1)
    assert verb.stderr.startswith(f"cybloids: {said}")


def test_a_package_of_the_same_name_imported_before_is_reported(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("FPS = 50\n")
    program = f"import config, sys; sys.path.insert(0, {str(ROOT)!r}); import cybloids"
    done = python(tmp_path, "-c", program)
    assert done.returncode == 1
    assert f"'config' was imported from {tmp_path / 'config.py'} before" in done.stderr.splitlines()[-1]


def test_a_file_that_hides_cybloids_packages_is_reported(tmp_path: Path) -> None:
    (tmp_path / "cybloids_packages.py").write_text("MINE = 1\n")
    done = python(tmp_path, "-c", "import cybloids")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {tmp_path / 'cybloids_packages.py'} hides the module 'cybloids_packages'")


def test_the_program_and_folders_without_code_are_not_affected(tmp_path: Path) -> None:
    for name in ("config.py", "app.py", "main.py"):
        (tmp_path / name).write_text("raise AssertionError('it was run')\n")
    done = python(tmp_path, str(ROOT / "main.py"), "--help")
    assert done.returncode == 0, done.stderr
    other = tmp_path / "other"
    (other / "models").mkdir(parents=True)
    (other / "config" / "rigs").mkdir(parents=True)
    assert python(other, "-c", "import cybloids_packages; cybloids_packages.require_own_packages()").returncode == 0


def test_no_package_of_the_repository_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    require_own_packages()
    monkeypatch.setattr(cybloids_packages, "PACKAGES", ("no_such_package_of_ours",))
    with pytest.raises(HiddenPackage, match=r"is missing in .*: install Cybloids again"):
        require_own_packages()
