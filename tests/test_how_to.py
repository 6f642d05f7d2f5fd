"""Each page of docs/how-to works as written: its files, its lines on list pages, its cells and its commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)
NEEDS = re.compile(r"^<!-- needs: (.*) -->$", re.M)  # pages whose files are written first
REAL_TIME = ("camera", "deflector", "laser")

# A program that imports the files of a page instead of the project's own, and then runs main.py. The project is
# not copied, so that its compiled kernels are found.
OVERLAY = """
import runpy
import sys
from importlib.util import spec_from_file_location
from pathlib import Path

root, overlay = Path(sys.argv[1]), Path(sys.argv[2])
sys.argv = [str(root / "main.py"), *sys.argv[3:]]
sys.path.insert(0, str(root))


class Overlay:
    def find_spec(self, name, path=None, target=None):
        place = name.replace(".", "/")
        for file, package in ((f"{place}.py", None), (f"{place}/__init__.py", [str(root / place)])):
            if (overlay / file).exists():
                return spec_from_file_location(name, overlay / file, submodule_search_locations=package)
        return None


sys.meta_path.insert(0, Overlay())
runpy.run_path(sys.argv[0], run_name="__main__")
"""


# A program that runs the cells of a page in a kernel, each as a separate cell.
NOTEBOOK = """
import json

import nbclient
import nbformat

cells = [nbformat.v4.new_code_cell(text) for text in json.load(open("cells.json"))]
nbclient.NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=300, kernel_name="python3").execute()
"""


def edited(text: str, diff: str) -> str:
    """The text after a change: lines with ' ' are kept, those with '-' are removed, those with '+' are added."""
    lines = diff.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if line[:1] in " -")
    after = "".join(f"{line[1:]}\n" for line in lines if line[:1] in " +")
    assert text.count(before) == 1, f"not just once in the file:\n{before}"
    return text.replace(before, after)


def laid_out(page: Path, folder: Path) -> tuple[list[str], list[list[str]]]:
    """Writes the files of a page into `folder`; returns its notebook cells, and its commands as words."""
    cells: list[str] = []
    commands: list[list[str]] = []
    for kind, path, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "toml":
            continue
        if kind == "sh":
            commands += [shlex.split(line) for line in text.splitlines()]
            continue
        if kind == "python" and not path:
            cells.append(text)
            continue
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        old = file if file.exists() else ROOT / path
        file.write_text(edited(old.read_text(encoding="utf-8"), text) if kind == "diff" else text, encoding="utf-8")
    return cells, commands


def with_marks(page: Path) -> Any:
    marks = pytest.mark.real_time if page.stem in REAL_TIME else ()
    return pytest.param(page, id=page.stem, marks=marks)


@pytest.mark.parametrize("page", [with_marks(page) for page in PAGES])
def test_a_page_works_as_written(page: Path, tmp_path: Path) -> None:
    (tmp_path / "overlay.py").write_text(OVERLAY, encoding="utf-8")
    (tmp_path / "config" / "rigs").mkdir(parents=True)
    rig = (ROOT / "config" / "rigs" / "simulated.yaml").read_text(encoding="utf-8")
    (tmp_path / "config" / "rigs" / "simulated.yaml").write_text(rig, encoding="utf-8")
    for name in " ".join(NEEDS.findall(page.read_text(encoding="utf-8"))).split():
        laid_out(page.with_name(name), tmp_path)
    cells, commands = laid_out(page, tmp_path)
    assert commands
    if cells and find_spec("nbclient") is None:  # else they run in a kernel, below
        (tmp_path / "cells.py").write_text("".join(cells), encoding="utf-8")
        run([sys.executable, "cells.py"], tmp_path)
    for program, *words in commands:
        assert program == "main.py"
        run([sys.executable, "overlay.py", str(ROOT), str(tmp_path), *words], tmp_path)


def run(command: list[str], folder: Path) -> None:
    """A program in a folder, with the project on its path, without an error."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_notebook_runs_in_a_kernel(tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    (tmp_path / "config" / "rigs").mkdir(parents=True)
    cells, _ = laid_out(ROOT / "docs" / "how-to" / "notebook.md", tmp_path)
    (tmp_path / "cells.json").write_text(json.dumps(cells), encoding="utf-8")
    (tmp_path / "notebook.py").write_text(NOTEBOOK, encoding="utf-8")
    run([sys.executable, "notebook.py"], tmp_path)
    assert (tmp_path / "swirl.h5").exists()


def test_a_page_whose_change_does_not_fit_the_project_is_found() -> None:
    assert edited("a\nb\nc\n", " a\n-b\n+B\n") == "a\nB\nc\n"
    with pytest.raises(AssertionError, match="not just once"):
        edited("a\nc\n", " a\n-b\n+B\n")
