"""ONNX Runtime and TensorBoard are optional: used where they are installed."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from config.refused import Refused
from control.plant import Plant
from models.checkpoint import load_checkpoint
from models.flight.onnx import OnnxFlight, write_onnx
from models.learned import fly
from models.train import Trainer
from tests.models.test_train import training

CHECKPOINTS = Path(__file__).parents[3] / "config" / "checkpoints"
installed = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime", "onnxscript")),
    reason="onnx, onnxruntime and onnxscript are not installed (pip install 'cybloids[onnx]')",
)
# deprecation warnings and remarks of the exporter
quiet = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def single() -> None:
    torch.set_default_dtype(torch.float32)


def copied(folder: Path, name: str = "ring_egnn") -> Path:
    for suffix in (".json", ".safetensors"):
        shutil.copy(CHECKPOINTS / f"{name}{suffix}", folder)
    return folder / f"{name}.json"


@installed
@quiet
def test_onnx_gives_the_output_of_the_network_for_any_number_of_points(tmp_path: Path) -> None:
    path = copied(tmp_path)
    write_onnx(*load_checkpoint(path), path)
    eager, quick = fly(path, Plant()), fly(path, Plant(), "onnx")
    assert isinstance(quick.flight, OnnxFlight)
    draw = np.random.default_rng(1)
    for count in (1, 2, 19, 60):
        place_um, zero = draw.uniform(0, 2.5 * np.sqrt(count), (count, 2)), np.zeros(count, np.int64)
        wanted_pn = eager.forces_pn(place_um, zero, zero)
        assert count == 1 or np.abs(wanted_pn).max() > 1e-6
        assert np.allclose(quick.forces_pn(place_um, zero, zero), wanted_pn, atol=1e-5 * np.abs(wanted_pn).max())


@installed
@quiet
def test_another_network_or_no_network_is_refused(tmp_path: Path) -> None:
    path = copied(tmp_path)
    network, card = load_checkpoint(path)
    with torch.no_grad():
        next(network.parameters()).mul_(1.5)
    write_onnx(network, card, path)
    with pytest.raises(Refused, match="not the network of the card"):
        fly(path, Plant(), "onnx")
    path.with_suffix(".onnx").write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(Refused, match="not an ONNX file"):
        fly(path, Plant(), "onnx")
    path.with_suffix(".onnx").unlink()
    with pytest.raises(Refused, match="no such file"):
        fly(path, Plant(), "onnx")


def test_missing_packages_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copied(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refused, match="the package onnxruntime, which is not installed"):
        fly(path, Plant(), "onnx")
    with pytest.raises(Refused, match="the package onnxscript, which is not installed"):
        write_onnx(*load_checkpoint(path), path)


def test_the_export_of_an_unsupported_network_is_refused(tmp_path: Path) -> None:
    path = copied(tmp_path, "ring_ponita")
    with pytest.raises(Refused, match="only an EGNN"):
        write_onnx(*load_checkpoint(path), path)


@quiet
def test_curves_are_written_to_tensorboard_if_it_is_installed(tmp_path: Path) -> None:
    wanted = training(epochs=2)
    Trainer(wanted, wanted.task.make(), tmp_path / "short.json").run()
    there = importlib.util.find_spec("tensorboard") is not None
    assert bool(list(tmp_path.glob("tensorboard/short/*tfevents*"))) is there
