"""Unsaved edits are kept when another experiment is chosen or the window is closed, by mouse or keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QComboBox, QDockWidget
from pytestqt.qtbot import QtBot

from app.assembly.plan import plan, unpinned
from app.assembly.replay_plan import plan_replay
from app.assembly.rig import RIGS
from app.desktop.forms.drawn_editor import DrawnEditor
from app.desktop.forms.formula_editor import FormulaEditor
from app.desktop.panels.experiment_panel import ExperimentPanel
from app.desktop.window import unsaved_edits
from app.desktop.window.file_dialog import FileDialog, Replace
from app.desktop.window.kept_plan import with_stored_edits
from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.remembered_layout import RememberedLayout
from app.desktop.window.session import Session
from app.desktop.window.unsaved_edits import MOST, Copies, Unsaved
from config.reader import plain
from config.refused import Refused
from control.potentials.drawn import Drawn
from tests.app.desktop.forms.test_editing_keys import focused, radius_box, radius_um, typed
from tests.app.desktop.panels.test_potential_edits import choose, shape_of
from tests.app.desktop.toy import planned, wiring
from tests.app.desktop.window.test_main_window import Bench
from tests.app.desktop.window.test_main_window import bench as bench

RING = FIRST.parent / "ring_crystal.yaml"
REAL: Any = QTest  # its type stubs do not declare the functions as static


def pick(window: Window, title: str) -> None:
    """Open the list and click the row with this title."""
    box = window.panel.list.box
    row = listed(box).index(title)
    box.showPopup()
    rows = box.view()
    assert rows is not None
    model = box.model()
    assert model is not None
    rows.scrollTo(model.index(row, 0))
    viewport = rows.viewport()
    assert viewport is not None
    at = rows.visualRect(model.index(row, 0)).center()
    REAL.mouseMove(viewport, at)
    REAL.qWait(QApplication.doubleClickInterval() + 50)  # a list ignores clicks while it opens
    REAL.mouseClick(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)


def listed(box: QComboBox) -> list[str]:
    return [box.itemText(row) for row in range(box.count())]


def read(bench: Bench) -> None:
    bench.qtbot.waitUntil(lambda: bench.window.files.reading is None)


def test_a_drawn_curve_and_its_undo_survive_another_experiment(bench: Bench) -> None:
    window, panel = bench.window, bench.window.panel
    bench.armed()
    assert isinstance(choose(panel, "drawn").fields, DrawnEditor)
    panel.plot.points.move(2, 1.7, -14.0)
    pick(window, "Ring crystal")
    bench.qtbot.waitUntil(lambda: window.session.plan.experiment.title == "Ring crystal")
    assert not panel.undo_stack.canUndo()
    kept = listed(panel.list.box)[0]
    assert kept.startswith("Annular activity · unsaved")
    assert kept in window.status.currentMessage()
    assert any(kept in line for line in window.log.read())
    pick(window, kept)
    bench.qtbot.waitUntil(lambda: window.session.plan.experiment.title == "Annular activity")
    found = shape_of(panel)
    assert isinstance(found, Drawn)
    assert found.radius_um[2] == 1.7
    assert panel.apply_button.isEnabled()  # the earlier law is in force
    assert kept not in listed(panel.list.box)
    for _ in range(2):
        assert panel.undo_button.isEnabled()
        REAL.mouseClick(panel.undo_button, Qt.MouseButton.LeftButton)
    assert shape_of(panel).kind == "annular"  # type: ignore[attr-defined]
    assert not panel.apply_button.isEnabled()
    pick(window, "Ring crystal")
    bench.qtbot.waitUntil(lambda: window.session.plan.experiment.title == "Ring crystal")
    assert not any("unsaved" in name for name in listed(panel.list.box))  # all was undone


def test_applied_edits_are_kept_until_they_are_saved(bench: Bench, tmp_path: Path) -> None:
    window = bench.window
    box = focused(bench, radius_box(bench))
    typed(box, "1.25")
    REAL.keyClick(box, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    pick(window, "Ring crystal")
    bench.qtbot.waitUntil(lambda: window.session.plan.experiment.title == "Ring crystal")
    pick(window, listed(window.panel.list.box)[0])
    bench.qtbot.waitUntil(lambda: window.session.plan.experiment.title == "Annular activity")
    assert radius_um(window.session.plan.experiment) == 1.25
    assert window.panel.undo_button.text() == "Undo, apply"
    window.save(tmp_path / "mine.yaml")
    bench.qtbot.waitUntil(lambda: "saved to" in window.status.currentMessage())
    window.files.open(FIRST.parent / "ring_crystal.yaml")
    read(bench)
    assert not any("unsaved" in name for name in listed(window.panel.list.box))  # a file contains the edits


def test_kept_edits_are_resumed_with_the_present_rig_file(bench: Bench) -> None:
    """Regression: they restored the earlier rig, with its map and its power cap."""
    window = bench.window
    choose(window.panel, "drawn")
    pick(window, "Ring crystal")
    bench.qtbot.waitUntil(lambda: window.session.plan.experiment.title == "Ring crystal")
    window.files._planner = lambda path, *more: planner(path, None, ("loop.power_cap_mw=20", *more))[1]
    pick(window, listed(window.panel.list.box)[0])
    bench.qtbot.waitUntil(lambda: window.session.plan.experiment.title == "Annular activity")
    assert window.session.plan.rig.loop.power_cap_mw == 20.0
    assert shape_of(window.panel).kind == "drawn"  # type: ignore[attr-defined]
    assert any("files of this rig have other settings" in line and "loop" in line for line in window.log.read())


def test_kept_edits_find_a_rig_of_the_command_line_again() -> None:
    """The more similar rig is used; a real rig that neither the file nor the command line names is refused."""
    real = plan(FIRST.parent / "ring_crystal.yaml", RIGS / "serial.yaml", ["set={}"])
    capped = plan(FIRST.parent / "ring_crystal.yaml", RIGS / "serial.yaml", ["set={}", "loop.power_cap_mw=20"])
    own = planned()
    assert with_stored_edits([own, capped], real).rig == capped.rig
    assert with_stored_edits([own], replace(own, rig=replace(own.rig, title="mine"))).rig.title == "mine"
    with pytest.raises(Refused, match="open that rig with this file again"):
        with_stored_edits([own], real)


def test_device_settings_are_kept_and_an_undo_of_the_law_leaves_them(bench: Bench) -> None:
    window = bench.window
    window.devices.forms["camera"].rows["exposure_s"].put(0.004)
    window.devices.forms["camera"].edited.emit()
    window.settings.change_rig({"tracking.memory": 7}, False)
    assert window.devices.edits() == {"camera.exposure_s": 0.004}
    window.files.open(FIRST.parent / "ring_crystal.yaml")
    read(bench)
    pick(window, listed(window.panel.list.box)[0])
    bench.qtbot.waitUntil(lambda: window.session.plan.experiment.title == "Annular activity")
    assert window.devices.edits() == {"camera.exposure_s": 0.004}
    assert window.session.plan.rig.tracking.memory == 7
    box = focused(bench, radius_box(bench))
    typed(box, "1.25")
    REAL.keyClick(box, Qt.Key.Key_Return)
    window.settings.change_rig({"tracking.memory": 5}, False)
    REAL.keyClick(box, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)  # undoes the rig, which was changed last
    assert window.session.plan.rig.tracking.memory == 7
    assert radius_um(window.panel.read()) == 1.25
    REAL.keyClick(box, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)  # undoes the law only
    assert window.panel.data()["set"]["tracking.memory"] == 7
    assert not window.panel.apply_button.isEnabled()


@pytest.mark.parametrize("asks", [True, False])
def test_a_save_dialog_is_closed_when_another_experiment_is_shown(bench: Bench, tmp_path: Path, asks: bool) -> None:
    window, panel = bench.window, bench.window.panel
    path = tmp_path / "A.yaml"
    path.write_text("as it was")
    REAL.mouseClick(panel.list.save_button, Qt.MouseButton.LeftButton)
    dialog = panel.list.dialog
    assert isinstance(dialog, FileDialog)
    if asks:
        dialog.fileSelected.emit(str(path))
        assert isinstance(panel.list.dialog, Replace)
    panel.list.chosen.emit(RING)
    read(bench)
    assert window.session.plan.experiment.title == "Ring crystal"
    assert panel.list.dialog is None
    assert not any(isinstance(one, Replace) and one.isVisible() for one in QApplication.topLevelWidgets())
    assert any("dialog to save was closed" in line for line in window.log.read())
    assert path.read_text() == "as it was"


def test_a_dialog_to_open_stays_when_another_experiment_is_shown(bench: Bench) -> None:
    listed = bench.window.panel.list
    bench.window.files.open(RING)
    listed._ask(False)
    read(bench)
    assert listed.dialog is not None
    listed.close_dialog()


@pytest.mark.parametrize("floats", ["Experiment", "Devices"])
def test_a_typed_value_in_a_floating_panel_is_kept(bench: Bench, floats: str) -> None:
    window = bench.window
    (dock,) = (dock for dock in window.findChildren(QDockWidget) if dock.windowTitle() == floats)
    dock.setFloating(True)
    dock.show()
    dock.activateWindow()
    box: Any = radius_box(bench)
    if floats == "Devices":
        window.devices.part.setCurrentText("camera")
        window.devices.part.activated.emit(window.devices.part.currentIndex())
        box = window.devices.forms["camera"].rows["exposure_s"].widget  # type: ignore[attr-defined]
    box.setFocus()
    bench.qtbot.waitUntil(box.hasFocus)
    typed(box, "1.25" if floats == "Experiment" else "0.004")
    window.files.open(RING)
    read(bench)
    (copy,) = window.files.copies
    if floats == "Experiment":
        assert copy.data["policy"]["forces"][0]["shape"]["radius_um"] == 1.25
    else:
        assert copy.devices == {"camera.exposure_s": 0.004}


@pytest.fixture
def evening(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[[], Window]]:
    """Opens windows one after the other; they share the remembered layout and the kept edits."""
    application()
    made: list[Window] = []

    def open_window() -> Window:
        wires, _, _ = wiring()
        memory = RememberedLayout(tmp_path / "memory")
        window = Window(
            Session(planned(), wires), FIRST, tmp_path, lambda path, *more: planner(path, None, more)[1], memory
        )
        qtbot.addWidget(window)
        window.show()
        made.append(window)
        return window

    yield open_window
    for window in made:
        window.close()


def test_closing_while_armed_keeps_the_edits_for_the_next_time(evening: Callable[[], Window], qtbot: QtBot) -> None:
    window = evening()
    window.actions_bar.start.trigger()
    qtbot.waitUntil(window.actions_bar.arm.isEnabled)
    window.actions_bar.arm.trigger()
    choose(window.panel, "formula").fields.text.setPlainText("0.5*k*(r-R)**2 +")  # type: ignore[union-attr]
    assert window.close()
    again = evening()
    kept = listed(again.panel.list.box)[0]
    assert kept.startswith("Annular activity · unsaved")
    assert any("not saved" in line for line in again.log.read())
    pick(again, kept)
    qtbot.waitUntil(lambda: again.files.reading is None)
    shape = again.panel.data()["policy"]["forces"][0]["shape"]
    assert shape["formula"] == "0.5*k*(r-R)**2 +"  # unchanged, with its fault
    assert again.session.plan.experiment.title == "Annular activity"
    again.panel.undo()
    assert shape_of(again.panel).kind == "annular"  # type: ignore[attr-defined]
    assert again.close()
    assert not any("unsaved" in name for name in listed(evening().panel.list.box))


def test_the_first_close_is_refused_if_edits_can_not_be_kept(
    evening: Callable[[], Window], qtbot: QtBot, tmp_path: Path
) -> None:
    window = evening()
    (tmp_path / "memory").mkdir(exist_ok=True)
    (tmp_path / "memory" / "unsaved").write_text("a file, where a folder is needed")
    choose(window.panel, "drawn")
    assert not window.close()
    assert window.isVisible()
    assert "can't be kept" in window.strip.reason.whole
    assert window.close()


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_copy_is_written_at_the_next_close_when_the_disk_has_room(
    evening: Callable[[], Window], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = evening()
    choose(window.panel, "drawn")
    window.files.open(RING)
    qtbot.waitUntil(lambda: window.files.reading is None)
    with monkeypatch.context() as disk:
        disk.setattr(unsaved_edits, "write_file", full)
        assert not window.close()
    assert window.close()
    (kept,) = Copies(tmp_path / "memory" / "unsaved")
    assert kept.data["policy"]["forces"][0]["shape"]["kind"] == "drawn"


def test_the_close_is_refused_again_for_new_edits_that_can_not_be_kept(
    evening: Callable[[], Window], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = evening()
    monkeypatch.setattr(unsaved_edits, "write_file", full)
    choose(window.panel, "drawn")
    assert not window.close()
    window.save(tmp_path / "mine.yaml")
    qtbot.waitUntil(lambda: "saved to" in window.status.currentMessage())
    window.files.open(RING)
    qtbot.waitUntil(lambda: window.files.reading is None)
    choose(window.panel, "drawn")
    assert not window.close()  # these edits are new
    assert "can't be kept" in window.strip.reason.whole
    assert window.close()


def test_other_copies_are_written_if_the_form_can_not_be_read(
    evening: Callable[[], Window], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = evening()
    choose(window.panel, "drawn")
    window.files.open(RING)
    qtbot.waitUntil(lambda: window.files.reading is None)

    def broken() -> None:
        raise RuntimeError("a form that is broken")

    monkeypatch.setattr(window.panel, "data", broken)
    assert not window.close()
    assert window.close()
    assert len(list(Copies(tmp_path / "memory" / "unsaved"))) == 1


def written(folder: Path, **parts: Any) -> Path:
    """A copy in a file; `parts` replace those of the file, or change its experiment in place."""
    path = folder / "memory" / "unsaved" / "2026-01-01_000001.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    change = parts.pop("change", None)
    data: dict[str, Any] = {
        "title": "altered", "opened": str(RING), "at": "2026-01-01 00:00:01", "devices": {},
        "experiment": plain(planned().experiment), **parts,
    }  # fmt: skip
    if change is not None:
        change(data["experiment"])
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def first_force(data: dict[str, Any]) -> Any:
    return data["policy"]["forces"][0]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"change": lambda data: first_force(data)["shape"].update(kind="gone")},
            "'policy.forces.0.shape' has the kind 'gone'",
        ),
        ({"change": lambda data: data.pop("mode")}, "mode"),
        ({"change": lambda data: data.update(other=1)}, "other"),
        ({"change": lambda data: data.update(set=[])}, "set is []"),
        ({"change": lambda data: first_force(data).update(delay_s="abc")}, "policy.forces.0.delay_s"),
        ({"devices": {"camera.fps": "abc"}}, "camera.fps"),
        ({"devices": {5: "abc"}}, "5"),
        ({"opened": "/no/such/file.yaml"}, "write its new path there"),
    ],
)
def test_a_copy_that_can_not_be_resumed_is_reported_and_stays_in_its_file(
    evening: Callable[[], Window], qtbot: QtBot, tmp_path: Path, parts: dict[str, Any], said: str
) -> None:
    file = written(tmp_path, **parts)
    was = file.read_text()
    window = evening()
    choose(window.panel, "drawn")
    (copy,) = window.files.copies
    window.files.resume(copy)
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert said in window.strip.reason.whole
    assert str(file) in window.strip.reason.whole
    assert window.session.plan.experiment.title == "Annular activity"
    assert shape_of(window.panel).kind == "drawn"  # type: ignore[attr-defined]
    assert window.close()
    assert file.read_text() == was
    assert len(list(file.parent.iterdir())) == 2  # this copy, and the new edits


def test_the_log_names_the_rig_on_which_a_copy_is_resumed(
    evening: Callable[[], Window], qtbot: QtBot, tmp_path: Path
) -> None:
    written(tmp_path, rig="a wide one", devices={"camera.gone": 5})
    window = evening()
    window.files.resume(next(iter(window.files.copies)))
    qtbot.waitUntil(lambda: window.files.reading is None)
    lines = window.log.read()
    assert any("on the rig 'a wide one'; they are resumed on" in line for line in lines)
    assert any("no such settings" in line and "camera.gone" in line for line in lines)
    choose(window.panel, "drawn")
    assert window.close()
    (kept,) = Copies(tmp_path / "memory" / "unsaved")
    assert kept.rig == window.session.plan.rig.title


def test_a_copy_of_a_stack_with_two_channels_asks_for_the_channel(
    evening: Callable[[], Window], qtbot: QtBot, tmp_path: Path
) -> None:
    stack = tmp_path / "two.ome.tif"
    tifffile.imwrite(
        stack, np.zeros((3, 2, 96, 128), np.uint16), ome=True, photometric="minisblack",
        metadata={"axes": "TCYX", "TimeIncrement": 0.02, "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1},
    )  # fmt: skip
    experiment = plan_replay(stack, None, None, ("camera.channel_number=1",)).experiment
    data = {**plain(unpinned(experiment)), "title": "mine"}
    written(tmp_path, opened=str(stack), experiment=data)
    window = evening()
    window.files.resume(next(iter(window.files.copies)))
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert window.video_questions.isVisible()
    window.video_questions.channel.setCurrentIndex(1)
    window.video_questions.use.click()  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert window.path == stack
    assert window.panel.data()["title"] == "mine"
    assert not list(window.files.copies)


def test_a_second_program_keeps_the_copies_of_the_first(tmp_path: Path) -> None:
    """Each program deletes only copies that it has read or written itself."""

    def copy(title: str) -> Unsaved:
        return Unsaved(FIRST, title, {"title": title}, {})

    first, second = Copies(tmp_path), Copies(tmp_path)
    first.add(copy("of the first"))
    first.keep()
    second.add(copy("of the second"))
    second.keep()
    third = Copies(tmp_path)
    assert {kept.title for kept in third} == {"of the first", "of the second"}
    third.remove(next(iter(third)))
    third.keep()
    assert len(list(Copies(tmp_path))) == 1


def test_copies_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    copies = Copies(tmp_path)
    for number in range(MOST + 2):
        copies.add(Unsaved(FIRST, "one", {"title": "one"}, {"camera.fps": number}))
    copies.keep()
    again = Copies(tmp_path)
    assert len(list(again)) == MOST
    assert again.unread == [f"2 older copies of edits are not listed; they stay in {tmp_path}"]


def test_a_saved_file_is_remembered_for_the_next_window(
    evening: Callable[[], Window], qtbot: QtBot, tmp_path: Path
) -> None:
    window = evening()
    window.save(tmp_path / "mine.yaml")
    qtbot.waitUntil(lambda: "saved to" in window.status.currentMessage())
    assert window.close()
    assert RememberedLayout(tmp_path / "memory").path == tmp_path / "mine.yaml"


def test_copies_with_different_device_settings_are_separate(tmp_path: Path) -> None:
    copies = Copies(tmp_path)
    for fps in (50.0, 60.0, 60.0):
        copies.add(Unsaved(FIRST, "one", {"title": "one"}, {"camera.fps": fps}))
    assert [copy.devices["camera.fps"] for copy in copies] == [60.0, 50.0]


def test_edits_are_kept_if_the_next_experiment_can_not_be_shown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were in no list, and in no file."""
    window = bench.window
    choose(window.panel, "drawn")

    def broken(*_: object) -> None:
        raise OverflowError("a number that the form can't show")

    monkeypatch.setattr(window.panel, "show_experiment", broken)
    window.refresh_timer.stop()
    window.files.open(RING)

    def poll_until_shown() -> None:
        while window.files.reading is not None:
            window.files.poll()
            bench.qtbot.wait(5)

    with pytest.raises(OverflowError):
        poll_until_shown()
    (kept,) = window.files.copies
    assert kept.data["policy"]["forces"][0]["shape"]["kind"] == "drawn"
    assert kept.name in listed(window.panel.list.box)


def test_a_seed_as_large_as_the_reader_accepts_is_opened(bench: Bench, tmp_path: Path) -> None:
    """The form raised an error for 3000000000, when the session already had the new plan."""
    window = bench.window
    file = tmp_path / "flash.yaml"
    seed = 2**63 - 1
    motion = {"kind": "flash", "seed": seed}
    flash = {"title": "Flash", "rig": str(RIGS / "simulated.yaml"), "policy": {"kind": "calibrating", "motion": motion}}
    file.write_text(yaml.safe_dump(flash))
    window.files.open(file)
    read(bench)
    assert window.session.plan.experiment.title == window.panel.data()["title"] == "Flash"
    assert window.panel.data()["policy"]["motion"]["seed"] == seed
    assert window.panel.read() == window.session.plan.experiment
    assert window.files.unsaved() is None


def test_a_file_that_can_not_be_deleted_does_not_keep_the_window_open(
    evening: Callable[[], Window], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said that the edits can't be kept, although they were written; the next closing wrote them again."""
    folder = tmp_path / "memory" / "unsaved"
    resumed = written(tmp_path)
    window = evening()
    window.files.resume(next(iter(window.files.copies)))
    qtbot.waitUntil(lambda: window.files.reading is None)
    choose(window.panel, "drawn")
    unlink = Path.unlink

    def refusing(path: Path, missing_ok: bool = False) -> None:
        if path == resumed:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refusing)
    assert window.close()
    files = set(folder.glob("*.yaml"))
    assert resumed in files
    assert len(files) == 2


def test_a_new_name_has_no_value_of_another_experiment_after_resuming(bench: Bench, tmp_path: Path) -> None:
    """The editor of the formula is the same if both have the same kind of force."""
    window, panel = bench.window, bench.window.panel
    other = tmp_path / "other.yaml"
    data = yaml.safe_load(FIRST.read_text()) | {"title": "Other", "rig": str(RIGS / "simulated.yaml")}
    other.write_text(yaml.safe_dump(data))
    first = formula(panel, "0.5*k*(r-R)**2")
    assert first.numbers
    first.numbers["k"].setValue(7.0)
    window.files.open(other)
    read(bench)
    formula(panel, "q*r").numbers["q"].setValue(3.0)
    window.files.resume(next(iter(window.files.copies)))
    read(bench)
    assert formula(panel, "0.5*k*(r-R)**2 + q*r").get()["parameters"] == {"k": 7.0, "R": 1.0, "q": 1.0}


def formula(panel: ExperimentPanel, text: str) -> FormulaEditor:
    """The editor of the formula, with this text."""
    editor = choose(panel, "formula").fields
    assert isinstance(editor, FormulaEditor)
    editor.text.setPlainText(text)
    editor._show_parameters()
    return editor
