"""A law in a Python file runs in the window only after the user permits it in a question that shows its path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication, QLabel, QMessageBox
from pytestqt.qtbot import QtBot

from app.assembly.open import open_instrument
from app.assembly.python_law import NotAllowed, allowed
from app.commands.verify import verified
from app.console.progress import silent
from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.python_permission import with_permission
from app.desktop.window.session import Session, Wiring
from control.contract import Level
from control.policies.python_law import PythonLaw
from tests.app.desktop.lit import arm_until_lit
from tests.app.laws import SPRING, lay_out

MARK = 'from pathlib import Path\n\nPath(__file__).with_name("it_ran").touch()\n'


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[Window]:
    """The window with the first experiment, its loop in a process."""
    application()
    path, made = planner(None, None)
    session = Session(made, Wiring(apart=open_instrument))
    opened = Window(session, path, tmp_path, lambda file, *more: planner(file, None, more)[1])
    qtbot.addWidget(opened)
    opened.show()
    yield opened
    opened.close()


def asked(window: Window) -> str:
    """The text of the question."""
    return " ".join(label.text() for label in window.video_questions.findChildren(QLabel))


def run_it(window: Window) -> None:
    """Press the question's button."""
    assert window.video_questions.use is not None
    window.video_questions.use.click()


def applied(window: Window) -> bool:
    """Whether a recent turn contains an APPLY."""
    live = window.session.live
    return live is not None and any(order.kind == "APPLY" for _, turn in live.recent() for order in turn.orders)


def test_the_question_for_an_opened_experiment_shows_the_path_of_its_law(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    experiment = lay_out(tmp_path / "lab", source=MARK + SPRING)
    window.files.open(experiment)
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert window.video_questions.isVisible()
    assert not window.video_questions.isModal()
    assert str(tmp_path / "lab" / "my_laws.py") in asked(window)
    assert window.path == FIRST
    window.video_questions.reject()
    assert not (tmp_path / "lab" / "it_ran").exists()
    window.files.open(experiment)
    qtbot.waitUntil(lambda: window.files.reading is None)
    run_it(window)
    qtbot.waitUntil(lambda: window.files.reading is None and window.path == experiment)
    assert (tmp_path / "lab" / "it_ran").exists()
    assert isinstance(window.session.plan.experiment.policy, PythonLaw)
    assert not window.video_questions.isVisible()


def test_a_law_that_is_applied_in_flight_runs_in_the_loop_s_process(
    window: Window, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process starts before the permission is given."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    window.actions_bar.start.trigger()
    qtbot.waitUntil(window.actions_bar.arm.isEnabled)
    arm_until_lit(qtbot, window.session)
    window.session.record(tmp_path / "run.h5")
    qtbot.waitUntil(lambda: not window.session.asked_to_record)
    data = window.panel.data()
    policy = {
        "kind": "python",
        "law": "my_laws:Spring",
        "parameters": {"stiffness_pn_per_um": 0.05},
        "source_sha256": "",
    }
    window.panel.show_data({**data, "policy": policy})
    assert window.video_questions.isVisible()
    assert str(tmp_path / "my_laws.py") in asked(window)
    assert not window.panel.apply_button.isEnabled()
    run_it(window)
    assert window.panel.apply_button.isEnabled()
    window.panel.apply_button.click()
    qtbot.waitUntil(lambda: applied(window))
    qtbot.wait(200)
    newest = window.session.newest
    assert newest is not None
    assert newest.level is Level.ARMED, newest.reason
    window.session.record(None)
    qtbot.waitUntil(lambda: not window.session.asked_to_record and not window.session.recording)
    window.close()
    assert verified(tmp_path / "run.h5", silent)


def pressed(button: str) -> None:
    """Press this button of the open dialog."""
    (box,) = [one for one in QApplication.topLevelWidgets() if isinstance(one, QMessageBox) and one.isVisible()]
    next(one for one in box.buttons() if one.text() == button).click()


@pytest.mark.parametrize("button", ["Run it", "Not now"])
def test_a_dialog_asks_before_the_window_opens(qtbot: QtBot, tmp_path: Path, button: str) -> None:
    experiment = lay_out(tmp_path)
    QTimer.singleShot(300, lambda: pressed(button))
    if button == "Run it":
        assert with_permission(lambda: planner(None, experiment))[0] == experiment
        assert allowed() == ("my_laws",)
    else:
        with pytest.raises(NotAllowed):
            with_permission(lambda: planner(None, experiment))
        assert allowed() == ()
