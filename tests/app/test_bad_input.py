"""Invalid input on the command line: one sentence, exit code 2, in limited time and memory, for every command."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

import main
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, RIGS, Plan
from config.reader import put_all, read
from config.refused import Refused

Verb = Callable[..., tuple[int, str]]
EXPERIMENT, RIG = EXPERIMENTS / "annular_activity.yaml", RIGS / "simulated.yaml"
pytestmark = pytest.mark.timeout(120)  # generous for a busy machine; a hang would never end


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


def refused(code: int, said: str) -> None:
    """One sentence of limited length, with printable characters only."""
    assert code == 2, said
    assert said.startswith("cybloids: ")
    assert said.endswith("\n")
    assert said[:-1].isprintable(), said
    assert len(said) <= 520


TENS = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
BOMB = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *TENS])
TEXTS = {
    "bomb": BOMB,
    "list": "title:\n" + "- 1\n" * 100_000,
    "deep": "title: " + "[" * 100_000,
    "flow": "title: {" + ", ".join(f"k{n}: 1" for n in range(100_000)) + "}",
    "binary": "title: !!binary aGk=",
    "recursive": "title: &a [*a]",
    "long": "mode: " + "x" * 20_000,
    "long key": "x" * 20_000 + ": 1",
    "escape": 'title: "\\e[31mred"\nmode: "\\e[2J"',
    "digits": "seed: " + "9" * 5000,
    "hex": "seed: 0x" + "f" * 5000,
    "sixty": "seed: " + "59:" * 3000 + "59",
    "zero": 'rig: "a\\0b"',
    "half": 'rig: "a\\ud800b"',
    "name": "rig: " + "x" * 5000,
    "merge": "<<: &a {<<: *a}\ntitle: x",
    "empty": "",
    "nothing": "null",
}


@pytest.mark.parametrize("text", TEXTS)
def test_an_invalid_settings_file_is_refused(verb: Verb, tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(TEXTS[text], encoding="utf-8")
    for words in (("run", file), ("run", EXPERIMENT, "--rig", file), ("train", file), ("calibrate", "all", file)):
        refused(*verb(*words))


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e308", "0", "-1", "", "x", "²", "9" * 5000])
def test_an_invalid_duration_is_refused(verb: Verb, text: str) -> None:
    for words in (
        ("run", EXPERIMENT),
        ("calibrate", "all", RIG),
        ("desktop", EXPERIMENT, "--picture", "a.png"),
        ("bench", "loop"),
    ):
        code, said = verb(*words, "--seconds", text)
        refused(code, said)
        assert said.startswith("cybloids: --seconds: found ")


@pytest.mark.parametrize(
    "item",
    [
        "²=1",
        "a=&a [*a]",
        "seed=0x" + "f" * 5000,
        "seed=" + "9" * 5000,
        "optics.um_per_px=1e-300",
        "tracking.diameter_px=100001",
        "camera.width_px=8193",
        "tracking.search_px=1e308",
        "sample.number=!!binary aGk=",
        "sample.number=2020-01-01",
        "." * 5000 + "=1",
        "=1",
        "seed",
        "tracking.locator=" + "x" * 20_000,
        "tracking." + "x" * 20_000 + "=1",
        "camera.fps=1e-300",
        "tracking.locator=\x1b[31m",
        "tracking.locator=\udcff",
        "policy.forces.0.shape.kind=" + "x" * 20_000,
        "policy.forces.99999999999999999999.delay_s=1",
        "camera=[1, 2]",
        "seed=-1",
        "tracking=",
        "set={a: &b [*b]}",
        "camera.fps={a: 1}",
        "experiment=5",
    ],
)
def test_an_invalid_value_is_refused(verb: Verb, item: str) -> None:
    refused(*verb("run", EXPERIMENT, "--seconds", "0.01", "--set", item))


@pytest.mark.parametrize("seed", [2**32, 2**63 - 1])
def test_a_seed_out_of_range_is_refused(verb: Verb, tmp_path: Path, seed: int) -> None:
    for words in (
        ("run", EXPERIMENT, "--seconds", "0.01", "--set", f"seed={seed}"),
        ("run", EXPERIMENT, "--seconds", "0.01", "--seed", f"{seed}"),
        ("calibrate", "all", RIG, "--seed", f"{seed}", "--out", str(tmp_path / "c.yaml")),
    ):
        code, said = verb(*words)
        refused(code, said)
        assert "seed" in said
        assert f"{seed} (allowed" in said or f"found {seed}" in said
        assert "0 to 4294967295)" in said
        assert "replica" not in said
    assert plan(EXPERIMENT, None, (f"seed={2**32 - 1}",)).experiment.seed == 2**32 - 1


@pytest.mark.parametrize("other", [False, True])
def test_two_devices_at_one_port_are_refused_before_one_is_opened(verb: Verb, tmp_path: Path, other: bool) -> None:
    port, name = tmp_path / "ttyUSB0", tmp_path / "by-id"
    port.touch()
    name.symlink_to(port)
    sets = ("--set", f"deflector.port={port}", "--set", f"laser.port={name if other else port}")
    code, said = verb("run", EXPERIMENT, "--rig", str(RIGS / "serial.yaml"), *sets)
    refused(code, said)
    assert "laser.port is " in said
    assert "deflector.port is " in said
    assert "they are one port" in said


def test_stale_links_of_killed_emulators_are_two_ports(tmp_path: Path) -> None:
    """Both links may lead to one terminal, whose number the system has assigned again; an emulator renews its link."""
    for name in ("galvo", "laser"):
        (tmp_path / name).symlink_to("/dev/pts/987654")
    (tmp_path / "folder").symlink_to(tmp_path)
    (tmp_path / "inner").mkdir()

    def planned(laser: Path | str, start: bool) -> Plan:
        sets = (f"deflector.port={tmp_path / 'galvo'}", f"laser.port={laser}", f"emulated.start={start}".lower())
        return plan(EXPERIMENT, RIGS / "serial_simulated.yaml", sets)

    assert planned(tmp_path / "laser", True).rig.emulated is not None
    for laser, start in (
        (tmp_path / "laser", False),
        (tmp_path / "galvo", True),
        (tmp_path / "folder" / "galvo", True),
        (f"{tmp_path}/inner/../galvo", True),
    ):
        with pytest.raises(Refused, match="they are one port"):
            planned(laser, start)


@pytest.mark.parametrize(
    "words",
    [
        ("emulate", "galvo", "--stream", "99999"),
        ("emulate", "galvo", "--stream", "-1"),
        ("emulate", "x" * 20_000),
        ("run", EXPERIMENT, "--json", ""),
        ("run", EXPERIMENT, "--out", ""),
        ("run", ""),
        ("run", EXPERIMENT, "--rig", ""),
        ("run", EXPERIMENT, "--out", os.fsdecode(b"\xff") + ".h5"),
        ("run", EXPERIMENT, "--seed", "9" * 5000),
        ("run", EXPERIMENT, "--json", "."),
        ("info", "a\x1b[31m.h5"),
        ("info", "x" * 20_000),
        ("bench", "x" * 20_000),
        ("export", RIG, "--to", "x" * 20_000),
        ("calibrate", "\x1b[31m" * 2000, RIG),
        ("tune", "a.tif", "--set", "x" * 20_000),
        ("reproduce", "x" * 20_000),
        ("symmetry", "a.csv", "--lag", "nan"),
        ("run", EXPERIMENT, "--" + "x" * 20_000),
        ("run", EXPERIMENT, "--\x1b[31m"),
        ("x" * 20_000,),
        ("calibrate", "um-per-px", RIG, "--pitch-um", "nan"),
        ("species", "a.h5", "b.h5", "--out", "a.json", "--seed", "-1"),
        ("evaluate", "x" * 20_000 + ".json"),
    ],
    ids=lambda words: " ".join(map(repr, words))[:60],
)
def test_an_invalid_command_line_is_refused(verb: Verb, words: tuple[str, ...]) -> None:
    refused(*verb(*words))


VERBS: tuple[tuple[str, ...], ...] = (
    ("run", "{}"),
    ("run", str(EXPERIMENT), "--rig", "{}"),
    ("replay", "{}"),
    ("replay", "{}", "--experiment", "{}"),
    ("verify", "{}"),
    ("export", "{}", "--to", "csv"),
    ("info", "{}"),
    ("train", "{}"),
    ("evaluate", "{}"),
    ("analyse", "{}"),
    ("calibrate", "all", "{}"),
    ("tune", "{}"),
    ("symmetry", "{}"),
    ("species", "{}", "{}", "--names", "a,b", "--out", "a.json"),
    ("desktop", "{}", "--picture", "a.png"),
    ("reproduce", "--docs", "a.md", "--json", "{}"),
)
KINDS = ("empty", "binary", "folder", "pipe", "missing", "loop", "device")
ENDINGS = (".yaml", ".h5", ".json", ".tif", ".avi", ".csv", ".parquet")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices in the file system")
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_a_file_of_another_kind_is_refused(verb: Verb, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Empty, binary, a folder, a pipe, a device, missing, a link to itself: no command hangs or crashes."""
    for ending in ENDINGS:
        paths = [tmp_path / f"{kind}{ending}" for kind in KINDS]
        empty, binary, folder, pipe, _, loop, device = paths
        empty.touch()
        binary.write_bytes(bytes(range(256)) * 40)
        folder.mkdir()
        os.mkfifo(pipe)
        loop.symlink_to(loop)
        device.symlink_to("/dev/zero")
        for path in paths:
            code, said = verb(*(word.replace("{}", str(path)) for word in words))
            assert code in (1, 2), (path.name, said)
            assert said.startswith("cybloids: "), (path.name, said)
            assert said[:-1].isprintable(), (path.name, said)
            assert len(said) <= 520, (path.name, said)


def png(width_px: int, height_px: int) -> bytes:
    """A PNG with a header of this size and far too little image data."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def claims(tmp_path: Path) -> dict[str, Path]:
    """Recordings whose headers state 900 million pixels."""
    folder, tiff, many = tmp_path / "pngs", tmp_path / "large.tif", tmp_path / "count.tif"
    folder.mkdir()
    (folder / "1.png").write_bytes(png(30_000, 30_000))
    image = np.zeros((48, 64), np.uint8)
    tifffile.imwrite(tiff, image, photometric="minisblack", compression="zlib")
    data = bytearray(tiff.read_bytes())
    for tag in (256, 257, 278):  # width, height, rows of a strip
        at = data.index(tag.to_bytes(2, "little"), 8)
        data[at + 2 : at + 4], data[at + 8 : at + 12] = (4).to_bytes(2, "little"), (30_000).to_bytes(4, "little")
    tiff.write_bytes(data)
    at = data.index((273).to_bytes(2, "little"), 8)
    data[at + 4 : at + 8] = (2**31).to_bytes(4, "little")
    many.write_bytes(data)
    return {"png": folder, "tiff": tiff, "count": many}


@pytest.mark.parametrize("kind", ["png", "tiff", "count"])
def test_a_recording_with_a_huge_stated_size_is_refused(verb: Verb, tmp_path: Path, kind: str) -> None:
    path = claims(tmp_path)[kind]
    for words in (("replay", path), ("tune", path, "--out", "a.png")):
        code, said = verb(*words)
        refused(code, said)
        assert "too large" in said or "no room for" in said, said


def test_info_prints_escape_sequences_of_a_run_as_text(
    verb: Verb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape sequences in the header and in the texts of a run are printed as codes."""
    from drivers.journal import Journal
    from tests.drivers.turns import header, plausible

    path = tmp_path / "run.h5"
    made = header(rig='title: "\\e[31mred"', experiment='title: "\\e]0;owned\\a"', source="\x1b[2J", git_hash="\x9b1m")
    journal = Journal(path, made, True, wait_s=30.0)
    journal.write(plausible(0))
    journal.close()
    import app.commands.info

    app.commands.info.show_info(path, json=None)
    out = capsys.readouterr().out
    assert "\\x1b[31mred" in out
    assert all(one == "\n" or one.isprintable() for one in out)


@pytest.mark.parametrize("value", ["abc", "[1]", "true", ".inf", ".nan", "0", "-1", "1e300", "{}"])
def test_an_invalid_stiffness_of_a_family_is_refused_with_its_line(verb: Verb, tmp_path: Path, value: str) -> None:
    family = EXPERIMENTS / "families" / "a_subdiffusion.yaml"
    text = family.read_text(encoding="utf-8")
    path = tmp_path / "family.yaml"
    path.write_text(text.replace("trap_pn_per_um: 0.9", f"trap_pn_per_um: {value}"), encoding="utf-8")
    code, said = verb("run", path, "--rig", RIGS / "wide.yaml", "--seconds", "0.1")
    refused(code, said)
    assert re.search(r"family.yaml, line 10: .*(trap_pn_per_um|trap.depth_kt)", said), said


def test_thousands_of_set_entries_need_one_copy_of_the_rig(tmp_path: Path) -> None:
    """Regression: each entry copied the whole rig. The test counts reads of the rig's values, not seconds."""
    bench = read(RIG)
    copies: list[int] = []
    real = json.dumps

    def counted(value: object) -> str:
        copies.append(1)
        return real(value)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("config.reader.json.dumps", counted)
        many = put_all(bench, [(f"x{n}", n, "here") for n in range(3000)])
    assert len(copies) == 1
    assert many.data["x2999"] == 2999
    assert many.place(("x2999",)) == "here"


@pytest.mark.parametrize("where", ["calibration", "set"])
def test_many_keys_are_refused_in_linear_time(tmp_path: Path, where: str) -> None:
    """Regression: each key took a time proportional to the number of keys: a minute for a file of 200 kB."""
    refused_in_s(tmp_path, where, 1000)  # imports come first
    few_s, many_s = (min(refused_in_s(tmp_path, where, number) for _ in range(2)) for number in (2000, 20_000))
    assert many_s < 40.0 * few_s  # 10 to 20 times as long; earlier 100 times


def refused_in_s(folder: Path, where: str, number: int) -> float:
    """Processor time to refuse a calibration file, or the `set` of an experiment, with this number of unknown keys."""
    keys = [f"x{one}" for one in range(number)]
    rig, experiment, file = (folder / f"{name}.yaml" for name in ("rig", "experiment", "c"))
    rig.write_text(
        "\n".join([RIG.read_text(), *(f"{key}: []" for key in keys)] if where == "set" else [RIG.read_text()])
    )
    told = "{" + ", ".join(f"{key}: 0" for key in keys) + "}"
    file.write_text(f"rig: b\nrecords:\n- what: a\n  date: b\n  set: {told}\n")
    text = EXPERIMENT.read_text().partition("\nset:")[0]
    experiment.write_text(f"{text}\nset: {told if where == 'set' else '{}'}\n")
    began_s = time.process_time()
    with pytest.raises(Refused, match="x0"):
        plan(experiment, rig, [f"calibration={file}"] if where == "calibration" else [])
    return time.process_time() - began_s
