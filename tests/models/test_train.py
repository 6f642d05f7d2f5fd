"""The trainer learns, stops, keeps the best weights, and continues after an interruption with the same result."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from config.reader import build, parse, read
from config.refused import Refused
from models.checkpoint import load_checkpoint
from models.data.task import Task
from models.evaluate import evaluate
from models.train import Trainer, measure, random_rotation
from models.training import CloneTask, Training

TEXT = """
title: short
task:
  kind: clone
  shape: {kind: gaussian_ring, radius_um: 2.5, width_um: 0.6, depth_kt: 5}
  examples: 120
  points_most: 12
network: {kind: egnn, width: 16, layers: 1, cutoff: 4.5, radial: 16}
out: short.json
epochs: 6
batch: 10
learning_rate: 1e-2
average: 0.9
"""


@pytest.fixture(autouse=True)
def single() -> None:
    torch.set_default_dtype(torch.float32)


def training(**changes: object) -> Training:
    made: Training = build(parse(TEXT, "short.yaml"), Training)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def task() -> Task:
    torch.set_default_dtype(torch.float32)
    return training().task.make()


def test_training_reduces_the_error_and_records_it(tmp_path: Path, task: Task) -> None:
    path = tmp_path / "short.json"
    card = Trainer(training(), task, path).run()
    with path.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    first, last = float(rows[0]["valid_mse"]), float(rows[-1]["valid_mse"])
    assert last < 0.2 * first
    network, read = load_checkpoint(path)
    assert read == card
    assert card.metrics["valid_mse"] == min(float(row["valid_mse"]) for row in rows)
    assert measure(network, task, "test") == pytest.approx(card.metrics["test_mse"], rel=1e-6)
    assert card.trained.data_sha256 == task.sha256
    assert card.units.answer == "kT/um"
    assert card.species == (0,)


def test_an_interrupted_training_continues_with_the_same_result(tmp_path: Path, task: Task) -> None:
    whole = Trainer(training(), task, tmp_path / "whole.json").run()
    for _ in range(2):
        begun = Trainer(training(), task, tmp_path / "parts.json")
        if begun._state.exists():
            begun._restore()
        begun._epoch()
        begun._epoch()
    parts = Trainer(training(), task, tmp_path / "parts.json").run()
    assert parts.weights_sha256 == whole.weights_sha256
    assert parts.metrics["test_mse"] == whole.metrics["test_mse"]


def test_a_training_with_other_settings_does_not_continue(tmp_path: Path, task: Task) -> None:
    Trainer(training(epochs=1), task, tmp_path / "one.json").run()
    with pytest.raises(Refused, match="other settings"):
        Trainer(training(epochs=2), task, tmp_path / "one.json").run()


def checkpoint(path: Path) -> dict[str, bytes]:
    return {file.name.partition(".")[2]: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}


def test_a_finished_training_replaces_only_its_own_checkpoint(tmp_path: Path, task: Task) -> None:
    """A different checkpoint or log copied to its path is kept; its own one is written again."""
    path, wanted = tmp_path / "x.json", training(epochs=1)
    Trainer(wanted, task, path).run()
    own = checkpoint(path)
    Trainer(wanted, task, path).run()
    assert checkpoint(path)["safetensors"] == own["safetensors"]
    for names in ((".json", ".safetensors"), (".json",), (".safetensors",), (".csv",)):
        for name in names:
            path.with_suffix(name).write_bytes((SHIPPED[0].with_suffix(name)).read_bytes())
        before = checkpoint(path)
        what = "log" if names == (".csv",) else "checkpoint"
        with pytest.raises(Refused, match=rf"x\{names[0]}: a {what} is there that this training has not made"):
            Trainer(wanted, task, path).run()
        assert checkpoint(path) == before
        for name in names:
            path.with_suffix(name).write_bytes(own[name[1:]])
    path.unlink()  # as after a crash between both files
    Trainer(wanted, task, path).run()
    assert checkpoint(path)["json"] == own["json"]


def test_a_different_checkpoint_made_during_a_training_is_kept(
    tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.json"
    trainer = Trainer(training(epochs=1), task, path)
    real = trainer._epoch

    def overtaken() -> None:
        real()
        for name in (".json", ".safetensors"):
            path.with_suffix(name).write_bytes((SHIPPED[0].with_suffix(name)).read_bytes())

    monkeypatch.setattr(trainer, "_epoch", overtaken)
    with pytest.raises(Refused, match="this training has not made"):
        trainer.run()
    assert path.read_bytes() == SHIPPED[0].read_bytes()


def test_without_a_terminal_progress_is_printed_in_lines(
    tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("models.train.QUIET_S", 0.0)
    Trainer(training(epochs=2), task, tmp_path / "told.json").run()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["short: 50%", "short: 100%"]


def test_a_truncated_state_is_refused(tmp_path: Path, task: Task) -> None:
    path = tmp_path / "one.json"
    Trainer(training(epochs=1), task, path).run()
    state = path.with_suffix(".state.safetensors")
    state.write_bytes(state.read_bytes()[:-50])
    with pytest.raises(Refused, match="remove it to begin anew"):
        Trainer(training(epochs=1), task, path).run()


def test_a_state_with_tensors_of_wrong_type_shape_or_value_is_refused(tmp_path: Path, task: Task) -> None:
    path = tmp_path / "one.json"
    begun = Trainer(training(epochs=2), task, path)
    begun._epoch()
    state = path.with_suffix(".state.safetensors")
    kept = load_file(state)
    about = {"settings": repr(begun.settings), "at": json.dumps(asdict(begun.at))}
    parameter = next(name for name in kept if name.startswith("mean."))
    damaged = {
        parameter: [kept[parameter].to(torch.float64), kept[parameter].to(torch.complex64), kept[parameter] > 0],
        "adam.0.exp_avg": [torch.zeros(3), kept["adam.0.exp_avg"] * math.nan, kept["adam.0.exp_avg"].double()],
        "adam.0.step": [torch.zeros(2), torch.tensor(math.inf)],
    }
    for name, values in damaged.items():
        for value in values:
            save_file(kept | {name: value.contiguous()}, state, about)
            with pytest.raises(Refused, match=r"one\.state\.safetensors: .*its tensors '(mean|adam)' are"):
                Trainer(training(epochs=2), task, path)._restore()
    save_file(kept, state, about)
    Trainer(training(epochs=2), task, path)._restore()


@pytest.mark.parametrize(("law", "why"), [("0*r", "all of them are the same"), ("1e300*r", "their spread is")])
def test_a_law_without_a_force_to_learn_is_refused(law: str, why: str) -> None:
    shape = f"{{kind: formula, formula: '{law}'}}"
    text = TEXT.replace("{kind: gaussian_ring, radius_um: 2.5, width_um: 0.6, depth_kt: 5}", shape)
    wanted: Training = build(parse(text, "short.yaml"), Training)
    with pytest.raises(Refused, match=f"nothing can be learned from these answers, since {why}"):
        wanted.task.make()


AT = {"epoch": 1, "seconds": 1.0, "best": 1.0, "best_epoch": 1, "stale": 0, "rows": []}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"at": "no JSON"},
        {"at": "5"},
        {"at": json.dumps({**AT, "other": 1})},
        {"at": json.dumps({**AT, "rows": 5})},
        {"at": json.dumps({**AT, "rows": [["a"]]})},
        {"at": json.dumps({**AT, "epoch": "x"})},
        {"at": json.dumps({**AT, "epoch": 10**30})},
        {"at": json.dumps({**AT, "best": math.nan})},
        {"at": json.dumps({**AT, "best": -1})},
        {"at": json.dumps({**AT, "seconds": math.nan})},
        {"at": json.dumps({**AT, "seconds": math.inf})},
        {"tensor": "other.weight"},
        {"tensor": "adam.x.step"},
        {"tensor": "mean.other"},
    ],
)
def test_a_state_with_wrong_metadata_is_refused(tmp_path: Path, task: Task, changed: dict[str, str]) -> None:
    path = tmp_path / "one.json"
    begun = Trainer(training(epochs=2), task, path)
    begun._keep()
    state = path.with_suffix(".state.safetensors")
    tensors = load_file(state)
    about = {"settings": repr(begun.settings)}
    if name := changed.get("tensor"):
        tensors[name] = torch.zeros(1)
        about["at"] = json.dumps(AT)
    save_file(tensors, state, about | {key: value for key, value in changed.items() if key == "at"})
    path.with_suffix(".csv").unlink()
    with pytest.raises(Refused, match=r"one\.state\.safetensors: .*; remove it to begin anew"):
        Trainer(training(epochs=2), task, path).run()


def test_the_error_of_a_full_disk_names_the_state_file(tmp_path: Path, task: Task) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits on files")
    begun = Trainer(training(), task, tmp_path / "full.json")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as failed:
            begun._keep()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.value.filename == str(tmp_path / "full.state.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_not_named_by_its_card_is_refused(tmp_path: Path, task: Task) -> None:
    with pytest.raises(Refused, match="named by its card"):
        Trainer(training(out="one.pt"), task, tmp_path / "one.pt")


def test_training_stops_without_improvement(tmp_path: Path, task: Task) -> None:
    card = Trainer(
        training(learning_rate=1e-9, schedule="constant", patience=2, average=0.0, epochs=50),
        task,
        tmp_path / "still.json",
    ).run()
    assert card.trained.epochs < 50


def test_a_missing_device_is_refused(tmp_path: Path, task: Task) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(Refused, match="no CUDA device"):
        Trainer(training(device="cuda"), task, tmp_path / "none.json")


def test_wrong_keys_are_refused() -> None:
    with pytest.raises(Refused, match="did you mean 'learning_rate'"):
        build(parse(TEXT.replace("learning_rate", "learning_rte"), "short.yaml"), Training)
    with pytest.raises(Refused, match="egnn"):
        build(parse(TEXT.replace("kind: egnn", "kind: egn"), "short.yaml"), Training)


NETWORK = "network: {kind: egnn, width: 16, layers: 1, cutoff: 4.5, radial: 16}"
IMPOSSIBLE = {
    ("points_most: 12", "points_most: 6\n  points_least: 9"): r"line 3: 'task': 'points_least' is 9, more than .* 6",
    ("points_most: 12", "nearest_um: 3"): r"line 3: 'task': 'nearest_um' is 3, more than 'spacing_um', 2.5",
    (NETWORK, "network: {kind: ponita, width: 256, grid: 1024}"): r"'network': layers \* width \* grid\^2 is 536870912",
    ("width: 16", "width: 10000000"): r"line 8: 'network.width' is 10000000, and it should be less",
    (", cutoff: 4.5", ""): r"line 8: 'network': 'radial' is 16, and it needs a 'cutoff'",
    (", cutoff: 4.5, radial: 16", ""): r"'network.cutoff' is left out, and within a reach",
    ("cutoff: 4.5", "cutoff: 4.6"): r"'network.cutoff' is 4.6, which is beyond the reach of 4.5",
    (NETWORK, "network: {kind: fa_gnn, width: 60}"): r"'network.kind' is fa_gnn, which has no cut-off",
    (NETWORK, "network: {kind: fa_gnn, width: 61}"): r"'network.width' is 61, and fa_gnn needs a multiple .*, 2",
}


@pytest.mark.parametrize("change", IMPOSSIBLE)
def test_an_impossible_training_is_refused_with_file_and_key(change: tuple[str, str]) -> None:
    with pytest.raises(Refused, match=rf"short\.yaml.*{IMPOSSIBLE[change]}"):
        build(parse(TEXT.replace(*change), "short.yaml"), Training)


def test_every_training_of_the_project_can_be_started() -> None:
    root = Path(__file__).parents[2]
    files = [*root.glob("config/trainings/*.yaml"), *root.glob("benchmarks/nbody/*.yaml")]
    assert len(files) == 7
    for path in files:
        build(read(path), Training)


def test_evaluation_generates_the_same_data_again(tmp_path: Path, task: Task) -> None:
    path = tmp_path / "short.json"
    card = Trainer(training(augment=True), task, path).run()
    found = evaluate(path)
    assert found.test**2 == pytest.approx(card.metrics["test_mse"], rel=1e-6)
    assert found.rotation < 1e-4
    assert found.reflection < 1e-4
    assert 0 < found.relative < 1
    assert found.same_data


ALONE = """
title: alone
task:
  kind: clone
  shape: {kind: gaussian_ring, radius_um: 2.5, width_um: 0.6, depth_kt: 5}
  examples: 30
  points_most: 2
  reach_um: 1.6
network: NETWORK
out: alone.json
epochs: 2
batch: 2
learning_rate: 1e-2
"""


@pytest.mark.parametrize("kind", ["ponita", "ponita_points"])
def test_a_first_batch_without_edges_leaves_the_weights_finite(tmp_path: Path, kind: str) -> None:
    network = f"{{kind: {kind}, width: 8, layers: 1, cutoff: 1.6}}"
    wanted: Training = build(parse(ALONE.replace("NETWORK", network), "alone.yaml"), Training)
    task = wanted.task.make()
    trainer = Trainer(wanted, task, tmp_path / "alone.json")
    assert len(task.batch("train", next(trainer._order()))[0].receiver) == 0
    trainer.run()
    load_checkpoint(tmp_path / "alone.json")


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path, task: Task) -> None:
    trainer = Trainer(training(epochs=1), task, tmp_path / "bad.json")
    trainer._epoch()
    next(iter(trainer.best.values()))[0] = float("nan")
    with pytest.raises(Refused, match=r"short: after the training '.*' holds numbers that are not finite"):
        trainer.run(resume=False)
    assert not (tmp_path / "bad.json").exists()


SHIPPED = sorted((Path(__file__).parents[2] / "config/checkpoints").glob("*.json"))
EVALUATED = """
import sys
from pathlib import Path
from models.evaluate import evaluate
for path in sys.argv[1:]:
    found = evaluate(Path(path))
    print(found.test**2 / found.card.metrics["test_mse"])
"""


def test_shipped_checkpoints_are_evaluated_without_avx_512() -> None:
    """Without AVX-512, exp, sin and cos of NumPy differ in the last digits, and so do the data."""
    assert len(SHIPPED) == 3
    simple = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL", "OMP_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", EVALUATED, *map(str, SHIPPED)], env=simple, cwd=SHIPPED[0].parents[2],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert [float(ratio) for ratio in said.stdout.split()] == pytest.approx([1.0] * 3, rel=1e-3)


def test_data_made_by_another_recipe_are_refused(tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "short.json"
    Trainer(training(epochs=2), task, path).run()
    other = replace(build(parse(TEXT, "short.yaml"), CloneTask, ("task",)), seed=2).make()
    monkeypatch.setattr("models.training.CloneTask.make", lambda _: other)
    with pytest.raises(Refused, match=r"its test error is .* on data made anew, and its card states"):
        evaluate(path)


def test_random_rotations_are_proper_and_reproducible() -> None:
    for dimension in (2, 3):
        turn = random_rotation(dimension, (1, 2, 3))
        assert torch.allclose(turn @ turn.T, torch.eye(dimension, dtype=torch.float64), atol=1e-12)
        assert torch.linalg.det(turn).item() == pytest.approx(1)
        assert torch.equal(turn, random_rotation(dimension, (1, 2, 3)))
        assert not torch.equal(turn, random_rotation(dimension, (1, 2, 4)))
