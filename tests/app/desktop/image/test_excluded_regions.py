"""Dirt and hot pixels: regions are drawn by mouse and correction images are taken; both come into force at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
import pytest
import tifffile
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtTest import QTest as TypedQTest
from PyQt6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from app.desktop.image.image_view import View
from app.desktop.image.mouse_tools import TRAPS_CHANGED
from app.desktop.window.main_window import Window
from app.desktop.window.open import application, planner
from app.desktop.window.session import Session
from app.tuning.images_to_corrections import TAKEN, median_image
from config.reader import plain
from control.contract import OrderKind
from drivers.still_image import read_still_image
from tests.app.desktop.toy import SIZE_PX
from tests.app.desktop.window.test_main_window import Bench
from tests.tracking.dirty import DirtyCamera

QTest: Any = TypedQTest  # its type stubs declare static methods as instance methods
HOT = [(30, 20), (200, 131)]  # x, y of pixels
DARK = np.full((SIZE_PX, SIZE_PX), 100, np.uint16)  # a frame without light
for column, row in HOT:
    DARK[row, column] = 3000


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path)
    made.window.actions_bar.start.trigger()
    made.qtbot.waitUntil(lambda: made.window.candidate_search.image() is not None)
    yield made
    made.window.close()


def at(view: View, x_um: float, y_um: float) -> QPoint:
    """Position on the widget (px) of a point of the sample (um)."""
    return QPoint(view.mapFromScene(view.box.mapViewToScene(QPointF(x_um, y_um))))


def drag(view: View, begin: QPoint, end: QPoint, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Drag with the left mouse button, in three steps. `meanwhile` is called during the drag."""
    viewport = view.viewport()
    assert viewport is not None
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=begin)
    for share in (0.3, 0.6, 1.0):
        place = QPointF(begin) + QPointF(end - begin) * share
        left = Qt.MouseButton.LeftButton
        event = QMouseEvent(QEvent.Type.MouseMove, place, viewport.mapToGlobal(place), left, left,
                            Qt.KeyboardModifier.NoModifier)  # fmt: skip
        QTest.qWait(25)  # pyqtgraph processes at most 100 moves per second
        QApplication.sendEvent(viewport, event)
        if share == 0.3:
            meanwhile()
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=end)


def choose(bench: Bench, x_um: float, y_um: float, *names: str) -> None:
    """Right-click at a point of the image (um), then choose these entries of the menu and its submenus."""
    view = bench.window.view
    QTest.mouseClick(view.viewport(), Qt.MouseButton.RightButton, pos=at(view, x_um, y_um))
    bench.qtbot.waitUntil(lambda: isinstance(QApplication.activePopupWidget(), QMenu))
    menu = QApplication.activePopupWidget()
    for name in names:
        assert isinstance(menu, QMenu)
        action = next(action for action in menu.actions() if action.text() == name)
        if action.menu() is None:
            action.trigger()
        menu = action.menu()
    popup = QApplication.activePopupWidget()
    if popup is not None:
        popup.close()


def test_a_region_is_drawn_moved_resized_and_removed(bench: Bench) -> None:
    """Each change comes into force without opening a device again; an APPLY contains it."""
    window, view = bench.window, bench.window.view
    for kind in ("Ellipse", "Rectangle"):
        choose(bench, 10.0, 8.0, "Exclude a region here", kind)
        (region,) = window.session.plan.rig.tracking.excluded_regions
        assert region.kind == kind.lower()
        assert region.left_px + region.width_px / 2 == pytest.approx(100.0, abs=3.0)  # rounded to pixels of the screen
        assert region.top_px + region.height_px / 2 == pytest.approx(80.0, abs=3.0)
        drag(view, at(view, 10.0, 8.0), at(view, 15.0, 12.0))
        (moved,) = window.session.plan.rig.tracking.excluded_regions
        assert moved.left_px - region.left_px == pytest.approx(50.0, abs=3.0)
        assert moved.top_px - region.top_px == pytest.approx(40.0, abs=3.0)
        assert moved.width_px == pytest.approx(region.width_px, abs=0.11)
        corner_um = 0.1 * (moved.left_px + moved.width_px), 0.1 * (moved.top_px + moved.height_px)
        drag(view, at(view, *corner_um), at(view, corner_um[0] + 3.0, corner_um[1] + 2.0))
        (grown,) = window.session.plan.rig.tracking.excluded_regions
        assert grown.width_px - moved.width_px == pytest.approx(30.0, abs=3.0)
        assert grown.height_px - moved.height_px == pytest.approx(20.0, abs=3.0)
        assert window.panel.data()["set"]["tracking.excluded_regions"][0]["width_px"] == grown.width_px
        choose(bench, 15.0, 12.0, "Remove this region")
        assert window.session.plan.rig.tracking.excluded_regions == ()
        assert window.mouse_tools.regions.items == []
    assert len(bench.toys) == 1
    bench.qtbot.waitUntil(lambda: any(
        order.kind is OrderKind.APPLY and "excluded_regions" in order.text
        for _, turn in window.session.live.recent() for order in turn.orders  # type: ignore[union-attr]
    ))  # fmt: skip


@pytest.mark.parametrize("by_corner", [False, True])
def test_a_region_that_vanishes_while_it_is_dragged(bench: Bench, by_corner: bool) -> None:
    """The release of the button tripped a lit beam."""
    window, view = bench.window, bench.window.view
    choose(bench, 10.0, 8.0, "Exclude a region here", "Rectangle")
    (region,) = window.session.plan.rig.tracking.excluded_regions
    corner_um = 0.1 * (region.left_px + region.width_px), 0.1 * (region.top_px + region.height_px)
    drag(view, at(view, *(corner_um if by_corner else (10.0, 8.0))), at(view, 15.0, 12.0), window.panel.undo)
    assert window.session.plan.rig.tracking.excluded_regions == ()
    assert window.mouse_tools.regions.items == []


def test_a_drag_moves_no_other_region_that_takes_the_place(bench: Bench) -> None:
    """As the regions of another file do that opens during the drag."""
    window, view = bench.window, bench.window.view
    choose(bench, 10.0, 8.0, "Exclude a region here", "Rectangle")
    other = {"kind": "rectangle", "left_px": 10.0, "top_px": 10.0, "width_px": 20.0, "height_px": 20.0}
    drag(view, at(view, 10.0, 8.0), at(view, 15.0, 12.0),
         lambda: window.settings.change_rig({"tracking.excluded_regions": [other]}, False))  # fmt: skip
    assert plain(window.session.plan.rig.tracking.excluded_regions[0]) == other
    (item,) = window.mouse_tools.regions.items
    assert tuple(item.pos()) == pytest.approx((1.0, 1.0))


def test_a_drag_moves_no_other_trap_that_takes_the_handle(bench: Bench) -> None:
    window, view = bench.window, bench.window.view
    for x_um in (5.0, 10.0):
        window.mouse_tools.drop_trap(x_um, 8.0)
    window.mouse_tools.remove_trap(1)
    drag(view, at(view, 10.0, 8.0), at(view, 15.0, 12.0), window.panel.undo)
    assert [force["centre_um"] for force in window.panel.data()["policy"]["forces"][1:]] == [[5.0, 8.0], [10.0, 8.0]]
    assert [tuple(handle.pos()) for handle in window.mouse_tools.traps] == [(5.0, 8.0), (10.0, 8.0)]


@pytest.mark.parametrize(
    ("what", "name"),
    [("background", "background_file"), ("dark", "dark_file"), ("hot-pixels", "hot_pixels_file")],
)
def test_a_correction_image_is_taken_from_the_stream(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, name: str
) -> None:
    """It comes into force without another click, and the log reports it.

    A record contains the images in force at its start, so none can be taken during a record. Regions are settings, and
    can be drawn.
    """
    monkeypatch.setattr("app.desktop.window.correction_capture.IMAGES", 6)
    monkeypatch.setitem(TAKEN, what, replace(TAKEN[what], over_s=0.2))
    window, take = bench.window, f"Take the {TAKEN[what].name}"
    if what != "background":  # the camera is covered
        bench.toy.camera.covered_by = DARK
        bench.qtbot.waitUntil(lambda: np.array_equal(window.candidate_search.image(), DARK))  # type: ignore[arg-type]
    choose(bench, 3.0, 3.0, "Correct the images", take)
    bench.qtbot.waitUntil(lambda: file_of(window, name) != "")
    path = Path(file_of(window, name))
    assert path.parent == tmp_path
    assert path.name.endswith(f".{what}.tif")
    image = read_still_image(path)
    assert image.shape == (256, 256)
    if what == "background":  # the moving particles are not in it
        assert np.median(image) == 400
    elif what == "dark":
        assert np.array_equal(image, DARK)
    else:
        assert np.argwhere(image).tolist() == [[row, column] for column, row in HOT]
    assert list(window.session.plan.corrections) == [str(path)]
    assert window.devices.forms["tracking"].get()[name] == str(path)
    assert any(f"{TAKEN[what].name}: " in line and str(path) in line for line in window.log.read())
    assert len(bench.toys) == 1
    choose(bench, 3.0, 3.0, "Correct the images", "Correct nothing")
    assert file_of(window, name) == ""
    assert window.session.plan.corrections == {}
    window.actions_bar.record.trigger()
    bench.qtbot.waitUntil(lambda: window.session.live.recording)  # type: ignore[union-attr]
    choose(bench, 3.0, 3.0, "Correct the images", take)
    assert "end the record first" in window.status.currentMessage()
    assert window.correction_capture.what == ""
    window.settings.change_rig({f"tracking.{name}": str(path)}, False)
    assert window.session.plan.corrections == {}
    assert "end the record first" in window.devices.trouble.text()
    choose(bench, 10.0, 8.0, "Exclude a region here", "Ellipse")
    assert len(window.session.plan.rig.tracking.excluded_regions) == 1


def file_of(window: Window, name: str) -> str:
    return str(getattr(window.session.plan.rig.tracking, name))


def test_a_background_is_taken_from_a_recording(qtbot: QtBot, tmp_path: Path) -> None:
    """From its own images, first to last; the recording is then tracked again with this background."""
    camera = DirtyCamera(frames=6)
    tifffile.imwrite(tmp_path / "a.tif", np.stack(camera.images(dirty=True)), photometric="minisblack")
    application()
    path, made = planner(tmp_path / "a.tif", None)
    window = Window(Session(made), path, tmp_path, lambda chosen: planner(chosen, None)[1])
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.playback.reel is not None and window.playback.reel.ready == 6)
    window.mouse_tools.asked_for.emit("background")
    qtbot.waitUntil(lambda: window.session.plan.rig.tracking.background_file != "")
    background = read_still_image(Path(window.session.plan.rig.tracking.background_file))
    assert np.array_equal(background, median_image(camera.images(dirty=True)))
    assert any("background: " in line and "from 6 images" in line for line in window.log.read())
    reel = window.playback.reel
    assert reel is not None
    assert reel.first is not None
    assert reel.first.plan.rig.tracking.background_file != ""
    qtbot.waitUntil(lambda: reel.ready == 6 or bool(reel.trouble))
    assert reel.trouble == ""
    window.close()


def centres_um(window: Window) -> list[list[float]]:
    return [force["centre_um"] for force in window.panel.data()["policy"]["forces"][1:]]


@pytest.mark.parametrize("by_menu", [False, True])
def test_a_handle_of_earlier_traps_edits_no_other_trap(bench: Bench, by_menu: bool) -> None:
    """While an edit is checked in the background, a handle may still have the index of another trap."""
    window, tools = bench.window, bench.window.mouse_tools
    for x_um in (5.0, 10.0):
        tools.drop_trap(x_um, 8.0)
    menu = tools.menu(10.0, 8.0)
    tools._data = lambda: {
        "policy": {"forces": [{}, {"centre_um": [1.0, 1.0]}, *window.panel.data()["policy"]["forces"][1:]]}
    }
    if by_menu:
        next(action for action in menu.actions() if action.text() == "Remove this trap").trigger()
    else:
        tools.traps[1].setPos(15.0, 12.0)
        tools.traps[1].sigPositionChangeFinished.emit(tools.traps[1])
    assert centres_um(window) == [[5.0, 8.0], [10.0, 8.0]]
    assert window.status.currentMessage() == TRAPS_CHANGED


def test_another_experiment_closes_the_menu(bench: Bench) -> None:
    window = bench.window
    menu = window.mouse_tools.menu(10.0, 8.0)
    menu.popup(QPoint(5, 5))
    assert menu.isVisible()
    window.show_plan(window.session.plan)
    assert not menu.isVisible()


def test_an_ellipse_is_where_it_is_drawn_after_undo(bench: Bench) -> None:
    """Regression: the mouse moved it by its earlier outline."""
    regions = bench.window.mouse_tools.regions
    ellipse = {"kind": "ellipse", "left_px": 20.0, "top_px": 20.0, "width_px": 100.0, "height_px": 100.0}
    regions.show([ellipse])
    (item,) = regions.items
    assert item.shape().contains(QPointF(9.0, 5.0))
    regions.show([{**ellipse, "width_px": 20.0, "height_px": 20.0}])
    assert regions.items == [item]
    assert not item.shape().contains(QPointF(9.0, 5.0))
    assert item.shape().contains(QPointF(1.0, 1.0))


def test_a_region_that_is_not_moved_is_no_edit(bench: Bench) -> None:
    window = bench.window
    choose(bench, 10.0, 8.0, "Exclude a region here", "Rectangle")
    steps = window.panel.undo_stack.count()
    (item,) = window.mouse_tools.regions.items
    item.setPos(item.pos() + pg.Point(0.002, 0.0))
    assert window.panel.undo_stack.count() == steps
    assert tuple(item.pos()) == pytest.approx(
        (0.1 * window.mouse_tools.regions.shown[0]["left_px"], 0.1 * window.mouse_tools.regions.shown[0]["top_px"])
    )
