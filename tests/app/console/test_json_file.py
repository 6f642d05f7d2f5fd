"""JSON answers: strict JSON, complete or absent; and messages for errors outside the program."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

import app.commands.calibrate
import main
from app.assembly.calibration_file import CalibrationFile, save
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.console.html_page import Page
from app.console.json_file import in_words, write_json
from app.desktop.window.session import save_experiment
from app.reproduce.measure import Outcome
from app.reproduce.store import keep
from app.reproduce.verdict import CheckVerdict
from config.refused import Refused
from control.contract import Fault


def test_non_finite_values_are_null_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "answer.json"
    write_json(path, {"a": math.nan, "b": [1.5, (math.inf, "ψ6")], "c": None, "d": 3})
    found = json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert found == {"a": None, "b": [1.5, [None, "ψ6"]], "c": None, "d": 3}
    assert [*path.parent.iterdir()] == [path]


def test_a_folder_or_file_in_the_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="found a folder"):
        write_json(tmp_path, {})
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match=r"could not be written \(.+\)"):
        write_json(tmp_path / "file" / "answer.json", {})


def test_devices_and_links_are_not_replaced(tmp_path: Path) -> None:
    """Regression: a device was replaced by a file, and a link beside the answer was followed."""
    with pytest.raises(Refused, match="/dev/null: found a device, where a file for the answer is needed"):
        write_json(Path("/dev/null"), {})
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".answer.json.part").symlink_to(tmp_path / "precious")
    (tmp_path / "link.json").symlink_to(tmp_path / "precious")
    write_json(tmp_path / "answer.json", {"a": 1})
    with pytest.raises(Refused, match=r"link\.json: found a symbolic link"):
        write_json(tmp_path / "link.json", {"a": 1})
    assert json.loads((tmp_path / "answer.json").read_text()) == {"a": 1}
    assert (tmp_path / "precious").read_text() == "precious"


OUTCOME = Outcome(CheckVerdict(1.0, 1.0, 0.1, 3, True, ""), 1, 0.1, "")
PLAN = plan(EXPERIMENTS / "annular_activity.yaml")
WRITERS = [
    ("app/console/html_page.py", lambda path: Page("title").save(path)),
    ("app/assembly/calibration_file.py", lambda path: save(path, CalibrationFile(rig="bench"))),
    ("app/reproduce/store.py", lambda path: keep(path.parent, path.stem, "", OUTCOME)),
    ("app/desktop/window/session.py", lambda path: save_experiment(PLAN, PLAN.experiment, path)),
]


@pytest.mark.parametrize(("where", "writes"), WRITERS, ids=[where for where, _ in WRITERS])
def test_every_writer_refuses_links(where: str, writes: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    for name in ("answer.json", ".answer.json.part", "answer.part"):
        (tmp_path / name).symlink_to(tmp_path / "precious")
    with pytest.raises(Refused, match=r"answer\.json: found a symbolic link"):
        writes(tmp_path / "answer.json")
    assert (tmp_path / "precious").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 4


def test_errors_outside_the_program_give_one_sentence() -> None:
    assert in_words(Fault("the galvo does not answer")) == "the galvo does not answer"
    assert in_words(FileNotFoundError(2, "No such file or directory", "here")) == "here: No such file or directory"
    assert in_words(ValueError("a mistake of ours")) is None


@pytest.mark.parametrize(
    ("error", "said"),
    [(Fault("nobody follows"), "nobody follows"), (OSError(28, "No space left", "x"), "x: No")],
)
def test_a_fault_in_a_command_gives_no_traceback(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(app.commands.calibrate, "calibrate_rig", failing)
    monkeypatch.setattr("sys.argv", ["main.py", "calibrate", "map", "rig.yaml"])
    assert main.main() == 1
    assert capsys.readouterr().err.startswith(f"cybloids: {said}")
