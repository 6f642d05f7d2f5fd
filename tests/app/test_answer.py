"""Answers to programs: strict JSON, whole or not at all; and what the world did not do, in words."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import app.calibrate
import main
from app.answer import in_words, write_json
from config.refused import Refused
from control.contract import Fault


def test_what_is_not_finite_is_null_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "answer.json"
    write_json(path, {"a": math.nan, "b": [1.5, (math.inf, "ψ6")], "c": None, "d": 3})
    found = json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert found == {"a": None, "b": [1.5, [None, "ψ6"]], "c": None, "d": 3}
    assert [*path.parent.iterdir()] == [path]


def test_a_folder_or_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="found a folder"):
        write_json(tmp_path, {})
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match=r"could not be written \(.+\)"):
        write_json(tmp_path / "file" / "answer.json", {})


def test_what_the_world_did_not_do_is_one_sentence() -> None:
    assert in_words(Fault("the galvo does not answer")) == "the galvo does not answer"
    assert in_words(FileNotFoundError(2, "No such file or directory", "here")) == "here: No such file or directory"
    assert in_words(ValueError("a mistake of ours")) is None


@pytest.mark.parametrize(
    ("error", "said"),
    [(Fault("nobody follows"), "nobody follows"), (OSError(28, "No space left", "x"), "x: No")],
)
def test_a_fault_in_a_verb_is_no_traceback(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(app.calibrate, "calibrate_rig", failing)
    monkeypatch.setattr("sys.argv", ["main.py", "calibrate", "map", "rig.yaml"])
    assert main.main() == 1
    assert capsys.readouterr().err.startswith(f"cybloids: {said}")
