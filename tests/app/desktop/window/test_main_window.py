"""User actions in the window, and their results."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PyQt6.QtCore import QMimeData, QPointF, Qt, QUrl
from PyQt6.QtGui import QDropEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QComboBox, QDockWidget, QWidget
from pytestqt.qtbot import QtBot

from app.assembly.rig import Plan
from app.desktop.forms.form import Fields, Items, Variant
from app.desktop.forms.value_editors import Editor
from app.desktop.panels.experiment_panel import ExperimentPanel
from app.desktop.window import theme
from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, planner
from app.desktop.window.remembered_layout import RememberedLayout
from app.desktop.window.session import Session
from app.running.thread import beam_is_on
from config.refused import Refused
from control.contract import DARK, Fault, Forces, Level, OrderKind, Tracks, Turn
from control.experiment import Experiment
from control.policies.programmed_law import Programmed
from drivers.readback import Returned
from tests.app.desktop.lit import arm_until_lit
from tests.app.desktop.toy import Recorder, Toy, planned, wiring
from tests.patience import PATIENCE_S


class Bench:
    def __init__(self, qtbot: QtBot, runs: Path) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.dress(app)
        made = planned()
        wires, self.toys, self.recorders = wiring()
        self.qtbot, self.window = qtbot, Window(Session(made, wires), FIRST, runs, lambda path: planner(path, None)[1])
        qtbot.addWidget(self.window)
        self.window.show()

    @property
    def toy(self) -> Toy:
        return self.toys[-1]

    @property
    def level(self) -> Level | None:
        newest = self.window.session.newest
        return newest.level if newest is not None else None

    def armed(self) -> None:
        self.window.actions_bar.start.trigger()
        self.qtbot.waitUntil(self.window.actions_bar.arm.isEnabled)
        arm_until_lit(self.qtbot, self.window.session)


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path)
    yield made
    made.window.close()


def test_start_arm_escape(bench: Bench) -> None:
    window = bench.window
    assert window.strip.level.word == "OFF"
    assert not window.actions_bar.arm.isEnabled()
    bench.armed()
    bench.qtbot.waitUntil(lambda: window.strip.beam.word.startswith("BEAM ON"))
    assert window.strip.level.word == "ARMED"
    press_escape(force(window.panel).rows["delay_s"])
    bench.qtbot.waitUntil(lambda: window.strip.level.word == "SAFE")
    assert window.strip.beam.word == "dark"
    assert "dark" in window.status.currentMessage()
    assert len(bench.toy.beam.last) == 0


def test_a_trip_is_shown_and_ends_by_reset_then_arm(bench: Bench) -> None:
    window = bench.window
    bench.armed()
    bench.toy.camera.fault = "the cable is out"
    bench.qtbot.waitUntil(lambda: window.strip.level.word == "TRIPPED")
    assert "the cable is out" in window.strip.reason.whole
    bench.toy.camera.fault = ""
    assert not window.actions_bar.arm.isEnabled()
    bench.qtbot.waitUntil(window.actions_bar.reset.isEnabled)
    window.actions_bar.reset.trigger()
    bench.qtbot.waitUntil(window.actions_bar.arm.isEnabled)
    window.actions_bar.arm.trigger()
    bench.qtbot.waitUntil(lambda: beam_is_on(window.session.newest))


def test_closing_is_dark(bench: Bench) -> None:
    bench.armed()
    bench.window.close()
    assert bench.toy.beam.closed
    assert len(bench.toy.beam.last) == 0


def test_an_exception_in_the_window_trips(bench: Bench) -> None:
    bench.armed()
    bench.window.fail(RuntimeError("a plot without axes"))
    bench.qtbot.waitUntil(lambda: bench.level is Level.TRIPPED)
    bench.qtbot.waitUntil(lambda: "a plot without axes" in bench.window.strip.reason.whole)


def force(panel: ExperimentPanel) -> Fields:
    """The editors of the first force."""
    policy = panel.law.rows["policy"]
    assert isinstance(policy, Variant)
    assert isinstance(policy.fields, Fields)
    forces = policy.fields.rows["forces"]
    assert isinstance(forces, Items)
    first = forces.items[0]
    assert isinstance(first, Variant)
    assert isinstance(first.fields, Fields)
    return first.fields


def press_escape(widget: QWidget) -> None:
    QTest.keyClick(widget, Qt.Key.Key_Escape)  # type: ignore[call-overload]  # the type stubs expect `self`


def write(editor: Editor, value: object) -> None:
    """Put a value into an editor, like an edit by a user."""
    editor.put(value)
    editor.edited.emit()


def delay_s(experiment: Experiment) -> float | None:
    assert isinstance(experiment.policy, Programmed)
    return experiment.policy.forces[0].delay_s


def test_edit_predict_undo_redo_apply(bench: Bench) -> None:
    window, panel = bench.window, bench.window.panel
    before = window.session.plan.experiment
    bench.armed()
    window.actions_bar.record.trigger()
    bench.qtbot.waitUntil(lambda: bool(bench.recorders) and len(bench.recorders[0].turns) > 2)
    assert not panel.apply_button.isEnabled()
    assert panel.predicted.read()["speed"] == "1.84 µm/s"
    write(force(panel).rows["delay_s"], 0.25)
    assert panel.predicted.read()["z = κτ"] == "5.86"
    assert panel.apply_button.isEnabled()
    panel.undo_button.click()
    assert panel.read() == before
    assert not panel.apply_button.isEnabled()
    panel.redo_button.click()
    assert delay_s(panel.read()) == 0.25
    panel.apply_button.click()
    assert delay_s(window.session.plan.experiment) == 0.25
    bench.qtbot.waitUntil(lambda: bool(applied(bench.recorders[0])))
    assert "delay_s: 0.25" in applied(bench.recorders[0])[0]
    assert not panel.apply_button.isEnabled()
    assert bench.level is Level.ARMED


def applied(recorder: Recorder) -> list[str]:
    return [order.text for turn in recorder.turns for order in turn.orders if order.kind == "APPLY"]


def test_an_invalid_experiment_can_not_be_applied(bench: Bench) -> None:
    panel = bench.window.panel
    write(force(panel).rows["delay_s"], 0.001)
    assert not panel.apply_button.isEnabled()
    assert "delay_s is 0.001 s" in panel.trouble.text()
    panel.undo_button.click()
    assert panel.trouble.text() == ""
    write(panel.carrying.rows["species"], ["here", 2])
    assert "species.0" in panel.trouble.text()
    assert "the text 'here'" in panel.trouble.text()


def test_another_shape_keeps_common_values(bench: Bench) -> None:
    panel = bench.window.panel
    shape = force(panel).rows["shape"]
    assert isinstance(shape, Variant)
    write(shape.fields.rows["radius_um"], 1.7)  # type: ignore[union-attr]
    shape.kind.setCurrentText("gaussian_ring")
    shape.kind.activated.emit(shape.kind.currentIndex())
    assert shape.get()["kind"] == "gaussian_ring"
    assert shape.get()["radius_um"] == 1.7
    panel.undo_button.click()
    assert shape.get()["kind"] == "annular"
    assert shape.get()["radius_um"] == 1.7


def test_the_record_is_closed_with_the_window(bench: Bench) -> None:
    bench.armed()
    bench.window.actions_bar.record.trigger()
    bench.qtbot.waitUntil(lambda: bench.window.strip.record.word.startswith("REC"))
    bench.window.close()
    assert bench.recorders[0].closed


def test_one_press_of_escape_is_one_stop_even_from_an_open_list(bench: Bench) -> None:
    window = bench.window
    bench.armed()
    window.actions_bar.record.trigger()
    bench.qtbot.waitUntil(lambda: bool(bench.recorders) and len(bench.recorders[0].turns) > 2)
    mode = window.panel.carrying.rows["mode"].focusProxy()
    assert isinstance(mode, QComboBox)
    mode.showPopup()
    popup = mode.view()
    assert popup is not None
    press_escape(popup)
    bench.qtbot.waitUntil(lambda: bench.level is Level.SAFE)
    bench.qtbot.wait(100)
    stops = [order for turn in bench.recorders[0].turns for order in turn.orders if order.kind == "STOP"]
    assert len(stops) == 1


def test_another_experiment_opens_dark_and_ready_to_start(bench: Bench) -> None:
    window = bench.window
    bench.armed()
    beam = bench.toy.beam
    window.panel.list.chosen.emit(FIRST.parent / "ring_crystal.yaml")
    bench.qtbot.waitUntil(lambda: bench.window.files.reading is None)
    assert beam.closed
    assert window.session.plan.experiment.title == "Ring crystal"
    assert window.session.plan.rig.sample.number == 7
    assert window.panel.list.box.currentText() == "Ring crystal"
    assert window.panel.predicted.read()["lattice constant"] == "2.5 µm"
    assert window.strip.level.word == "OFF"
    assert window.actions_bar.start.isEnabled()


def test_save_and_open_again(bench: Bench, tmp_path: Path) -> None:
    window, panel = bench.window, bench.window.panel
    write(force(panel).rows["delay_s"], 0.75)
    wanted = panel.read()
    panel.list.saved.emit(tmp_path / "mine" / "slow.yaml")
    bench.qtbot.waitUntil(lambda: "can't be written" in panel.trouble.text())
    panel.list.saved.emit(tmp_path / "slow.yaml")
    bench.qtbot.waitUntil(lambda: "saved to" in window.status.currentMessage())
    panel.list.chosen.emit(tmp_path / "slow.yaml")
    bench.qtbot.waitUntil(lambda: bench.window.files.reading is None)
    assert delay_s(window.session.plan.experiment) == 0.75
    assert window.session.plan.experiment.policy == wanted.policy
    assert (tmp_path / window.session.plan.experiment.rig).resolve().is_file()


def test_a_failed_save_or_apply_stays_reported(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: the message was removed when the number of particles changed, and was nowhere else."""
    window, panel = bench.window, bench.window.panel
    bench.armed()
    panel.list.saved.emit(tmp_path / "no" / "slow.yaml")
    bench.qtbot.waitUntil(lambda: "can't be written" in panel.trouble.text())
    window.session.edits.particles = 6
    window.each_second()
    assert "can't be written" in panel.trouble.text()
    assert "can't be written" in window.status.currentMessage()
    assert "can't be written" in " ".join(window.log.read())
    write(force(panel).rows["delay_s"], 0.75)
    assert panel.trouble.text() == ""

    def refusing(_: object) -> None:
        raise Refused("not while a run is recorded")

    monkeypatch.setattr(window.session, "apply", refusing)
    panel.apply_button.click()
    window.session.edits.particles = 6
    window.each_second()
    assert panel.trouble.text() == "not while a run is recorded"
    assert "not while a run is recorded" in " ".join(window.log.read())


def test_a_bad_file_is_refused_in_a_sentence_and_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("title: bad\npolicy: {kind: programed}\n")
    bench.window.panel.list.chosen.emit(bad)
    bench.qtbot.waitUntil(lambda: bench.window.files.reading is None)
    assert "programed" in bench.window.strip.reason.whole
    assert bench.window.session.plan.experiment.title == "Annular activity"


def test_the_layout_is_remembered(bench: Bench, tmp_path: Path, qtbot: QtBot) -> None:
    memory = RememberedLayout(tmp_path)
    made = planned()
    first = Window(Session(made), FIRST, tmp_path, lambda path: planner(path, None)[1], memory)
    qtbot.addWidget(first)
    first.resize(1500, 820)
    first.show()
    log = first.findChild(QDockWidget, "Log")
    assert log is not None
    log.hide()
    first.close()
    again = RememberedLayout(tmp_path)
    assert again.path == FIRST
    second = Window(Session(made), FIRST, tmp_path, lambda path: planner(path, None)[1], again)
    qtbot.addWidget(second)
    second.show()
    hidden = second.findChild(QDockWidget, "Log")
    assert hidden is not None
    assert not hidden.isVisible()
    assert second.findChild(QDockWidget, "Observables").isVisible()


def test_tracking_is_changed_between_two_turns_and_recorded(bench: Bench) -> None:
    window = bench.window
    bench.armed()
    window.actions_bar.record.trigger()
    bench.qtbot.waitUntil(lambda: bool(bench.recorders) and len(bench.recorders[0].turns) > 2)
    write(window.devices.forms["tracking"].rows["minmass"], 777.0)
    assert window.devices.edits() == {"tracking.minmass": 777.0}
    window.devices.button.click()
    bench.qtbot.waitUntil(lambda: bool(applied(bench.recorders[0])))
    assert "tracking.minmass: 777" in applied(bench.recorders[0])[0]
    assert window.session.plan.rig.tracking.minmass == 777.0
    assert window.devices.edits() == {}
    assert not window.panel.apply_button.isEnabled()
    assert bench.level is Level.ARMED


def test_a_device_setting_closes_the_rig_dark(bench: Bench) -> None:
    window = bench.window
    bench.armed()
    beam = bench.toy.beam
    write(window.devices.forms["camera"].rows["exposure_s"], 0.004)
    window.devices.button.click()
    assert beam.closed
    assert window.session.plan.rig.camera.exposure_s == 0.004
    assert not window.session.running


def test_refused_settings_are_reported_in_the_device_panel(bench: Bench) -> None:
    window = bench.window
    write(window.devices.forms["tracking"].rows["diameter_px"], 12)
    window.devices.button.click()
    assert "odd" in window.devices.trouble.text()
    assert window.session.plan.rig.tracking.diameter_px != 12


def test_set_and_achieved_values_are_shown_side_by_side(bench: Bench) -> None:
    bench.armed()
    cells = bench.window.devices.answers.cells
    bench.qtbot.waitUntil(lambda: cells["spots"][1].text() not in ("–", "0"))
    assert cells["frame rate"][0].text() == "50 fps"
    assert cells["spots"][0].text() == cells["spots"][1].text()


def test_an_uncertain_particle_is_marked_and_counted(bench: Bench) -> None:
    """One of the seven simulated particles is always uncertain: its mark is a diamond, and it gets no light."""
    bench.armed()
    bench.window.poll()
    view = bench.window.view
    assert [len(mark.data) for mark in (view.good, view.new, view.uncertain)] == [6, 0, 1]
    assert view.uncertain.opts["symbol"] == "d"
    assert bench.window.status.numbers["identities"].text() == "identities 7 (0 new, 1 uncertain, 0 lost)"
    newest = bench.window.session.newest
    assert newest is not None
    assert 12 not in newest.allowed.particle
    assert (12, "its identity is uncertain") in newest.withheld


def test_a_particle_is_followed_and_released(bench: Bench) -> None:
    bench.armed()
    window = bench.window
    x, y = bench.toy.camera.place_um[3]
    window.mouse_tools.follow(window.mouse_tools.nearest(x, y))
    assert window.view.followed == 13
    bench.qtbot.waitUntil(lambda: len(window.view.chosen.data) == 1)
    window.mouse_tools.follow(13)
    assert window.view.followed == -1
    assert window.mouse_tools.nearest(-50.0, -50.0) == -1


def test_a_trap_is_dropped_dragged_undone(bench: Bench) -> None:
    bench.armed()
    window = bench.window
    before = window.session.plan.experiment
    actions = {action.text(): action for action in window.mouse_tools.menu(12.0, 9.0).actions()}
    actions["Drop a trap here"].trigger()
    policy = window.session.plan.experiment.policy
    assert isinstance(policy, Programmed)
    assert policy.forces[1].centre_um == (12.0, 9.0)  # type: ignore[attr-defined]
    handle = window.mouse_tools.traps[0]
    assert handle.isVisible()
    handle.setPos(14.0, 8.0)
    handle.sigPositionChangeFinished.emit(handle)
    policy = window.session.plan.experiment.policy
    assert isinstance(policy, Programmed)
    assert policy.forces[1].centre_um == (14.0, 8.0)  # type: ignore[attr-defined]
    assert bench.level is Level.ARMED
    window.panel.undo_stack.undo()
    window.panel.undo_stack.undo()
    assert window.panel.read() == before
    assert not handle.isVisible()


def test_a_particle_is_given_a_species(bench: Bench) -> None:
    bench.window.mouse_tools.give_species(2, 1)
    assert bench.window.session.plan.experiment.species == (0, 0, 1)


@pytest.mark.parametrize("typed", [5, None, "abc"])
def test_a_particle_is_given_a_species_despite_invalid_text(bench: Bench, typed: object) -> None:
    write(bench.window.panel.carrying.rows["species"], typed)
    bench.window.mouse_tools.give_species(2, 1)
    assert bench.window.session.plan.experiment.species == (0, 0, 1)


def test_a_trap_keeps_its_handle_while_the_experiment_is_not_valid(bench: Bench) -> None:
    """It moves its own trap, also after another force is removed; a trap without a valid position has no handle."""
    window, panel = bench.window, bench.window.panel
    for x_um in (5.0, 12.0):
        window.mouse_tools.drop_trap(x_um, 9.0)
    data = panel.data()
    forces = data["policy"]["forces"]
    invalid = {**data, "mode": "none such", "policy": {**data["policy"], "forces": forces[1:]}}
    panel.show_data(invalid)
    assert panel.trouble.text()
    handle = window.mouse_tools.traps[0]
    handle.setPos(6.0, 8.0)
    handle.sigPositionChangeFinished.emit(handle)
    assert [force["centre_um"] for force in panel.data()["policy"]["forces"]] == [[6.0, 8.0], [12.0, 9.0]]
    for typed in ("abc", [1.0], 5, [10**400, 1]):
        placed = [{**forces[1], "centre_um": typed}, forces[2]]
        panel.show_data({**invalid, "policy": {**data["policy"], "forces": placed}})
        assert [each.isVisible() for each in window.mouse_tools.traps] == [True, False]
    panel.show_data({**invalid, "policy": {**data["policy"], "forces": []}})
    before = panel.data()
    handle.sigPositionChangeFinished.emit(handle)
    window.mouse_tools.remove_trap(1)
    assert panel.data() == before


def test_an_exception_in_the_loop_is_shown_and_can_be_copied(bench: Bench) -> None:
    window = bench.window
    bench.armed()
    assert window.session.live is not None
    broken = replace(bench.toy.machine, policy=None)  # type: ignore[arg-type]
    window.session.live.order(OrderKind.APPLY, "", broken)
    bench.qtbot.waitUntil(lambda: window.strip.level.word == "OFF")
    assert "NoneType" in window.strip.reason.whole
    assert bench.toy.beam.closed
    assert any("Traceback" in line for line in window.log.read())
    window.log.filter.setText("NoneType")
    window.log.copy()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert "NoneType" in clipboard.text()
    assert "Traceback" not in clipboard.text()
    assert window.actions_bar.start.isEnabled()


def test_start_after_an_error_shows_nothing_of_the_previous_loop(bench: Bench) -> None:
    window = bench.window
    bench.armed()
    assert window.session.live is not None
    broken = replace(bench.toy.machine, policy=None)  # type: ignore[arg-type]
    window.session.live.order(OrderKind.APPLY, "", broken)
    bench.qtbot.waitUntil(lambda: window.strip.level.word == "OFF")
    go, real = threading.Event(), window.session.wiring.open_instrument

    def slow(made: Plan) -> Toy:
        assert go.wait(PATIENCE_S)
        return real(made)  # type: ignore[no-any-return]

    window.session.wiring = replace(window.session.wiring, open_instrument=slow)
    window.actions_bar.start.trigger()
    bench.qtbot.wait(200)
    assert window.strip.level.word == "OPENING"
    assert "NoneType" not in window.strip.reason.whole
    assert len(window.view.good.data) == 0
    go.set()
    bench.qtbot.waitUntil(window.actions_bar.arm.isEnabled)
    bench.qtbot.waitUntil(lambda: window.view.image.image is not None)
    assert window.view.notice.text() == ""


def test_a_rig_that_can_not_be_opened_after_an_error_is_reported(bench: Bench) -> None:
    """Regression: each poll reported the error of the previous loop instead."""
    window = bench.window
    bench.armed()
    assert window.session.live is not None
    broken = replace(bench.toy.machine, policy=None)  # type: ignore[arg-type]
    window.session.live.order(OrderKind.APPLY, "", broken)
    bench.qtbot.waitUntil(lambda: window.strip.level.word == "OFF")

    def gone(made: Plan) -> Toy:
        raise Fault("the camera is gone")

    window.session.wiring = replace(window.session.wiring, open_instrument=gone)
    window.actions_bar.start.trigger()
    bench.qtbot.waitUntil(lambda: any("the camera is gone" in line for line in window.log.read()))
    bench.qtbot.wait(100)
    assert window.strip.reason.whole == "the camera is gone"


def test_candidates_are_drawn_with_the_values_of_the_form(bench: Bench) -> None:
    window = bench.window
    bench.armed()
    window.devices.candidates.setChecked(True)
    bench.qtbot.waitUntil(lambda: len(window.view.kept.data) == 7)
    write(window.devices.forms["tracking"].rows["minmass"], 1e6)
    window.candidate_search.show()
    bench.qtbot.waitUntil(lambda: len(window.view.kept.data) == 0)
    assert len(window.view.rejected.data) >= 7
    write(window.devices.forms["tracking"].rows["diameter_px"], 12)
    window.candidate_search.show()
    bench.qtbot.waitUntil(lambda: "odd" in window.devices.trouble.text())  # a search may still be running
    window.devices.candidates.setChecked(False)
    assert len(window.view.rejected.data) == 0


def test_values_read_back_are_shown_beside_the_set_values(bench: Bench) -> None:
    answers = bench.window.devices.answers
    answers.show_returned([Returned("camera.exposure_s", 0.01, 0.02), Returned("laser.power_mw", 5.0, float("nan"))])
    assert [cell.text() for cell in answers.cells["camera exposure"]] == ["0.01 s", "0.02 s"]
    assert "color" in answers.cells["camera exposure"][1].styleSheet()
    assert answers.cells["laser power"][1].text() == "no answer"


def test_a_lasting_condition_is_logged_once(bench: Bench) -> None:
    log = bench.window.log
    turns = [blank(number, (f"{number} forces clipped, the largest from 0.{number} pN",)) for number in range(1, 90)]
    log.add(turns)
    assert sum("forces clipped" in line for line in log.read()) == 1
    log.add([blank(1000, ("3 forces clipped, the largest from 0.2 pN",))])
    assert sum("forces clipped" in line for line in log.read()) == 2


def blank(number: int, notes: tuple[str, ...]) -> Turn:
    now_s = 0.01 * number
    return Turn(
        number, None, now_s, (), Tracks(now_s), Forces(), DARK, DARK, Level.SAFE, "not yet armed", now_s, (), notes
    )


def test_the_families_are_in_the_chooser(bench: Bench) -> None:
    """Only families with images are listed; one opens like any other experiment, with its trap."""
    box = bench.window.panel.list.box
    titles = [box.itemText(index) for index in range(box.count())]
    assert "Many particles, two rings: square" in titles
    assert "One particle, delayed ring" not in titles  # positions without images
    made = planner(FIRST.parent / "families" / "d_square.yaml", None)[1]
    assert made.experiment.trap.depth_kt == pytest.approx(199, abs=1)
    assert made.experiment.about.startswith("Sixteen particles")


def test_stop_reports_dark_only_after_a_dark_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that hangs does not obey."""
    bench.armed()
    window, live = bench.window, bench.window.session.live
    assert live is not None
    with monkeypatch.context() as patched:
        patched.setattr(live, "order", lambda kind, text="": None)
        window.stop()
        number = live.newest.number if live.newest is not None else 0
        bench.qtbot.waitUntil(lambda: live.newest is not None and live.newest.number > number + 5)
        window.poll()
        assert window.status.currentMessage() == "STOP was sent"
    window.stop()
    bench.qtbot.waitUntil(lambda: window.status.currentMessage() == "STOP: the beam is dark")
    assert len(bench.toy.beam.last) == 0


def test_records_within_a_second_have_different_files(bench: Bench) -> None:
    paths = [bench.window._record_path() for _ in range(3)]
    assert len({*paths}) == 3


def test_a_dropped_web_link_is_refused_in_a_sentence(bench: Bench) -> None:
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/a.yaml")])
    copy, button, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    bench.window.dropEvent(QDropEvent(QPointF(5.0, 5.0), copy, data, button, keys))
    assert bench.window.files.reading is None
    assert bench.window.strip.reason.whole.startswith("https://example.org/a.yaml: only a file of this computer")
