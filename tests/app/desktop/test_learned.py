"""A learned law is chosen and applied in the window; a broken checkpoint is refused with a message."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.analysis.run_description import info
from app.assembly.open import open_instrument
from app.assembly.rig import EXPERIMENTS
from app.commands.verify import verify_run
from app.desktop.forms.checkpoint_editor import CHECKPOINTS, CheckpointEditor
from app.desktop.forms.form import Variant
from app.desktop.panels.experiment_panel import ExperimentPanel
from app.desktop.window.main_window import Window
from app.desktop.window.open import application, planner
from app.desktop.window.session import Session, Wiring, save_experiment
from app.running.plan_check import CHECKING
from app.running.thread import beam_is_on
from config.reader import read
from control.contract import Level
from control.policies.learned_law import Learned
from tests.app.desktop.lit import arm_until_lit
from tests.app.desktop.test_wheel import wheel_changes_nothing

RING = EXPERIMENTS / "ring_crystal.yaml"
# slow particles, so that a busy computer does not lose the crystal before it is armed
SETS = ("camera.fps=50", "loop.stale_periods=500", "loop.window_timeout_s=60", "plant.drag_pn_s_per_um=0.18")


def opened(qtbot: QtBot, runs: Path, apart: bool = False, experiment: Path = RING) -> Window:
    application()
    path, made = planner(None, experiment, SETS)
    window = Window(
        Session(made, Wiring(apart=open_instrument if apart else None)), path, runs,
        lambda chosen: planner(chosen, None, SETS)[1],
    )  # fmt: skip
    qtbot.addWidget(window)
    window.show()
    return window


def choose(panel: ExperimentPanel, checkpoint: str) -> None:
    """Choose the kind of law, then the checkpoint, from their lists."""
    policy = panel.law.rows["policy"]
    assert isinstance(policy, Variant)
    policy.kind.setCurrentText("learned")
    policy.kind.activated.emit(policy.kind.currentIndex())
    assert isinstance(policy.fields, CheckpointEditor)
    policy.fields.box.setCurrentText(checkpoint)
    policy.fields.box.activated.emit(policy.fields.box.currentIndex())


def stated(network: str) -> str:
    """The SHA-256 that a card states."""
    return str(read(CHECKPOINTS / f"ring_{network}.json").data["card_sha256"])


@pytest.mark.parametrize(
    ("network", "apart"),
    [
        ("egnn", True),
        pytest.param("egnn", False, marks=pytest.mark.slow),
        pytest.param("ponita", True, marks=pytest.mark.slow),
    ],
)
def test_a_learned_law_is_applied_in_flight_and_its_record_verifies(
    qtbot: QtBot, tmp_path: Path, network: str, apart: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    window = opened(qtbot, tmp_path, apart)
    session, acts, panel = window.session, window.actions_bar, window.panel
    acts.start.trigger()
    qtbot.waitUntil(acts.arm.isEnabled)
    arm_until_lit(qtbot, session)
    choose(panel, f"../checkpoints/ring_{network}.json")
    qtbot.waitUntil(lambda: panel.trouble.text() != CHECKING)
    assert panel.trouble.text() == ""
    panel.apply_button.click()
    assert isinstance(session.plan.experiment.policy, Learned)
    acts.record.trigger()
    qtbot.waitUntil(lambda: session.live is not None and session.live.recording)
    first = session.newest.number  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: session.newest.number > first + 100)  # type: ignore[union-attr]
    assert session.newest.level is Level.ARMED  # type: ignore[union-attr]
    assert len(session.newest.wanted.force_pn) == 7  # type: ignore[union-attr]
    acts.record.trigger()
    qtbot.waitUntil(lambda: session.live is not None and not session.live.recording)
    window.close()
    (record,) = tmp_path.glob("*.h5")
    assert verify_run(record, json=None) == 0, capsys.readouterr().out
    assert info(record)["checkpoints"] == [(f"../checkpoints/ring_{network}.json", stated(network))]


def broken(folder: Path, how: str) -> Path:
    """A copy of a checkpoint, damaged or removed so that it must be refused."""
    for path in CHECKPOINTS.glob("ring_egnn.*"):
        shutil.copy(path, folder)
    card, weights = folder / "ring_egnn.json", folder / "ring_egnn.safetensors"
    data = bytearray(weights.read_bytes())
    if how == "a changed byte":
        data[-5] ^= 1
        weights.write_bytes(data)
    elif how == "truncated":
        weights.write_bytes(data[:-100])
    elif how == "a pickle in disguise":
        weights.write_bytes(b"\x80\x04cos\nsystem\n.")
    elif how == "other units":
        card.write_text(card.read_text().replace('"length": "um"', '"length": "1"'))
    else:
        card.unlink()
    return card


@pytest.mark.parametrize("how", ["a changed byte", "truncated", "a pickle in disguise", "other units", "not there"])
def test_a_broken_checkpoint_is_refused_and_changes_nothing(qtbot: QtBot, tmp_path: Path, how: str) -> None:
    window = opened(qtbot, tmp_path)
    before = window.session.plan
    choose(window.panel, str(broken(tmp_path, how)))
    said = window.panel.trouble.text()
    assert "ring_egnn" in said
    assert "\n" not in said
    assert not window.panel.apply_button.isEnabled()
    window.panel.apply()  # although the button is disabled
    assert window.panel.trouble.text() == said
    assert window.session.plan == before
    assert not beam_is_on(window.session.newest)
    window.panel.undo_button.click()
    window.panel.undo_button.click()
    assert window.panel.trouble.text() == ""
    window.close()


def test_available_checkpoints_and_their_training_range_are_shown(qtbot: QtBot, tmp_path: Path) -> None:
    window = opened(qtbot, tmp_path)
    choose(window.panel, "../checkpoints/ring_ponita.json")
    policy = window.panel.law.rows["policy"]
    assert isinstance(policy, Variant)
    assert isinstance(policy.fields, CheckpointEditor)
    listed = [policy.fields.box.itemText(index) for index in range(policy.fields.box.count())]
    assert [f"../checkpoints/ring_{name}.json" for name in ("egnn", "fa_egnn", "ponita")] == listed
    assert "2 to 37 particles" in policy.fields.said.text()
    assert policy.fields.box in wheel_changes_nothing(window)
    window.close()


def test_only_the_law_in_force_has_the_sha256_of_its_card(qtbot: QtBot, tmp_path: Path) -> None:
    window = opened(qtbot, tmp_path, experiment=EXPERIMENTS / "learned_ring_crystal_egnn.yaml")
    flown, edited = window.session.plan.experiment.policy, window.panel.read().policy
    assert isinstance(flown, Learned)
    assert isinstance(edited, Learned)
    assert (flown.card_sha256, edited.card_sha256) == (stated("egnn"), "")
    assert not window.panel.apply_button.isEnabled()
    window.close()


def test_a_saved_experiment_finds_its_checkpoint(qtbot: QtBot, tmp_path: Path) -> None:
    window = opened(qtbot, tmp_path)
    choose(window.panel, "../checkpoints/ring_egnn.json")
    path = tmp_path / "deep" / "own.yaml"
    path.parent.mkdir()
    save_experiment(window.session.plan, window.panel.read(), path)
    window.close()
    assert read(path).data["policy"]["card_sha256"] == ""  # any version of the checkpoint is accepted
    law = planner(None, path, SETS)[1].experiment.policy
    assert isinstance(law, Learned)
    assert (path.parent / law.checkpoint).resolve() == (CHECKPOINTS / "ring_egnn.json").resolve()
