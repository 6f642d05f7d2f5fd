"""The import rules between packages hold, and a deliberate violation of each is found."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("app", "config", "control", "drivers", "models", "tracking")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--config", "pyproject.toml", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's own source only."""
    folder = tmp_path_factory.mktemp("house")
    for room in ROOMS:
        shutil.copytree(
            ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "*.yaml", "*.safetensors")
        )
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


def test_the_import_rules_hold(copy: Path) -> None:
    answer = lint(copy)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("config", "import control.plant", "Floors"),
        ("control", "import tracking.tracker", "Floors"),
        ("drivers", "import tracking.tracker", "Floors"),
        ("tracking", "import drivers.guard", "Floors"),
        ("models", "import drivers.guard", "Floors"),
        ("drivers", "import app.assembly.open", "Floors"),
        ("app/console", "import app.assembly.plan", "Packages of app"),
        ("app/assembly", "import app.analysis.heat", "Packages of app"),
        ("app/analysis", "import app.tuning.judge", "Packages of app"),
        ("app/running", "import app.desktop.window.session", "Packages of app"),
        ("app/calibration", "import app.reproduce.check", "Packages of app"),
        ("app/desktop", "import app.commands.run", "Packages of app"),
        ("drivers", "import control.loop", "open shelf"),
        ("tracking", "import control.interlock", "open shelf"),
        ("models", "import control.policies", "open shelf"),
        ("app/desktop", "import drivers.guard", "desktop sees"),
        ("app/desktop", "import tracking.tracker", "desktop sees"),
        ("control", "import PyQt6.QtCore", "Qt only"),
        ("drivers", "import pyqtgraph", "Qt only"),
        ("tracking", "import torch", "torch only"),
        ("app/running", "import PyQt6.QtCore", "Qt only"),
        ("app/commands", "import torch", "No torch"),
        ("control", "import time", "No time"),
        ("control", "import os", "No time"),
        ("tracking", "import threading", "No time"),
        ("tracking", "import pathlib", "No time"),
    ],
)
def test_a_violated_import_rule_is_found(copy: Path, room: str, line: str, contract: str) -> None:
    place = copy / room / "broken_on_purpose.py"
    place.write_text(f"{line}\n")
    try:
        answer = lint(copy)
    finally:
        place.unlink()
    assert answer.returncode != 0, answer.stdout
    broken = [text for text in answer.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(contract in text for text in broken), answer.stdout


def test_a_package_of_app_that_is_on_no_list_is_found(copy: Path) -> None:
    folder = copy / "app" / "drawer"
    folder.mkdir()
    try:
        (folder / "__init__.py").write_text("")
        answer = lint(copy)
    finally:
        shutil.rmtree(folder)
    assert answer.returncode != 0
    assert "drawer" in answer.stdout


def imported(text: str) -> set[str]:
    """The top-level packages that a module's text imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def above_its_floor(text: str) -> set[str]:
    """Imports that main.py and cybloids.py may not have (they are not packages, so the linter does not check them)."""
    return imported(text) & {"control", "drivers", "tracking", "models"}


@pytest.mark.parametrize("file", ["main.py", "cybloids.py"])
def test_the_top_modules_import_app_and_config_only_and_are_not_imported(file: str) -> None:
    text = (ROOT / file).read_text()
    assert above_its_floor(text) == set()
    assert above_its_floor(text + "\nfrom control.loop import run\n") == {"control"}
    name = file.removesuffix(".py")
    importers = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if name in imported(path.read_text())]
    assert importers == []


def test_cybloids_packages_imports_the_standard_library_only() -> None:
    assert imported((ROOT / "cybloids_packages.py").read_text()) <= sys.stdlib_module_names
