"""No output replaces an input, another output or a run, for every command and every form of the path."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import typer.main
import yaml

import main
from app.analysis import run_description as info
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.commands import info as info_command
from app.console.output_files import READ, WRITTEN, require_apart, same
from app.running import headless
from config.output_kinds import LARGEST_JSON
from config.refused import Refused

Verb = Callable[..., tuple[int, str]]
RECORD = gzip.decompress((Path(__file__).parents[1] / "old_runs" / "record.h5.gz").read_bytes())
RIG = (EXPERIMENTS.parent / "rigs" / "simulated.yaml").read_text()
EXPERIMENT = (
    (EXPERIMENTS / "annular_activity.yaml").read_text().replace("../rigs/", f"{EXPERIMENTS.parent.resolve()}/rigs/")
)


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Verb:
    """Runs the command line in a folder with a run, a rig and an experiment; returns exit code and standard error."""
    monkeypatch.chdir(tmp_path)
    Path("g.h5").write_bytes(RECORD)
    Path("other.h5").write_bytes(RECORD)
    Path("r.yaml").write_text(RIG)
    Path("e.yaml").write_text(EXPERIMENT)
    Path("d").mkdir()
    Path("link.h5").symlink_to("g.h5")
    os.link("g.h5", "hard.h5")

    def call(line: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["main.py", *line.split()])
        try:
            code = main.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, capsys.readouterr().err

    return call


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refused(verb: Verb, line: str) -> str:
    """The single sentence of a refusal; checks that the folder is unchanged."""
    before = contents(Path())
    code, said = verb(line)
    assert code == 2, said
    said = "".join(line for line in said.splitlines(True) if not line.startswith("note: "))
    assert said.startswith("cybloids: ")
    assert said.count("\n") == 1
    assert contents(Path()) == before
    return said


@pytest.mark.parametrize(
    "line",
    [
        "info g.h5 --json g.h5",
        "info g.h5 --json ./d/../g.h5",
        "info g.h5 --json hard.h5",
        "info link.h5 --json g.h5",
        "info g.h5 --json other.h5",
        "info r.yaml --json r.yaml",
        "info r.yaml --json e.yaml",
        "verify g.h5 --json g.h5",
        "analyse g.h5 --out g.h5",
        "analyse g.h5 --out other.h5",
        "analyse g.h5 --out a.html --json g.h5",
        "analyse g.h5 --out a.html --json a.html",
        "analyse g.h5 --json g.html",
        "export g.h5 --to csv --json g.h5",
        "export g.h5 --to csv --out t --json t/tracks.csv",
        "tune g.h5 --json g.h5",
        "tune g.h5 --out a.png --json a.png",
        "correct dark g.h5 --out d.tif --json g.h5",
        "correct dark g.h5 --out d.tif --json d.tif",
        "correct excluded g.h5 --json g.h5",
        "correct dark r.yaml --out d.tif --json r.yaml",
        "replay g.h5 --out y.h5 --json g.h5",
        "replay g.h5 --out y.h5 --json y.h5",
        "replay g.h5 --out g.h5",
        "run e.yaml --seconds 0.1 --out x.h5 --json x.h5",
        "run e.yaml --seconds 0.1 --out x.h5 --json d/../x.h5",
        "run e.yaml --seconds 0.1 --json e.yaml",
        "run e.yaml --seconds 0.1 --rig r.yaml --json r.yaml",
        "run e.yaml --seconds 0.1 --out g.h5",
        "run e.yaml --seconds 0.1 --json runs/e-001.h5",
        "calibrate um-per-px r.yaml --seconds 0.1 --out x.yaml --json r.yaml",
        "calibrate um-per-px r.yaml --seconds 0.1 --out x.yaml --json x.yaml",
        "calibrate um-per-px r.yaml --seconds 0.1 --json r.calibration.yaml",
        "symmetry g.h5 --figure g.h5",
        "symmetry g.h5 --figure a.png --json a.png",
        "species g.h5 other.h5 --out c.json --json other.h5",
        "desktop e.yaml --picture e.yaml",
        "desktop e.yaml --picture g.h5",
        "bench tracking --quick --json g.h5",
        "bench tracking --quick --docs p.md --json p.md",
        "reproduce P1 --json g.h5",
        "emulate galvo --log e.yaml --fault end",
        "emulate galvo --log g.h5 --fault end",
    ],
)
def test_no_output_replaces_an_input_or_another_output(verb: Verb, line: str) -> None:
    refused(verb, line)


@pytest.mark.parametrize(
    "answer", ["d", "e.yaml/x.json", "/proc/x.json", "/proc/nowhere/x.json", "/dev/null", "link.h5", "x" * 300]
)
def test_an_answer_that_can_not_be_written_is_refused_before_the_run(verb: Verb, answer: str) -> None:
    refused(verb, f"run e.yaml --seconds 0.1 --out x.h5 --json {answer}")
    refused(verb, f"run e.yaml --seconds 0.1 --json {answer}")
    assert not Path("runs").exists()


@pytest.mark.parametrize("out", ["/proc/x.h5", f"{'x' * 300}.h5", "e.yaml/x.h5", "d", "/dev/null"])
def test_a_run_that_cannot_be_recorded_is_refused(verb: Verb, out: str) -> None:
    refused(verb, f"run e.yaml --seconds 0.1 --out {out}")
    refused(verb, f"replay g.h5 --out {out}")


def test_a_run_without_a_turn_leaves_no_file(verb: Verb) -> None:
    assert "not one frame" in refused(verb, "run e.yaml --seconds 1e-9")
    assert "not one frame" in refused(verb, "run e.yaml --seconds 1e-9 --out x.h5")


def test_an_answer_replaces_its_own_file_and_a_log_is_extended(verb: Verb) -> None:
    for _ in range(2):
        assert verb("info g.h5 --json new/answer.json")[0] == 0
        assert verb("info g.h5 --json d/empty.json")[0] == 0
        emulated = [sys.executable, main.__file__, *["emulate", "galvo", "--log", "d/log.jsonl", "--fault", "end"]]
        assert subprocess.run(emulated, stdin=subprocess.DEVNULL, timeout=120).returncode == 0
    assert Path("d/log.jsonl").read_text().count('"ready"') == 2
    assert Path("g.h5").read_bytes() == RECORD


def test_an_answer_does_not_replace_the_card_of_a_checkpoint(verb: Verb) -> None:
    Path("card.json").write_text("{}")
    Path("card.safetensors").write_bytes(b"weights")
    assert "the card of a checkpoint" in refused(verb, "info g.h5 --json card.json")


def test_only_an_answer_may_be_written_into_an_input_folder(tmp_path: Path) -> None:
    recording = tmp_path / "frames"
    recording.mkdir()
    require_apart({"the input": recording}, {"--json": recording / "a.json"})
    with pytest.raises(Refused, match="lies in the input, a folder that is read"):
        require_apart({"the input": recording}, {"--out": recording / "d" / ".." / "a.png"})


def test_two_paths_of_one_missing_file_are_equal(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert same(tmp_path / "link" / "x", tmp_path / "real" / ".." / "real" / "x")
    assert not same(tmp_path / "link" / "x", tmp_path / "real" / "y")


def test_every_path_parameter_is_declared_as_read_or_written() -> None:
    group: Any = typer.main.get_command(main.app)
    found = 0
    for name, command in group.commands.items():
        assert isinstance(command, main.Verb), name
        parameters: list[Any] = command.params
        for parameter in parameters:
            if "Path" in str(parameter.type_descriptor.annotation):
                found += 1
                assert parameter.name in READ | WRITTEN, (name, parameter.name)
    assert found > 30


def in_json(path: str, text: str, **changed: Any) -> dict[str, Any]:
    """Settings as JSON, which is valid YAML."""
    data: dict[str, Any] = {**yaml.safe_load(text), **changed}
    Path(path).write_text(json.dumps(data, indent=1))
    return data


def test_an_answer_does_not_replace_a_file_that_an_input_names(verb: Verb) -> None:
    in_json("rig.yaml", RIG, calibration="cal.yaml")
    Path("cal.yaml").write_text('{"rig": "simulated", "records": []}')
    in_json("named.yaml", EXPERIMENT, rig="rig.yaml")
    Path("way").symlink_to("d")
    os.link("cal.yaml", "d/hard.json")
    for json_file in ("rig.yaml", "d/../rig.yaml", "cal.yaml", "d/hard.json", "way/hard.json"):
        said = refused(verb, f"run named.yaml --seconds 0.1 --out x.h5 --json {json_file}")
        assert "was read by this command" in said
    assert "was read by this command" in refused(verb, "info rig.yaml --json cal.yaml")
    said = refused(verb, "calibrate um-per-px rig.yaml --seconds 0.1 --out x.yaml --json cal.yaml")
    assert "the rig's calibration file" in said
    assert verb("info g.h5 --json rig.yaml")[0] == 0  # another command, which does not read it


def test_an_answer_replaces_json_only(verb: Verb) -> None:
    texts = {"c.toml": "[section]\na = 1\n", "l.txt": "{this is\nmy text\n", "w.txt": "\n" * 80 + "notes\n",
             "t.json": '{"a": 1} and more', "deep.json": "[" * 100_000, "b.bin": "{\x00"}  # fmt: skip
    for name, text in texts.items():
        Path(name).write_text(text)
        assert "not JSON, and it is left as it is" in refused(verb, f"info g.h5 --json {name}"), name
    Path("blank.json").write_text("\n" * 80)
    Path("own.json").write_text(' {"a": [1, NaN]}')
    for name in ("blank.json", "own.json"):
        assert verb(f"info g.h5 --json {name}")[0] == 0
    with Path("large.json").open("wb") as file:
        file.write(b"[]")
        file.truncate(LARGEST_JSON + 1)
    assert "too large to be replaced" in refused(verb, "info g.h5 --json large.json")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("analyse g.h5 --out e.yaml", "not HTML"),
        ("tune g.h5 --out picture.png", "not a PNG"),
        ("tune g.h5 --out picture.pdf", "not a PDF"),
        ("symmetry tracks.csv --figure forces.csv", "not a CSV"),
        ("symmetry tracks.csv --figure picture.png", "not a PNG"),
        ("desktop e.yaml --picture r.yaml", "not a PNG"),
        ("export g.h5 --to csv --out t", "not a CSV table"),
        ("export g.h5 --to parquet --out t", "not a Parquet table"),
        ("calibrate um-per-px r.yaml --seconds 0.1 --out e.yaml", "unknown key"),
        ("bench tracking --quick --docs e.yaml", "not Markdown"),
        ("bench tracking --quick --docs new.txt", "not Markdown"),
        ("reproduce --docs e.yaml --json checks.json", "not Markdown"),
        ("species g.h5 other.h5 --out checks.json", "not the card of a classifier"),
        ("emulate galvo --log notes.json --fault end", "not a log in JSON lines"),
    ],
)
def test_an_output_replaces_only_files_of_its_kind(verb: Verb, line: str, what: str) -> None:
    Path("t").mkdir()
    for name in (
        "g.html",
        "picture.png",
        "picture.pdf",
        "t/tracks.csv",
        "t/tracks.parquet",
        "forces.csv",
        "notes.json",
    ):
        Path(name).write_text("[notes]\nprecious\n")
    Path("checks.json").write_text("{}")
    Path("tracks.csv").write_text("frame,particle,x,y\n0,0,1,1\n")
    assert what in refused(verb, line)


def test_a_default_path_replaces_only_files_of_the_program(verb: Verb) -> None:
    """A foreign file with the right ending is refused too. It is replaced if the user gives its path, and is then a
    file of the program."""
    film()
    Path("runs").mkdir()
    foreign_html, foreign_png = b"<!doctype html><p>my notes</p>", b"\x89PNG\r\n\x1a\n my plot"
    Path("g.html").write_bytes(foreign_html)
    Path("runs/film.tuned.png").write_bytes(foreign_png)
    said = refused(verb, "analyse g.h5")
    assert "the report: 'g.html' is not a report that Cybloids has made, and it is left as it is" in said
    said = refused(verb, "tune film.tif")
    assert "the picture: 'runs/film.tuned.png' is not a PNG that Cybloids has made, and it is left as it is" in said
    for line in ("analyse g.h5 --out g.html", "tune film.tif --out runs/film.tuned.png", "analyse g.h5",
                 "tune film.tif"):  # fmt: skip
        assert verb(line) == (0, ""), line
    older = Path("g.html").read_text().replace('<meta name="generator" content="Cybloids">', "")
    assert 'Cybloids">' not in older
    Path("g.html").write_text(older)
    assert verb("analyse g.h5")[0] == 0
    assert 'Cybloids">' in Path("g.html").read_text()


def film() -> None:
    rows, columns = np.mgrid[:96, :96]
    spots = sum(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8.0) for x in (20, 50, 80) for y in (20, 50, 80))
    tifffile.imwrite("film.tif", (20 + 200 * np.stack([spots] * 3)).astype(np.uint8), photometric="minisblack")


def test_outputs_replace_their_previous_files(verb: Verb) -> None:
    film()
    for _ in range(2):
        for line in ("analyse g.h5 --json a.json", "tune film.tif --out p.png", "tune film.tif --out p.pdf",
                     "export g.h5 --to csv --out t", "export g.h5 --to parquet --out t"):  # fmt: skip
            code, said = verb(line)
            assert code == 0, (line, said)


@pytest.mark.parametrize(
    "line",
    [
        "run e.yaml --seconds 0.1 --out x.h5 --json x.h5/y.json",
        "run e.yaml --seconds 0.1 --out n/x.h5 --json n",
        "run e.yaml --seconds 0.1 --out n/deep/x.h5 --json d/../n",
        "run e.yaml --seconds 0.1 --json runs",
        "export g.h5 --to csv --out n/t --json n",
        "export g.h5 --to csv --out n --json n",
        "export g.h5 --to csv --out n --json n/tracks.csv/y.json",
        "reproduce P1 --out n/t --json n",
        "analyse g.h5 --json g.html/y.json",
    ],
)
def test_no_output_path_is_inside_another_output(verb: Verb, line: str) -> None:
    refused(verb, line)
    assert not Path("n").exists()
    assert not Path("runs").exists()


TRAINING = """
title: short
task: {kind: clone, shape: {kind: gaussian_ring}, examples: 60}
network: {kind: egnn, width: 8, layers: 1, cutoff: 4.5}
epochs: 1
"""
TENSORS = (2).to_bytes(8, "little") + b"{}"
STATE = (19).to_bytes(8, "little") + b'{"__metadata__":{}}'
LOG = b"epoch,seconds,learning_rate,train_mse,valid_mse\r\n1,0.1,0.1,0.1,0.1\r\n"
CLASSIFIER = b'{"format": "cybloids classifier 1", "weights_sha256": "x"}'
MINE = b"my precious notes\n"
FAMILY = {"id": "a", "title": "", "about": "", "numbers": {}, "missed": []}


@pytest.mark.parametrize(
    ("line", "there", "what"),
    [
        ("train t.yaml --out a.json", {"a.csv": b"time,mass\n1,2\n"}, "not the log of a training"),
        ("train t.yaml --out a.json", {"a.csv": LOG}, "a.csv: a log is there that this training has not made"),
        ("train t.yaml --out a.json", {"a.json": CLASSIFIER}, "not the card of a network"),
        ("train t.yaml --out a.json", {"a.safetensors": MINE}, "not the weights of a checkpoint"),
        ("train t.yaml --out a.json", {"a.safetensors": TENSORS}, "that this training has not made"),
        ("train t.yaml --out a.json", {"a.state.safetensors": TENSORS}, "not the state of a training"),
        ("train t.yaml --out a.json --json a.state.safetensors", {}, "the training's state too"),
        ("train t.yaml --out a.json", {"a.state.safetensors": STATE}, "begun with other settings"),
        ("train t.yaml --out a.txt", {}, "named by its card"),
        ("species g.h5 r.yaml --names a,b --out s.json", {"s.safetensors": MINE}, "not the weights of a checkpoint"),
        ("species g.h5 r.yaml --names a,b --out s.json", {"s.safetensors": TENSORS}, "weights without their card"),
        ("evaluate c.json --onnx", {"c.json": b"{}", "c.safetensors": TENSORS, "c.onnx": MINE}, "not an ONNX file"),
        ("emulate galvo --fault end --link L --log .L.emulated", {}, "the mark of an emulator's link too"),
        ("emulate galvo --fault end --link L", {".L.emulated": MINE}, "not the mark of an emulator's link"),
        ("emulate galvo --fault end --log c.json", {"c.json": b'{"weights_sha256": "x"}\n'}, "not a log in JSON lines"),
        ("emulate galvo --fault end --log e.json", {"e.json": b'{"title": "my rig"}'}, "not a log in JSON lines"),
        ("reproduce P7 --out r", {"r/reproduce-quick.html": MINE}, "not HTML"),
        ("reproduce P7 --out r", {"r/quick/P7-plant.json": b'{"mine": 1}'}, "not what reproduce keeps"),
        ("reproduce P7 --out r --json r/reproduce-quick.html", {}, "the report too"),
        ("reproduce P7 --out r --json r/quick/P7-plant.json", {}, "what is kept of P7-plant too"),
        ("reproduce P7 --sabotage --out r", {"r/quick-sabotaged/P7-plant.json": b"{}"}, "not what reproduce keeps"),
        ("reproduce a --families --out r", {"r/families/a.json": b"{}"}, "not what reproduce keeps"),
        ("reproduce a --families --out r", {"r/families.html": MINE}, "not HTML"),
        ("reproduce --docs p.md --out r --json p.json", {"p-a.png": MINE}, "not a PNG"),
    ],
)
def test_files_beside_an_output_are_checked_too(verb: Verb, line: str, there: dict[str, bytes], what: str) -> None:
    Path("t.yaml").write_text(TRAINING)
    Path("r/families").mkdir(parents=True)
    Path("r/families/a.json").write_text('{"fingerprint": "", "figure": "UE5H"}')
    family = {**FAMILY, "figure_sha256": hashlib.sha256(b"PNG").hexdigest()}
    Path("p.json").write_text(json.dumps({"checks": [], "sabotages": [], "families": [family]}))
    for name, content in there.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    assert what in refused(verb, line)


def test_a_file_made_meanwhile_stays_and_the_answer_is_printed(
    verb: Verb, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file appears during the work. Regression: the check was only before the work."""
    real, lines = info.text, []

    def overtaken(found: Any) -> str:
        Path("answer.json").write_bytes(MINE)
        lines.append(real(found))
        return lines[-1]

    monkeypatch.setattr(info_command, "text", overtaken)
    monkeypatch.setattr(info_command, "say", lines.append)
    code, said = verb("info g.h5 --json answer.json")
    assert (code, said.count("\n")) == (2, 1)
    assert "'answer.json' is not JSON, and it is left as it is" in said
    assert Path("answer.json").read_bytes() == MINE
    assert lines[0] == lines[1]
    assert lines[0]


def test_the_end_of_a_run_is_reported_if_the_answer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = {"experiment": "ring", "kind": "x", "turns": 9, "seconds": 1.0, "times_real_time": 1.0, "level": "DARK",
            "reason": "it tripped", "dark_turns": 9, "dropped_frames": 0, "stages_ms_a_frame": {}, "out": "x.h5",
            "trips": ["too much light"]}  # fmt: skip
    answer = tmp_path / "answer.json"

    def fly(*_: object) -> dict[str, Any]:
        answer.write_bytes(MINE)
        return done

    monkeypatch.setattr(headless, "fly", fly)
    made = plan(EXPERIMENTS / "annular_activity.yaml")
    with pytest.raises(Refused, match="is not JSON"):
        headless.flown(made, 1.0, tmp_path / "x.h5", True, answer)
    said = capsys.readouterr()
    assert "recorded in x.h5" in said.out
    assert "the interlock tripped: too much light; the laser is dark" in said.err
    assert answer.read_bytes() == MINE


def test_the_answer_contains_the_undone_record(verb: Verb) -> None:
    record = {"what": "diffusion", "date": "2026-01-01", "residual": None, "unit": "um^2/s", "found": {"d": 1.5}}
    Path("k.yaml").write_text(json.dumps({"rig": "r", "records": [record]}))
    assert verb("calibrate diffusion r.yaml --out k.yaml --undo --json u.json")[0] == 0
    (undone,) = json.loads(Path("u.json").read_text())
    assert (undone["what"], undone["found"]) == ("diffusion", {"d": 1.5})
    assert yaml.safe_load(Path("k.yaml").read_text())["records"] == []
