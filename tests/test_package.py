"""The wheel contains all modules, settings files and checkpoints of the repository; its command `cybloids` works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from cybloids_packages import PACKAGES

ROOT = Path(__file__).parents[1]
FILES = ("main.py", "cybloids.py", "cybloids_packages.py", "pyproject.toml", "README.md", "LICENSE")
SCRIPT = "import sys\nfrom main import main\n\nsys.exit(main())\n"  # as pip writes it


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no file is left in the repository."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.state.safetensors"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "-w", str(out), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel in a separate folder, with the script that pip makes."""
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    (folder / "bin").mkdir()
    (folder / "bin" / "cybloids").write_text(SCRIPT)
    return folder


def cybloids(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, in a folder."""
    env = {**os.environ, "PYTHONPATH": str(installed / "site"), "QT_QPA_PLATFORM": "offscreen"}
    env.pop("DISPLAY", None)
    env.pop("WAYLAND_DISPLAY", None)
    command = [sys.executable, str(installed / "bin" / "cybloids"), *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=500, check=False)


def test_every_data_file_of_config_is_packed() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folder = ROOT / "config"
    packed = {path for pattern in told["package-data"]["config"] for path in folder.glob(pattern)}
    packed -= {path for pattern in told["exclude-package-data"]["config"] for path in folder.glob(pattern)}
    assert packed >= {path for kind in ("yaml", "json") for path in folder.rglob(f"*.{kind}")}
    weights = {card.with_suffix(".safetensors") for card in folder.glob("checkpoints/**/*.json")}
    assert len(weights) >= 4
    assert {path for path in packed if path.suffix == ".safetensors"} == weights


def test_the_wheel_contains_every_file_of_the_program(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    code, data = (".py", ".yaml", ".typed"), (".json", ".safetensors")  # results of benchmarks are not packed
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (code + data if package == "config" else code)
        and "__pycache__" not in path.parts
        and not path.name.endswith(".state.safetensors")
    }
    assert there - names == set()
    assert {f"{package}/py.typed" for package in PACKAGES} | {"main.py", "cybloids.py", "cybloids_packages.py"} <= names
    assert not any(name.startswith(("tests/", "docs/")) for name in names)
    entry = next(name for name in names if name.endswith("entry_points.txt"))
    assert "cybloids = main:main" in zipfile.ZipFile(wheel).read(entry).decode()


def full_of_our_names(folder: Path) -> Path:
    """A working folder with files that have the names of the project's packages."""
    for name in ("config.py", "app.py", "main.py", "models/__init__.py", "control/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("raise AssertionError('it was run')\n")
    return folder


def test_the_command_works_beside_files_with_the_names_of_its_packages(installed: Path, tmp_path: Path) -> None:
    folder = full_of_our_names(tmp_path)
    helped = cybloids(installed, folder, "--help")
    assert helped.returncode == 0, helped.stderr
    for verb in ("new", "demo", "run", "verify"):
        assert f" {verb} " in helped.stdout
    made = cybloids(installed, folder, "new", "lab")
    assert made.returncode == 0, made.stderr
    assert (folder / "lab" / "experiments" / "ring_crystal.yaml").is_file()
    env = {**os.environ, "PYTHONPATH": str(installed / "site")}
    notebook = subprocess.run(
        [sys.executable, "-c", "import cybloids"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert f"{folder / 'app.py'} hides the package 'app' of Cybloids" in notebook.stderr.splitlines()[-1]


@pytest.mark.slow
def test_the_installed_program_runs_verifies_and_plays_its_demo(installed: Path, tmp_path: Path) -> None:
    """Slow: its kernels are compiled again, which takes minutes."""
    folder = full_of_our_names(tmp_path)
    assert cybloids(installed, folder, "new", "lab").returncode == 0
    lines = (
        "run lab/experiments/ring_crystal.yaml --seconds 1 --out ring.h5",
        "verify ring.h5",
        "analyse ring.h5",
        "run lab/experiments/learned_ring_crystal_egnn.yaml --seconds 0.5",
        "demo",
    )
    for line in lines:
        done = cybloids(installed, folder, *line.split())
        assert done.returncode == 0, (line, done.stderr)
    left = {path.relative_to(folder).as_posix() for path in folder.glob("runs/*")}
    assert "runs/learned_ring_crystal_egnn-001.h5" in left
    assert "runs/annular_activity-001-window.png" in left
    assert not list((installed / "site").rglob("*.h5"))
