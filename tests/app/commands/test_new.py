"""A new folder contains everything that its experiments name, and is made completely or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, RIGS
from app.commands.new import new_folder
from config.refused import Refused


def test_every_experiment_in_a_new_folder_can_fly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_folder(tmp_path / "deep" / "lab")
    folder = tmp_path / "deep" / "lab"
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "experiments", "rigs"]
    experiments = sorted(path.name for path in (folder / "experiments").iterdir())
    assert experiments == sorted(path.name for path in EXPERIMENTS.glob("*.yaml"))
    assert {path.name for path in RIGS.glob("*.yaml")} == {path.name for path in (folder / "rigs").iterdir()}
    for name in ("annular_activity.yaml", "learned_ring_crystal_egnn.yaml", "species_by_look.yaml"):
        made = plan(folder / "experiments" / name)
        assert made.folder == folder / "experiments"
    (folder / "rigs" / "simulated.yaml").write_text("title: mine\n")  # it can be edited
    assert "cybloids run experiments/annular_activity.yaml" in capsys.readouterr().out


def test_an_empty_folder_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    new_folder(Path())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "experiments", "rigs"]


def test_a_folder_that_is_not_empty_is_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Refused, match="this folder is not empty"):
        new_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("there", [True, False])
def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    folder = tmp_path / "lab"
    if there:
        folder.mkdir()
    real, count = shutil.copyfile, iter(range(9))

    def full(source: Path, target: Path) -> object:
        if next(count) == 5:
            raise OSError(28, "No space left on device")
        return real(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(Refused, match=r"this folder can't be made \(No space left on device\)"):
        new_folder(folder)
    assert [path.name for path in tmp_path.iterdir()] == (["lab"] if there else [])
    assert not there or not any(folder.iterdir())


def test_a_failed_move_removes_the_folders_moved_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, count = os.rename, iter(range(9))

    def busy(source: Path, target: Path) -> None:
        if next(count) == 1:
            raise OSError(16, "Device or resource busy")
        real(source, target)

    monkeypatch.setattr(os, "rename", busy)
    with pytest.raises(Refused, match="busy"):
        new_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
