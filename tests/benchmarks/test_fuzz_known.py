"""Known bad inputs: each is refused within 2 s of processor time and 1 GiB; accepting one is a finding."""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzz.known import COMMANDS, KNOWN, Known, zeros_deflated
from benchmarks.fuzz.texts import RIG
from benchmarks.fuzz.worker import attempt

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and processor time are read from /proc")


@dataclass
class One(Known):
    """Always this input and this command."""

    chosen: tuple[str, tuple[str, ...]] = KNOWN[0]

    def case(self, chance: Random, folder: Path) -> float:
        self.must_refuse(*self.chosen, folder)
        return 0.0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the inputs; every verb has been tried once."""
    folder = tmp_path_factory.mktemp("known")
    Known(folder).prepare()
    return folder


@pytest.mark.parametrize("name", COMMANDS, ids=lambda name: name or "no file")
def test_each_command_refuses_known_inputs_in_bounded_time_and_memory(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = [attempt(One(inputs, chosen=(name, words)), 1, tmp_path)["wrong"] for words in COMMANDS[name]]
    assert wrong == [""] * len(COMMANDS[name])


def test_an_accepted_input_is_a_finding(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = attempt(One(inputs, chosen=("", ("info", f"{RIG}"))), 1, tmp_path)
    assert found["wrong"].startswith("exit code 0 (allowed: 2) of ")


def test_the_compressed_zeros_can_be_decompressed() -> None:
    packer = zlib.decompressobj()
    assert packer.decompress(zeros_deflated(1 << 25)).count(0) == 1 << 25
    assert packer.eof
