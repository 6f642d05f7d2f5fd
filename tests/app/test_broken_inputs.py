"""Broken input on the command line: one sentence, a non-zero exit code, and a dark laser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

import app.running.headless
import main
from app.assembly.calibration_file import load
from app.assembly.instrument import Instrument
from app.assembly.open import open_instrument
from app.assembly.rig import EXPERIMENTS, Plan
from control.contract import Forces, Seen
from drivers.journal import read_run

GOOD = (
    (EXPERIMENTS / "annular_activity.yaml")
    .read_text()
    .replace("../rigs/simulated.yaml", f"{EXPERIMENTS.parent}/rigs/simulated.yaml")
)
Verb = Callable[..., tuple[int, str]]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Verb:
    """Runs the command line in this process; returns exit code and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["main.py", *map(str, words)])
        try:
            code = main.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, capsys.readouterr().err

    return call


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans for which devices were opened."""
    plans: list[Plan] = []

    def opening(made: Plan) -> Instrument:
        plans.append(made)
        return open_instrument(made)

    monkeypatch.setattr(app.running.headless, "open_instrument", opening)
    return plans


def told(code: int, said: str, *parts: str) -> None:
    """One sentence that names the cause, and a non-zero exit code."""
    assert code != 0
    assert said.startswith("cybloids: ")
    assert "Traceback" not in said
    for part in parts:
        assert part in said, said


FORMULA = "shape: {kind: formula, formula: '%s', parameters: {k: 0.9, R: 1.0}}"
ANNULAR = "shape: {kind: annular, radius_um: 1.0, stiffness_pn_per_um: 0.904}"


@pytest.mark.parametrize(
    ("good", "bad", "parts"),
    [
        ("mode: steered", "mood: steered", ["line 7", "unknown key 'mood'", "did you mean 'mode'"]),
        ("seconds: 60", "seconds: long", ["line 6", "'seconds' is the text 'long'", "valid number"]),
        ("seconds: 60", "seconds: 60\nseconds: 70", ["line 7", "'seconds' is written twice", "line 6"]),
        ("delay_s: 0.5", "delay_s: 0.01", ["delay_s is 0.01 s", "can't be less than 0.0156 s"]),
        (ANNULAR, FORMULA % "0.5*k*(r-R", ["0.5*k*(r-R", "^"]),
        (ANNULAR, FORMULA % '__import__("os")', ["__import__", "^"]),
        ("  sample.number: 1", "  loop.power_cap_mw: -5", ["'loop.power_cap_mw' is -5", "greater than 0"]),
    ],
)
def test_a_broken_experiment(
    verb: Verb, opened: list[Plan], tmp_path: Path, good: str, bad: str, parts: list[str]
) -> None:
    assert good in GOOD
    file = tmp_path / "experiment.yaml"
    file.write_text(GOOD.replace(good, bad))
    told(*verb("run", file), "experiment.yaml", *parts)
    assert opened == []


def test_a_missing_file(verb: Verb, opened: list[Plan]) -> None:
    told(*verb("run", "nowhere.yaml"), "nowhere.yaml", "no such file")
    told(*verb("replay", "nowhere.tif"), "nowhere.tif", "no such file")
    told(*verb("info", "nowhere.h5"), "nowhere.h5", "no such file")
    assert opened == []


def test_a_truncated_tiff(verb: Verb, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.tif", tmp_path / "cut.tif"
    tifffile.imwrite(whole, np.random.default_rng(1).integers(0, 255, (20, 64, 64), np.uint8), photometric="minisblack")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    told(*verb("replay", cut), "cut.tif")


def test_an_empty_folder(verb: Verb, opened: list[Plan], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    told(*verb("replay", tmp_path / "empty"), "empty")
    assert opened == []


def test_a_colour_video(verb: Verb, opened: list[Plan], tmp_path: Path) -> None:
    film = tmp_path / "colour.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 64))
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :, 2] = 200
    for _ in range(5):
        writer.write(picture)
    writer.release()
    told(*verb("replay", film), "colour.avi", "camera.channel")
    assert opened == []


def test_nan_from_a_policy_trips_without_light(verb: Verb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Broken:
        longest_delay_s = 0.0

        def start(self) -> None:
            return None

        def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
            number = len(seen.tracks)
            nothing = np.full((number, 2), np.nan)
            return None, Forces(seen.tracks.particle, nothing, np.full(number, np.nan), np.zeros(number, np.bool_))

    def opening(made: Plan) -> Instrument:
        instrument = open_instrument(made)
        return replace(instrument, machine=replace(instrument.machine, policy=Broken()))

    monkeypatch.setattr(app.running.headless, "open_instrument", opening)
    out = tmp_path / "nan.h5"
    told(
        *verb("run", EXPERIMENTS / "annular_activity.yaml", "--seconds", "1", "--out", out),
        "not finite",
        "laser is dark",
    )
    with read_run(out) as run:
        assert all(len(turn.allowed) == 0 and len(turn.sent) == 0 for turn in run.turns())


def test_an_unknown_option_is_named(verb: Verb) -> None:
    code, said = verb("run", "--bad")
    assert code == 2
    assert "--bad" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("um-per-px", "--pitch-um", "0.01"), "too few for a grid"),
        (("um-per-px", "--pitch-um", "40"), "too few for a grid"),
        (("um-per-px", "--pitch-um", "-1"), "more than 0"),
        (("stiffness", "--seconds", "1.2"), "too few for a potential"),
        (("diffusion", "--seconds", "0.02"), "too few to measure diffusion"),
    ],
)
def test_a_calibration_with_too_little_data_is_refused(verb: Verb, words: tuple[str, ...], said: str) -> None:
    """No record is stored."""
    rig = EXPERIMENTS.parent / "rigs" / "simulated.yaml"
    code, err = verb("calibrate", words[0], rig, *words[1:], "--out", "c.yaml")
    told(code, err, said)
    assert not Path("c.yaml").exists()


def test_a_short_calibration_states_a_missing_value(verb: Verb) -> None:
    """Too short for the drag; the three other values are reported and stored."""
    rig = EXPERIMENTS.parent / "rigs" / "simulated.yaml"
    code, err = verb("calibrate", "stiffness", rig, "--seconds", "2.5", "--out", "c.yaml")
    assert (code, err) == (0, "")
    assert load(Path("c.yaml")).records[0].found["drag_pn_per_um_per_mw"]["value"] is None


def test_reproduce_refuses_two_modes_at_once(verb: Verb) -> None:
    told(*verb("reproduce", "--families", "--sabotage"), "give one of them")
    told(*verb("reproduce", "--families", "--docs", "p.md", "--json", "p.json"), "give one of them")
