"""A run records the weights of its network: with other weights it does not verify, and info names them."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from app.analysis.run_description import info, text
from app.assembly.plan import pinned, plan
from app.assembly.replay_plan import plan_replay
from app.assembly.rig import EXPERIMENTS, RecordedRig
from app.commands.train import train_network
from app.commands.verify import verify_run
from app.running.headless import fly
from benchmarks.learned_flight import RING_UM, order
from config.reader import read
from config.refused import Refused
from control.policies.policy_settings import Trap
from drivers.journal import read_run

CHECKPOINTS = EXPERIMENTS.parent / "checkpoints"
EXPERIMENT = f"""
title: learned
rig: {EXPERIMENTS.parent / "rigs/simulated.yaml"}
set: {{camera.fps: 50, sample.number: 7, sample.arrangement: hexagonal, sample.spacing_um: 2.5}}
policy: {{kind: learned, checkpoint: policy.json}}
"""


def put_checkpoint(folder: Path, name: str) -> None:
    for ending in (".json", ".safetensors"):
        shutil.copy(CHECKPOINTS / f"ring_{name}{ending}", folder / f"policy{ending}")


def test_a_run_verifies_only_with_its_own_weights(tmp_path: Path) -> None:
    put_checkpoint(tmp_path, "egnn")
    (tmp_path / "learned.yaml").write_text(EXPERIMENT)
    run_file = tmp_path / "run.h5"
    fly(plan(tmp_path / "learned.yaml"), 0.2, run_file, False, "learned")
    assert verify_run(run_file, json=None) == 0
    card_sha256 = read(tmp_path / "policy.json").data["card_sha256"]
    with read_run(run_file) as run:
        assert card_sha256 in run.header.experiment
    assert info(run_file)["checkpoints"] == [("policy.json", card_sha256)]
    assert f"policy.json ({card_sha256[:12]})" in text(info(run_file))
    put_checkpoint(tmp_path, "ponita")
    with pytest.raises(
        Refused, match=rf"policy\.json: the checkpoint is not the one that flew .* was {card_sha256[:12]}"
    ):
        verify_run(run_file, json=None)


@pytest.mark.parametrize("name", ["egnn", "ponita"])
def test_a_network_holds_the_crystal_that_it_was_trained_for(tmp_path: Path, name: str) -> None:
    """Seven particles; without light the same seed loses the crystal. In lockstep: independent of the load of the
    computer."""
    put_checkpoint(tmp_path, name)
    (tmp_path / "learned.yaml").write_text(EXPERIMENT)
    found = {}
    for armed in (True, False):
        run_file = tmp_path / f"{armed}.h5"
        fly(plan(tmp_path / "learned.yaml", None, ("seed=3",)), 5.0, run_file, False, "learned", armed=armed)
        with read_run(run_file) as run:
            kept = [turn.tracks.position_um for turn in run.turns(len(run) - 50)]
        found[armed] = np.array([order(place_um) for place_um in kept if len(place_um) == 7])
    psi6, bond_um, six = np.nanmean(found[True], axis=0)
    assert psi6 > 0.9
    assert abs(bond_um - RING_UM) < 0.02 * RING_UM
    assert six == 1.0  # the particle in the centre, in every turn
    assert found[False][:, 2].mean() < 0.5


def test_an_older_run_with_ignored_settings_verifies_and_replays(tmp_path: Path) -> None:
    put_checkpoint(tmp_path, "egnn")
    (tmp_path / "learned.yaml").write_text(EXPERIMENT)
    made = pinned(plan(tmp_path / "learned.yaml"))
    old = replace(made.experiment, mode="landscape", trap=Trap(predict=True))
    rig = RecordedRig(**{one.name: getattr(made.rig, one.name) for one in fields(made.rig)})
    run_file = tmp_path / "run.h5"
    fly(replace(made, experiment=old, rig=rig), 0.1, run_file, True, "learned")
    with read_run(run_file) as run:
        assert "mode: landscape" in run.header.experiment
    assert verify_run(run_file, json=None) == 0
    again = plan_replay(run_file, None, None, ()).experiment
    assert (again.mode, again.trap.predict) == ("steered", False)


TRAINING = """
title: short
task: {kind: clone, shape: {kind: gaussian_ring}, examples: 20, points_most: 4}
network: {kind: egnn, width: 4, layers: 1, cutoff: 4.5}
epochs: 1
"""


def test_a_training_overwrites_no_checkpoint_but_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.yaml").write_text(TRAINING)
    put_checkpoint(tmp_path, "egnn")
    before = (tmp_path / "policy.json").read_bytes()
    with pytest.raises(Refused, match=r"policy\.json: a checkpoint is there that this training has not made"):
        train_network(tmp_path / "short.yaml", tmp_path / "policy.json", json=None)
    assert (tmp_path / "policy.json").read_bytes() == before
    for _ in range(2):  # its own may be replaced
        train_network(tmp_path / "short.yaml", json=None)
    assert (tmp_path / "runs/trained/short.json").exists()


def test_shipped_trainings_do_not_replace_shipped_checkpoints() -> None:
    for path in EXPERIMENTS.parent.glob("trainings/*.yaml"):
        assert "out" not in read(path).data
